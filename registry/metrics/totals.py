"""All workers of a run added up: those that live, and what the dead ones counted."""

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from registry.metrics.counters import Counters
from registry.metrics.files import FIRST, HISTOGRAM, NAMES, SLOTS, SUFFIX, WORD, Named, Slot, named_in

CHUNK = 64  # series that are added up, or written, in one go: half a millisecond

Pause = Callable[[], None]


class Worker(NamedTuple):
    """A worker of this run: its number, whether it lives, and its first slots, which of a dead one say nothing."""

    number: int
    alive: bool
    slots: Sequence[int]


@dataclass
class Totals:
    """What all workers of a run have answered, and how each is."""

    workers: list[Worker] = field(default_factory=list)
    requests: Counter[tuple[str, ...]] = field(default_factory=Counter)  # by agent, kind and outcome
    histograms: dict[str, list[int]] = field(default_factory=dict)  # by kind: buckets, and the sum in microseconds

    def total(self, slot: Slot) -> int:
        """A number that also the dead ones count for."""
        return sum(worker.slots[slot] for worker in self.workers)

    @property
    def newest(self) -> int:
        """The newest revision that any worker serves."""
        return max((worker.slots[Slot.REVISION] for worker in self.workers if worker.alive), default=0)

    def add(self, slots: Sequence[int], named: Sequence[Named], pause: Pause) -> None:
        """One worker's series."""
        for start in range(0, len(named), CHUNK):
            for place, labels in named[start : start + CHUNK]:
                if len(labels) == 1:
                    before = self.histograms.get(labels[0], [0] * HISTOGRAM)
                    self.histograms[labels[0]] = [before[i] + slots[place + i] for i in range(HISTOGRAM)]
                elif value := slots[place]:
                    self.requests[labels] += value
            pause()


class Reader:
    """Reads the files of this worker's run; names that it has read are kept."""

    def __init__(self, own: Counters):
        self.own = own
        self.known: dict[Path, tuple[list[Named], int]] = {}  # names, and how many bytes of them were read

    def read(self, pause: Pause) -> Totals:
        """All of it, now. `pause` is called every so often, for others to go on."""
        totals = Totals()
        own = self.own
        named = own.named[:]  # what is new later has no slots in what is read now
        totals.workers.append(Worker(own.number, True, own.slots[:FIRST]))
        totals.add(own.slots, named, pause)
        for path in sorted(own.run.glob(f"*{SUFFIX}")):
            number = int(path.name.removesuffix(SUFFIX))
            if own.file is None or number != own.file.number:
                self.read_other(path, number, totals, pause)
        totals.workers.sort(key=lambda worker: worker.number)
        return totals

    def read_other(self, path: Path, number: int, totals: Totals, pause: Pause) -> None:
        """Another worker's files. `OSError` if they cannot be read."""
        with path.open("rb") as file:
            alive = is_locked(file.fileno())
            named = self.names_of(path.with_suffix(NAMES), pause)
            used = max((last.end for last in named[-1:]), default=FIRST)
            slots = memoryview(os.pread(file.fileno(), min(used, SLOTS) * WORD, 0)).cast("Q")
        totals.workers.append(Worker(number, alive, slots[:FIRST]))
        totals.add(slots, named, pause)

    def names_of(self, path: Path, pause: Pause) -> list[Named]:
        """All names in a file that only grows, of which only what is new is read."""
        named, read = self.known.get(path, ([], 0))
        if not path.exists():  # its worker is about to make it
            return named
        with path.open("rb") as file:
            file.seek(read)
            while lines := file.readlines(CHUNK * 64):
                more, end = named_in(b"".join(lines))
                if not end:
                    break
                named += more
                read += end
                pause()
        self.known[path] = (named, read)
        return named


def is_locked(descriptor: int) -> bool:
    """Whether whoever counts in a file lives."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
