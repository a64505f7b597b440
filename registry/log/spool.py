"""The spool: events on disk that are not in the database yet. It survives the death of any process.

A segment is a file of lines, mapped into memory: appending is a copy, without a system call, and yet the kernel keeps
what a killed process has written. The line's end is written last, so a line without one was never finished. The
process that writes a segment holds a lock on it: anybody can tell what a dead one left.
"""

import logging
import mmap
import os
import time
from collections.abc import Iterator
from copy import copy
from pathlib import Path

from registry.base.locked_file import closed_on_error, new_file, take_over

logger = logging.getLogger(__name__)
SUFFIX = ".jsonl"
DRAFT = ".new"  # of a segment that does not have its name yet
SEGMENT_BYTES = 8 * 1024 * 1024  # a new file then: what a dead process leaves is re-read whole
# A segment that was full within so many seconds is used again when it is drained: the first touch of a page of a new
# file costs 4 µs, a tenth of all that an event of 4 kB costs. Older ones go: what the disk still has of them after a
# power cut must not come back once its day is over.
YOUNG_SECONDS = 60
EMPTIED_BYTES = 1024 * 1024  # at a time: nobody else runs meanwhile
RETRY_SECONDS = 1.0  # between attempts to write again, when the disk is full say
NEWLINE = 10


class Segment:
    """A file of lines, written by its owner and read by a writer, in the same process or after its death."""

    def __init__(self, path: Path, descriptor: int, *, new: bool):
        self.path = path
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self.memory = mmap.mmap(descriptor, self.size)
        self.written = 0 if new else self.memory.rfind(b"\n") + 1  # what follows is unused, or half a line
        self.drained = 0  # bytes that are in the database
        self.begun = time.monotonic()

    @classmethod
    def create(cls, path: Path, size: int) -> "Segment":
        """A new file. `OSError` if there is no room."""
        draft = path.with_suffix(DRAFT)
        with new_file(draft, size) as descriptor:
            segment = cls(path, descriptor, new=True)  # before it has its name: a mapping can fail
            draft.rename(path)
            return segment

    @classmethod
    def take_over(cls, path: Path) -> "Segment | None":
        """A dead process's file; None if its owner lives, or somebody else was quicker.

        `OSError` if it cannot be read.
        """
        try:
            descriptor = take_over(path)
        except FileNotFoundError:
            return None
        if descriptor is None:
            return None
        with closed_on_error(descriptor):
            # Not there any more: it was drained and removed between opening and locking.
            if path.exists() and os.fstat(descriptor).st_size:
                return cls(path, descriptor, new=False)
        os.close(descriptor)
        return None

    def append(self, line: bytes) -> bool:
        """Add a line, which must not have its end yet; False if there is no room for it."""
        end = self.written + len(line)
        if end >= self.size:
            return False
        self.memory[self.written : end] = line
        self.memory[end] = NEWLINE
        self.written = end + 1
        return True

    @property
    def pending(self) -> int:
        """Bytes that are not in the database yet."""
        return self.written - self.drained

    def read(self, limit: int) -> bytes:
        """Whole lines after what has been drained, `limit` bytes at most unless one line is longer."""
        stop = min(self.drained + limit, self.written)
        end = self.memory.rfind(b"\n", self.drained, stop) + 1 or self.memory.find(b"\n", stop, self.written) + 1
        return self.memory[self.drained : end]

    def empty(self) -> None:
        """Everything is in the database: nothing is left in the file, which loses its name.

        From its end on, so that whoever finds it half emptied finds whole lines, which the database has already.
        """
        draft = self.path.with_suffix(DRAFT)
        self.path.rename(draft)
        self.path = draft
        for end in range(self.written, 0, -EMPTIED_BYTES):
            begin = max(0, end - EMPTIED_BYTES)
            self.memory[begin:end] = bytes(end - begin)
            time.sleep(0)  # let those run who answer

    def named(self, path: Path) -> "Segment":
        """An emptied one as a new segment. `OSError` if it cannot have that name."""
        self.path.rename(path)
        segment = copy(self)
        segment.path, segment.written, segment.drained, segment.begun = path, 0, 0, time.monotonic()
        return segment

    def remove(self) -> None:
        """Everything is in the database: the file can go."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Unmap the file and give up its lock."""
        self.memory.close()
        os.close(self.descriptor)


class Spool:
    """This process's segments: one that is written, and older ones that are not drained yet."""

    def __init__(self, folder: Path, name: str, segment_bytes: int = SEGMENT_BYTES):
        self.folder = folder
        self.name = name
        self.segment_bytes = segment_bytes
        self.count = 0
        self.lost = 0  # events that could not be written
        self.retry_at = 0.0
        self.full: list[Segment] = []
        self.spare: Segment | None = None  # an emptied one; set by the writer's thread, taken by whoever appends
        self.current: Segment | None = (
            None  # made for the first event: a full disk must not keep a worker from starting
        )

    def next_segment(self, needed: int) -> Segment:
        """A new segment of a name of its own, with room for a line of so many bytes."""
        self.count += 1
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{self.name}-{time.time_ns()}-{self.count}{SUFFIX}"
        if self.spare is not None and needed < self.spare.size:
            spare, self.spare = self.spare, None
            try:
                return spare.named(path)
            except OSError:
                spare.remove()
                raise
        return Segment.create(path, max(self.segment_bytes, needed + 1))

    def append(self, line: bytes) -> None:
        """Add one line, without its end. Never raises: what cannot be written is counted and said."""
        if self.current is None or not self.current.append(line):
            self.append_to_next(line)

    def append_to_next(self, line: bytes) -> None:
        """The same when the current segment is full."""
        now = time.monotonic()
        if now < self.retry_at:
            self.lost += 1
            return
        try:
            segment = self.next_segment(len(line))
        except OSError as error:
            self.lost += 1
            self.retry_at = now + RETRY_SECONDS
            logger.error("Routing events cannot be written to %s, %d lost so far: %s", self.folder, self.lost, error)
            return
        if self.current is not None:
            self.full.append(self.current)
        self.current = segment
        segment.append(line)

    @property
    def pending(self) -> int:
        """Bytes that are not in the database yet."""
        return sum(segment.pending for segment in self.segments())

    def segments(self) -> Iterator[Segment]:
        """This process's segments, oldest first."""
        current = self.current
        yield from [segment for segment in self.full if segment is not current]
        if current is not None:
            yield current

    def abandoned(self) -> Iterator[Segment]:
        """Segments that dead processes left, now ours. Those of living ones, this one too, are locked.

        Those that cannot be read wait for the next time.
        """
        unreadable = 0
        for path in sorted([*self.folder.glob(f"*{SUFFIX}"), *self.folder.glob(f"*{DRAFT}")]):
            try:
                segment = Segment.take_over(path)
            except OSError as error:
                unreadable += 1
                if unreadable == 1:  # the others most likely for the same reason
                    logger.error("Events in %s cannot be read: %s", path, error)
                continue
            if segment:
                yield segment

    def drop(self, segment: Segment) -> None:
        """Forget a full segment whose lines are all in the database; a young one is kept for later ones."""
        self.full.remove(segment)
        young = time.monotonic() - segment.begun < YOUNG_SECONDS
        try:
            if young and self.spare is None and segment.size == self.segment_bytes:
                segment.empty()
                self.spare = segment
                return
        except OSError as error:  # its folder is gone, say
            logger.warning("%s is not used again: %s", segment.path, error)
        segment.remove()

    def close(self) -> None:
        """Remove what is drained; leave the rest, unlocked, to whoever comes next."""
        if self.spare is not None:
            self.spare.remove()
            self.spare = None
        for segment in self.segments():
            if segment.pending:
                segment.close()
            else:
                segment.remove()
