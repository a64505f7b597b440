"""What the tests of this folder know of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def that_know(data_dir: Path) -> list[str]:
    """The live processes that have the data folder in their command line or environment, but this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(data_dir) in command + environment:
            found.append(f"{folder.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true; fail if it does not come."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_until_gone(data_dir: Path, seconds: float = 10) -> None:
    """Wait until no process knows the data folder any more."""
    end = time.monotonic() + seconds
    while left := that_know(data_dir):
        assert time.monotonic() < end, f"still running: {left}"
        time.sleep(0.02)


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a Python of ours; it sees what we see."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
