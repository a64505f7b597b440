"""Processes that need not load Django first, which takes a second or two: commands of manage.py, `serve`, and scripts.

Run as a script this is the parent of those processes; it has loaded everything and asked nothing.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60
POLL_SECONDS = 0.005
MOST_BYTES = 2**20  # of a job
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "SECRET_KEY": "nobody's"}
# What a worker loads besides; not config.asgi, which makes the application of the settings that it finds.
WORKERS = ("config.background", "config.supervisor", "config.urls", "config.worker", "dashboard.consumers")
LIBRARIES = ("channels.auth", "uvicorn.lifespan.on", "uvicorn.protocols.websockets.auto", "uvloop")
STARTING = threading.Lock()


# --- for the tests ---------------------------------------------------------------------------------------------------


class Process:
    """One that the parent has forked: what `subprocess.Popen` says of its own."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path | None = None):
        """`arguments` are manage.py's, or begin with a script. `log`: where all that it says goes; else two files."""
        self.arguments = arguments
        self.folder = Path(tempfile.mkdtemp(dir=folder_of_jobs()))
        out, err = (log, log) if log else (self.folder / "out", self.folder / "err")
        job = {"folder": str(self.folder), "arguments": arguments, "environment": dict(environment)}
        self.order({**job, "out": str(out), "err": str(err)})
        self.pid = int(self.wait_for("pid", SECONDS))

    def order(self, job: Mapping[str, Any]) -> None:
        """Have the parent fork it."""
        stream = parent().stdin
        assert stream is not None
        stream.write(json.dumps(job).encode() + b"\n")
        stream.flush()

    def parent_lives(self) -> bool:
        """Whether there is still somebody who could say how it ended."""
        return parent().poll() is None

    def wait_for(self, name: str, seconds: float) -> str:
        """What the parent writes into a file; `TimeoutExpired`."""
        limit = time.monotonic() + seconds
        while not (file := self.folder / name).exists():
            if time.monotonic() > limit:
                raise subprocess.TimeoutExpired(self.arguments, seconds)
            assert self.parent_lives()
            time.sleep(POLL_SECONDS)
        return file.read_text()

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        file = self.folder / "code"
        return int(file.read_text()) if file.exists() else None

    def wait(self, timeout: float = SECONDS) -> int:
        return int(self.wait_for("code", timeout))

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # its parent has seen its end, and not said so yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    process = Process(arguments, environment)
    code = process.wait()
    return code, (process.folder / "out").read_text(), (process.folder / "err").read_text()


def folder_of_jobs() -> Path:
    """Goes with everything else when the tests end."""
    from config.test_plugin import data_dir

    folder = data_dir / "processes"
    folder.mkdir(exist_ok=True)
    return folder


def parent() -> "subprocess.Popen[bytes]":
    """The parent of all of them, from the first one on."""
    with STARTING:
        return started_parent()


@cache
def started_parent() -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **NOWHERE}
    return subprocess.Popen([sys.executable, "-P", __file__], stdin=subprocess.PIPE, cwd=ROOT, env=environment)


def end() -> None:
    """Let it go, if there is one."""
    if started_parent.cache_info().currsize:
        parent().communicate(timeout=30)


# --- the parent ------------------------------------------------------------------------------------------------------


class Parent:
    """Forks a process for each line that it reads, and says how each one ended."""

    def __init__(self) -> None:
        self.wake, self.waker = socket.socketpair()
        self.wake.setblocking(False)
        self.waker.setblocking(False)
        # By which scripts order processes of their own: a message is a job.
        self.ordered, self.orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.running: dict[int, Path] = {}

    def run(self) -> None:
        """Until there are no more lines."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        rest = b""
        while True:
            ready, _, _ = select.select([0, self.wake, self.ordered], [], [])
            if self.ordered in ready:
                self.fork(json.loads(self.ordered.recv(MOST_BYTES)))
            if self.wake in ready:
                self.wake.recv(4096)
                self.reap()
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.fork(json.loads(line))

    def fork(self, job: Mapping[str, Any]) -> None:
        """A process for a job."""
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self.wake.close()
            self.waker.close()
            self.ordered.close()
            end_with(lambda: carry_out(job, self.orders))
        self.running[pid] = Path(job["folder"])
        put(self.running[pid], "pid", pid)

    def reap(self) -> None:
        """Say who has ended, and how."""
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            put(self.running.pop(pid), "code", os.waitstatus_to_exitcode(status))


def put(folder: Path, name: str, number: int) -> None:
    """A file that is there with its whole content or not at all."""
    written = folder / f"{name}.new"
    written.write_text(str(number))
    written.rename(folder / name)


def load() -> None:
    """What commands and workers need."""
    import django
    from django.core.management import get_commands, load_command_class

    django.setup()
    for name, app in get_commands().items():
        if app in ("registry", "agents", "dashboard", "config") and name != "test":
            load_command_class(app, name)
    commands = ("registry.actions.agents", "django.core.management.commands.shell", "django.contrib.auth.admin")
    for module in (*commands, *WORKERS, *LIBRARIES):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # else each process's first collection copies all of it


def end_with(what: Callable[[], None]) -> None:
    """End this process as Python itself would after doing that."""
    code: Any = 0
    try:
        what()
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except BaseException:  # noqa: BLE001 - as Python itself would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(bool(code)))


def carry_out(job: Mapping[str, Any], orders: socket.socket) -> None:
    """In the new process: become what was asked for."""
    from django.core.management import execute_from_command_line

    from config import supervisor

    os.setsid()
    usual_signals()
    for path, mode, descriptor in (
        ("/dev/null", os.O_RDONLY, 0),
        (job["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1),
        (job["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2),
    ):
        file = os.open(path, mode)
        os.dup2(file, descriptor)
        os.close(file)
    use_environment(job["environment"])
    supervisor.subprocess = Forks  # type: ignore[attr-defined]
    if job["arguments"][0].endswith(".py"):
        from tests.benchmarks import forks

        forks.run(job["arguments"], Path(job["folder"]), orders, use_environment)
        return
    sys.argv = ["manage.py", *job["arguments"]]
    execute_from_command_line(sys.argv)


def usual_signals() -> None:
    """What every process has that is started anew."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def use_environment(environment: Mapping[str, str]) -> None:
    """Read the settings anew."""
    from django.conf import settings
    from django.db import connections
    from django.utils.log import configure_logging

    os.environ.clear()
    os.environ.update(environment)
    module = importlib.reload(sys.modules["config.settings"])
    for name in filter(str.isupper, dir(module)):
        if name != "TEMPLATES":  # template_partials has put its loader there
            setattr(settings, name, getattr(module, name))
    for alias in connections:
        if hasattr(connections._connections, alias):  # type: ignore[attr-defined]
            del connections[alias]
    connections._settings = None  # type: ignore[attr-defined]
    vars(connections).pop("settings", None)
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


class Worker:
    """A worker that the supervisor forks: what `subprocess.Popen` says of its own. All else is the real one's."""

    def __init__(
        self, command: list[str], *, env: Mapping[str, str], pass_fds: list[int], process_group: int, stdin: int
    ):
        assert (process_group, stdin) == (0, subprocess.DEVNULL)  # as a forked supervisor and worker have it, too
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            end_with(lambda: self.become(command, env, {0, 1, 2, *pass_fds}))
        os.setpgid(self.pid, self.pid)

    def become(self, command: list[str], environment: Mapping[str, str], kept: set[int]) -> None:
        """In the new process. What it does not keep is still known to the supervisor's frames, which never end here."""
        os.setpgid(0, 0)
        usual_signals()
        for descriptor in [int(file.name) for file in Path("/proc/self/fd").iterdir()]:
            if descriptor not in kept:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        use_environment(environment)
        sys.argv = command[command.index("-P") + 1 :]
        sys.modules["config.worker"].main()

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


class Forks:
    """What config/supervisor.py uses of `subprocess`."""

    Popen = Worker
    DEVNULL = subprocess.DEVNULL


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    load()
    Parent().run()
