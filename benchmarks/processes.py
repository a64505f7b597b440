"""Starting, watching and ending the processes that are measured. Linux: it reads /proc."""

import contextlib
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from config.environment import Environment  # noqa: E402 - after the path

# What reaches a process by accident: every setting of ours, libpq's, Django's, the SDK's, the interpreter's.
NOT_PASSED_ON = re.compile(f"(SWML|SIGNALWIRE|DJANGO|SWITCHBOARD|PYTHON|PG).*|{'|'.join(Environment.model_fields)}")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
STOP_SECONDS = 45  # `serve` drains its workers and waits for Postgres to write a checkpoint
STILL_SECONDS = 0.25  # processes that use no CPU for so long have done what they had to
SETTLE_SECONDS = 60  # Postgres may have a backlog


def tree(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    except OSError:  # it ended meanwhile
        pass
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these process trees, descendants that have ended included."""
    ticks = 0
    for process in {process for pid in pids for process in tree(pid)}:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # its own, and that of children it has waited for
    return ticks / TICKS


def settle(pids: Iterable[int]) -> None:
    """Wait until these trees use no CPU any more."""
    pids = list(pids)
    end = time.monotonic() + SETTLE_SECONDS
    before = cpu_seconds(pids)
    while time.monotonic() < end:
        time.sleep(STILL_SECONDS)
        now = cpu_seconds(pids)
        if now - before <= 1.5 / TICKS:  # a heartbeat is no work
            return
        before = now


def own_bytes(pid: int) -> int:
    """Memory that this process alone has (USS); the resident size where that may not be read."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * sum(map(int, re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", rollup, re.MULTILINE)))
    except OSError:
        return resident_bytes(pid)


def resident_bytes(pid: int) -> int:
    """Resident size; 0 if there is no such process any more."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def peak_bytes(pid: int) -> int:
    """The largest resident size so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def available_bytes() -> int:
    """Memory that the machine has left."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**further: object) -> dict[str, str]:
    """The environment of all processes: the user's without what would make two runs unlike, and these variables."""
    kept = {name: value for name, value in os.environ.items() if not NOT_PASSED_ON.fullmatch(name)}
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "SIGNALWIRE_LOG_MODE": "off"}
    ours |= {"SWML_BASIC_AUTH_USER": "u", "SWML_BASIC_AUTH_PASSWORD": "p"}
    ours["DRAIN_NOTICE_SECONDS"] = "0"  # no load balancer here has to notice anything
    return {**kept, **ours, **{name: str(value) for name, value in further.items()}}


def take_environment(**further: object) -> None:
    """The same, for this process: before Django's settings are read."""
    found = environment(**further)
    os.environ.clear()
    os.environ.update(found)


class Ways:
    """How processes and data folders are made: anew. The tests put quicker ways here (tests/benchmarks/forks.py)."""

    popen = subprocess.Popen
    context: multiprocessing.context.BaseContext = multiprocessing.get_context("spawn")

    @staticmethod
    def prepare(folder: Path) -> None:
        """An empty data folder: whoever opens its database first makes it."""


def new_data_folder(folder: Path) -> Path:
    """A data folder for a database of its own."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Ways.prepare(folder)
    return folder


def start(
    command: Iterable[object], environment: Mapping[str, str], log: Path, out: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Start Python with these arguments; what it prints goes into a file, or into `out` and the rest into the file.

    It is in a session of its own, so that Ctrl-C is for us alone.
    """
    with log.open("ab") as errors, (out or log).open("ab") as output:
        return Ways.popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )


def run(command: Iterable[object], environment: Mapping[str, str]) -> str:
    """Run Python with these arguments to its end; what it prints. RuntimeError with its last words if it failed."""
    with tempfile.TemporaryDirectory(prefix="switchboard-bench-") as name:
        log, out = Path(name, "log"), Path(name, "out")
        process = start(command, environment, log, out)
        try:
            code = process.wait()
        finally:
            stop(process)
        if code:
            raise RuntimeError(f"{' '.join(map(str, command))} failed: {log.read_text()[-2000:]}")
        return out.read_text()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that `start` started, and whatever it started: gently, and if that takes too long, not."""
    if process.poll() is not None:
        return
    descendants = tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in descendants:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
