"""Starting, watching and ending the processes that are measured. Linux: it reads /proc."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


def start(command: list[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own, so that Ctrl-C is for us alone; what it prints goes into a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


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
