"""A worker's counters on disk: a file of 64-bit numbers, and one that names them, a JSON line each.

The numbers are mapped into memory: adding to one is no system call, and yet the kernel keeps what a killed process has
counted. Their room on the disk is taken at once, for a mapping must not run out of it. Whoever counts in a file holds a
lock on it; a dead worker's file is taken over by the next worker of the run, so there are never more than workers.
"""

import errno
import mmap
import os
import time
from enum import IntEnum
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson

from registry.base.locked_file import closed_on_error, new_file, take_over
from registry.log.minutes import BUCKETS

SUFFIX = ".counters1"  # the number is another one when the layout is
NAMES = ".names"
DRAFT = ".new"  # of a file that does not have its name yet
SLOTS = 200_000  # numbers of a worker: 10,000 agents have some 50,000
HISTOGRAM = BUCKETS + 1  # slots of one: requests by latency, and the sum of all latencies in microseconds
WORD = 8  # bytes
TAKEN_FOR_A_MOMENT = 0.02  # seconds; by somebody who looks whether the owner of a file lives


class Slot(IntEnum):
    """What stands in front: how the worker is. Moments are of the system's monotonic clock, in microseconds."""

    PID = 0
    STARTED = 1  # microseconds since 1970
    REVISION = 2  # of the table that it serves
    CURRENT_AT = 3  # when the database last said that this is the newest, or when the worker began without it
    SPOOL_BYTES = 4  # events that are not in the database yet
    VIEWERS = 5
    LOST = 6  # events that the disk had no room for; never goes down
    QUARANTINED = 7  # events that the database refused; never goes down


FIRST = 16  # the first slot of a series


class Named(NamedTuple):
    """The first slot of a series and its labels: (kind,) of a histogram, or (agent, kind, outcome) of one counter."""

    place: int
    labels: tuple[str, ...]

    @property
    def end(self) -> int:
        """The slot behind it."""
        return self.place + (HISTOGRAM if len(self.labels) == 1 else 1)


class CounterFile:
    """The two files of one worker, locked. `number` tells the workers of a run apart."""

    def __init__(self, path: Path, descriptor: int):
        self.number = int(path.name.removesuffix(SUFFIX))
        self.descriptor = descriptor
        self.slots = memoryview(mmap.mmap(descriptor, SLOTS * WORD)).cast("Q")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self.names = os.open(path.with_suffix(NAMES), flags, 0o600)
        self.named, self.end = named_in(os.pread(self.names, os.fstat(self.names).st_size, 0))

    @classmethod
    def open(cls, folder: Path) -> "CounterFile":
        """A dead worker's file, else a new one. `OSError` if there is no room."""
        for pause in (TAKEN_FOR_A_MOMENT, 0):
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                if found := cls.take_over(path):
                    return found
            time.sleep(pause)
        return cls.create(folder)

    @classmethod
    def take_over(cls, path: Path) -> "CounterFile | None":
        """A dead worker's file; None if its owner lives."""
        descriptor = take_over(path)
        if descriptor is None:
            return None
        with closed_on_error(descriptor):
            return cls(path, descriptor)

    @classmethod
    def create(cls, folder: Path) -> "CounterFile":
        """A new one, with the smallest number that is free."""
        draft = folder / f"{os.getpid()}{DRAFT}"
        with new_file(draft, SLOTS * WORD, replace=True) as descriptor:
            for number in count(1):
                path = folder / f"{number}{SUFFIX}"
                try:
                    path.hardlink_to(draft)
                except FileExistsError:
                    continue
                break
            return cls(path, descriptor)

    def name(self, named: Named) -> None:
        """Write a name down. `OSError` if that cannot be; the next attempt writes over what was half written."""
        line = orjson.dumps([named.place, *named.labels]) + b"\n"
        if os.pwrite(self.names, line, self.end) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end += len(line)

    def close(self) -> None:
        """Give up the lock."""
        os.close(self.names)
        os.close(self.descriptor)


def named_in(text: bytes) -> tuple[list[Named], int]:
    """The names in the whole lines of a text, and where the last of these ends."""
    end = text.rfind(b"\n") + 1
    found = [orjson.loads(line) for line in text[:end].splitlines()]
    return [Named(place, tuple(labels)) for place, *labels in found], end
