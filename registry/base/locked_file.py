"""Files that a process holds a lock on for as long as it lives: whoever gets the lock knows that it is dead."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_file(draft: Path, size: int, *, replace: bool = False) -> Iterator[int]:
    """The descriptor of a new file, for its owner only, whose room on the disk is taken at once: no mapping runs out.

    Locked before it has its name, which the caller gives it: nobody takes it for a dead process's. The draft is gone
    afterwards; if anything fails so is the descriptor. `replace`: what is left of an earlier draft. `OSError` if there
    is no room.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    descriptor = os.open(draft, flags, 0o600)
    try:
        with closed_on_error(descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.posix_fallocate(descriptor, 0, size)
            yield descriptor
    finally:
        draft.unlink(missing_ok=True)


def take_over(path: Path) -> int | None:
    """The locked descriptor of a dead process's file; None if its owner lives. `OSError` if it cannot be opened."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    with closed_on_error(descriptor):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None


@contextmanager
def closed_on_error(descriptor: int) -> Iterator[None]:
    """Close a descriptor if what is done with it fails: with its lock nobody could ever take the file over."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise
