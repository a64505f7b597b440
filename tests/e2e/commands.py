"""Commands of manage.py, each in a process of its own that need not load Django first: that takes a second.

Run as a script this is the parent of those processes; it has loaded everything and asked nothing.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "SECRET_KEY": "nobody's"}


def run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    with tempfile.TemporaryDirectory() as folder:
        job = {"folder": folder, "arguments": arguments, "environment": dict(environment)}
        stream = parent().stdin
        assert stream is not None
        stream.write(json.dumps(job).encode() + b"\n")
        stream.flush()
        code = Path(folder, "code")
        limit = time.monotonic() + SECONDS
        while not code.exists():
            assert time.monotonic() < limit, f"{arguments} does not end"
            assert parent().poll() is None
            time.sleep(0.005)
        return int(code.read_text()), Path(folder, "out").read_text(), Path(folder, "err").read_text()


@cache
def parent() -> "subprocess.Popen[bytes]":
    """The parent of all of them, from the first command on."""
    environment = {**os.environ, **NOWHERE}
    return subprocess.Popen([sys.executable, "-P", __file__], stdin=subprocess.PIPE, cwd=ROOT, env=environment)


def end() -> None:
    """Let it go, if there is one."""
    if parent.cache_info().currsize:
        parent().communicate(timeout=30)


def load() -> None:
    """What all commands need."""
    import django
    from django.core.management import get_commands, load_command_class

    django.setup()
    for name, app in get_commands().items():
        if app in ("registry", "agents", "dashboard"):
            load_command_class(app, name)
    for module in ("registry.actions.agents", "django.core.management.commands.shell", "django.contrib.auth.admin"):
        importlib.import_module(module)


def carry_out(job: Mapping[str, Any]) -> None:
    """In the new process: become what was asked for, and say how it ended."""
    from django.core.management import execute_from_command_line

    os.environ.clear()
    os.environ.update(job["environment"])
    for name, descriptor in (("out", 1), ("err", 2)):
        file = os.open(f"{job['folder']}/{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
    use_environment()
    code: Any = 0
    try:
        execute_from_command_line(["manage.py", *job["arguments"]])
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except Exception:  # noqa: BLE001 - as Python itself would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    written = Path(job["folder"], "written")
    written.write_text(str(code if isinstance(code, int) else int(bool(code))))
    written.rename(Path(job["folder"], "code"))


def use_environment() -> None:
    """Read the settings anew."""
    from django.conf import settings
    from django.db import connections
    from django.utils.log import configure_logging

    module = importlib.reload(sys.modules["config.settings"])
    for name in filter(str.isupper, dir(module)):
        setattr(settings, name, getattr(module, name))
    for alias in connections:
        if hasattr(connections._connections, alias):  # type: ignore[attr-defined]
            del connections[alias]
    connections._settings = None  # type: ignore[attr-defined]
    vars(connections).pop("settings", None)
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


def main() -> None:
    """A process for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    load()
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            carry_out(json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
