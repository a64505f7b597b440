"""A run: the life of one `serve`, and the folder in which its workers count. Counters never go down in it.

Whoever belongs to a run holds a shared lock on its folder; a folder that nobody holds is of a run that is over.
"""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path


def hold(folder: Path) -> int:
    """Make a run's folder if it is missing and belong to the run until the descriptor is closed. `OSError`."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        folder.mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            # Somebody who took it for an old one may have removed it between opening and locking.
            if folder.exists() and folder.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def remove_old(runs: Path) -> None:
    """Remove the folders of runs that are over. Never raises: what cannot be removed stays."""
    with contextlib.suppress(OSError):
        for folder in runs.iterdir():
            with contextlib.suppress(OSError):  # somebody holds it, or was quicker
                remove_if_over(folder)


def remove_if_over(folder: Path) -> None:
    """Remove a run's folder; `OSError` if somebody holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
