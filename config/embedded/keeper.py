"""Stops the embedded PostgreSQL when its last user is gone, however it went: a process of its own, bare Python.

cluster.py runs this file by its path with two open files and one folder:

    python -I -S keeper.py LOCK_FD KEEPER_FD PGDATA

Every user of the server holds a shared lock on the first file, so the exclusive lock is had only when none is left; the
kernel lets go of a killed process's locks, so `kill -9` needs no care. The second file's lock, which the starter took,
says "there is a keeper"; in it stands what the starter knows of the server: `starting`, its process id, or nothing.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STARTING_SECONDS = 5  # a starter killed at work leaves a server that has not written its postmaster.pid yet
FAST_SECONDS = 30  # a fast shutdown ends sessions and writes a checkpoint: well under a second when little is dirty
IMMEDIATE_SECONDS = 5  # an immediate one writes nothing; PostgreSQL itself kills what is left of its children after 5
POLL_SECONDS = 0.02
NOTE_BYTES = 32


def postmaster_pid(pgdata: Path) -> int | None:
    """The process id in postmaster.pid; None if there is no such file or it is half-written."""
    try:
        return int((pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def is_postmaster(pid: int, pgdata: Path) -> bool:
    """Whether `pid` is a live server of this folder, and not somebody who was given a dead server's number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for a zombie
    except OSError:
        if Path("/proc/self").exists():
            return False
        asked = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)  # macOS
        command = asked.stdout
    return b"postgres" in command and os.fsencode(pgdata) in command


def running_pid(pgdata: Path, noted: str = "") -> int | None:
    """The live server's process id, from postmaster.pid or, if the folder is gone, from the starter's note."""
    for pid in (postmaster_pid(pgdata), int(noted) if noted.isdecimal() else None):
        if pid and is_postmaster(pid, pgdata):
            return pid
    return None


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; whether it came in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(pgdata: Path, noted: str) -> None:
    """Stop the folder's server, if one runs: as gently as the time allows."""
    if noted == "starting":
        wait_until(lambda: running_pid(pgdata) is not None, STARTING_SECONDS)
    if (pid := running_pid(pgdata, noted)) is None:
        return
    # What `pg_ctl stop` sends; done by hand because this must also work when the folder or the wheel has been deleted.
    steps = [(signal.SIGINT, FAST_SECONDS), (signal.SIGQUIT, IMMEDIATE_SECONDS), (signal.SIGKILL, IMMEDIATE_SECONDS)]
    if not (pgdata / "global").exists():
        del steps[0]  # there is nothing left to write a checkpoint to
    for number, seconds in steps:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not is_postmaster(pid, pgdata), seconds):
            return


def main(lock: int, keeper: int, pgdata: Path) -> None:
    """Become a process of nobody's, wait for the exclusive lock, stop the server, end."""
    if os.fork():
        os._exit(0)  # the starter waits for this one only, and has no child to reap
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what ends the others must not end the one that cleans up after them
    fcntl.flock(lock, fcntl.LOCK_EX)
    stop(pgdata, os.pread(keeper, NOTE_BYTES, 0).decode(errors="replace").strip())
    # In this order: whoever gets the shared lock next must find no keeper, and start his own.
    fcntl.flock(keeper, fcntl.LOCK_UN)
    fcntl.flock(lock, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
