"""Counts what this worker answers: exactly, in less than a microsecond, and so that its death costs nothing of it."""

import errno
import logging
import os
import time
from pathlib import Path

from registry.log.minutes import BUCKETS
from registry.metrics.files import FIRST, SLOTS, WORD, CounterFile, Named, Slot
from registry.metrics.runs import hold, remove_old

logger = logging.getLogger(__name__)
OTHERS = "(others)"  # stands for the labels of what there is no room for
SPARE = 2000  # of the slots; for the others, by kind and outcome
LAST = BUCKETS - 1


class Counters:
    """This worker's numbers; `run`: its folder. If the disk has no room they are in memory only, and end with it.

    Used by the event loop alone; other threads may look. Never raises: a number must not cost a caller the answer.
    """

    def __init__(self, run: Path):
        self.run = run
        self.begin(None)
        try:
            remove_old(run.parent)
            self.held = hold(run)
            self.take(CounterFile.open(run))
        except (LookupError, OSError, TypeError, ValueError) as error:
            logger.error("Metrics cannot be kept in %s, this worker's are its own: %s", run, error)
            self.begin(None)
        self.slots[Slot.PID] = os.getpid()
        self.slots[Slot.REVISION] = self.slots[Slot.SPOOL_BYTES] = self.slots[Slot.VIEWERS] = 0
        self.slots[Slot.STARTED] = time.time_ns() // 1000
        self.slots[Slot.CURRENT_AT] = time.monotonic_ns() // 1000
        self.lost = self.slots[Slot.LOST]  # by the workers before this one
        self.quarantined = self.slots[Slot.QUARANTINED]

    def take(self, file: CounterFile) -> None:
        """Count in a file; if that cannot be, somebody else may."""
        try:
            self.begin(file)
        except BaseException:
            file.close()
            raise

    def begin(self, file: CounterFile | None) -> None:
        """Go on where the file's last owner was; None: from nothing, in memory. `OSError` if there is no room."""
        self.file = file
        self.slots = file.slots if file else memoryview(bytearray(SLOTS * WORD)).cast("Q")
        self.named: list[Named] = []
        # By agent, kind and outcome: the slot of the counter, and the first of the kind's histogram.
        self.places: dict[tuple[str, ...], tuple[int, int]] = {}
        self.histograms: dict[str, int] = {}
        self.used = FIRST
        for named in file.named if file else []:
            self.note(named)
        rest = self.make(OTHERS, OTHERS, OTHERS, SLOTS)
        if rest is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.rest = rest

    @property
    def number(self) -> int:
        """Which of the run's workers this is; 0 if its counters are in memory only."""
        return self.file.number if self.file else 0

    def count(self, agent: str, kind: str, outcome: str, microseconds: int) -> None:
        """One request more; `agent`: "" for what led to none."""
        try:
            counter, histogram = self.places[agent, kind, outcome]
        except KeyError:
            counter, histogram = self.places_of(agent, kind, outcome)
        bucket = (microseconds >> 6).bit_length()  # as in log/minutes.py: below 64 µs, 128, 256 …
        slots = self.slots
        slots[counter] += 1
        slots[histogram + (bucket if bucket < LAST else LAST)] += 1  # noqa: FURB136 - min() takes as long as all this
        slots[histogram + BUCKETS] += microseconds

    def close(self) -> None:
        """Leave the files to the next worker of this run; what is counted from now on stays in memory."""
        file, self.file = self.file, None
        self.slots = memoryview(bytearray(self.slots)).cast("Q")
        if file is not None:
            file.close()
            os.close(self.held)

    # --- room for what is new ----------------------------------------------------------------------------------------

    def places_of(self, agent: str, kind: str, outcome: str) -> tuple[int, int]:
        """Slots for labels that are new; if there is no room, those of the others."""
        own = self.make(agent, kind, outcome, SLOTS - SPARE)
        return own or self.make(OTHERS, kind, outcome, SLOTS) or self.rest

    def make(self, agent: str, kind: str, outcome: str, limit: int) -> tuple[int, int] | None:
        """The slots for these labels, if need be new ones of the first `limit`; None if there are none."""
        labels = (agent, kind, outcome)
        if labels not in self.places:
            histogram = kind in self.histograms or self.new((kind,), limit)
            if not (histogram and self.new(labels, limit)):
                return None
        return self.places[labels]

    def new(self, labels: tuple[str, ...], limit: int) -> bool:
        """Name a new series, before anything is counted in it; False if there is no room."""
        named = Named(self.used, labels)
        if named.end > limit:
            return False
        try:
            if self.file is not None:
                self.file.name(named)
        except OSError:  # no room on the disk: tried again with the next request
            return False
        self.note(named)
        return True

    def note(self, named: Named) -> None:
        """Remember where a series is."""
        if len(named.labels) == 1:
            self.histograms[named.labels[0]] = named.place
        else:
            self.places[named.labels] = (named.place, self.histograms[named.labels[1]])
        self.named.append(named)
        self.used = max(self.used, named.end)
