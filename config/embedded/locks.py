"""The locks beside the embedded server's folder, and the keeper that lives on them (see cluster.py and keeper.py)."""

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db.utils import OperationalError

from config.embedded import keeper

logger = logging.getLogger(__name__)

SLOW_SECONDS = 3  # say what is being waited for
POLL_SECONDS = 0.02
STOP_SECONDS = keeper.FAST_SECONDS + 2 * keeper.IMMEDIATE_SECONDS + 5  # a newcomer waits for a keeper that is stopping
STARTER_SECONDS = 240  # another starter's worst case: INIT_SECONDS and START_SECONDS of server.py


@dataclass(frozen=True)
class Files:
    """Where a data folder's server and its locks are."""

    data_dir: Path

    @property
    def pgdata(self) -> Path:
        """The server's own folder."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """What the server writes; inside its folder, since as root it is another account that writes it."""
        return self.pgdata / "log"

    @property
    def lock(self) -> Path:
        """Shared by all users."""
        return self.data_dir / "postgres.lock"

    @property
    def keeper(self) -> Path:
        """Held by the keeper."""
        return self.data_dir / "postgres.keeper"

    @property
    def start(self) -> Path:
        """Held by the starter."""
        return self.data_dir / "postgres.start"


def try_lock(fd: int, kind: int) -> bool:
    """Take a lock if it can be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(path: Path, fd: int) -> bool:
    """Whether the path still leads to the open file: not after its folder was deleted."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


def open_locked(path: Path, kind: int, seconds: float, why: str) -> int:
    """Open and lock a file; raises OperationalError when the lock cannot be had in time."""
    end = time.monotonic() + seconds
    slow = time.monotonic() + SLOW_SECONDS
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not try_lock(fd, kind):
                if time.monotonic() > end:
                    raise OperationalError(f"{why} for {seconds:.0f} s; its lock is {path}")
                if time.monotonic() > slow:
                    slow = end
                    logger.info("%s; waiting", why)
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(fd)
            raise
        if same_file(path, fd):
            return fd
        os.close(fd)  # deleted while we waited


def take_share(files: Files) -> int:
    """Take a user's lock; waits for a keeper that is stopping the server just now."""
    return open_locked(files.lock, fcntl.LOCK_SH, STOP_SECONDS, "the embedded PostgreSQL is being stopped")


@contextlib.contextmanager
def only_starter(files: Files) -> Iterator[None]:
    """Hold the starter's lock."""
    busy = "another process is starting the embedded PostgreSQL"
    fd = open_locked(files.start, fcntl.LOCK_EX, STARTER_SECONDS, busy)
    try:
        yield
    finally:
        os.close(fd)


def ensure_keeper(files: Files, lock_fd: int) -> tuple[int, bool]:
    """Start a keeper if none is alive. Returns the keeper's file, to leave the note in, and whether it was started."""
    note_fd = os.open(files.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    if not try_lock(note_fd, fcntl.LOCK_EX):
        return note_fd, False
    # Its own open file: a descriptor inherited from ours would share our lock, not wait for it.
    waiting_fd = os.open(files.lock, os.O_RDWR)
    try:
        if not os.path.samestat(os.fstat(waiting_fd), os.fstat(lock_fd)):
            raise OSError(f"{files.data_dir} was replaced")
        # The lock taken above stays with the open file, which the keeper inherits: there is no moment without it.
        subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__, str(waiting_fd), str(note_fd), str(files.pgdata)],
            pass_fds=(waiting_fd, note_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            check=True,
        )
    except BaseException:
        os.close(note_fd)
        raise
    finally:
        os.close(waiting_fd)
    return note_fd, True


def keeper_lives(files: Files) -> bool:
    """Whether a keeper holds its lock."""
    fd = os.open(files.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return not try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def write_note(note_fd: int, text: str) -> None:
    """Tell the keeper what it is to stop, should the folder be gone by then."""
    os.pwrite(note_fd, text.ljust(keeper.NOTE_BYTES).encode(), 0)
