"""The spool: events on disk that are not in the database yet. It survives the death of any process.

A segment is a file of lines. The process that writes it holds a lock on it, so anybody can tell what a dead one left.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)
SUFFIX = ".jsonl"
COMPLAIN_SECONDS = 10  # between two messages about the same trouble


class Segment:
    """A file of lines, written by its owner and read by a writer, in the same process or after its death."""

    def __init__(self, path: Path, descriptor: int):
        self.path = path
        self.descriptor = descriptor
        self.written = os.fstat(descriptor).st_size
        self.drained = 0  # bytes that are in the database

    @classmethod
    def create(cls, path: Path) -> "Segment":
        """A new file, for its owner only. Locked before it has its name, so that nobody takes it for a dead one's."""
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(path)
        return cls(path, descriptor)

    @classmethod
    def take_over(cls, path: Path) -> "Segment | None":
        """A dead process's file; None if its owner lives, or somebody else was quicker."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not path.exists():  # drained and removed between opening and locking
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @property
    def pending(self) -> int:
        """Bytes that are not in the database yet."""
        return self.written - self.drained

    def read(self, limit: int) -> bytes:
        """Whole lines after what has been drained, `limit` bytes at most unless one line is longer.

        The rest of a line that its process did not live to finish is skipped: its caller got no answer.
        """
        chunk = os.pread(self.descriptor, limit, self.drained)
        end = chunk.rfind(b"\n") + 1
        if end:
            return chunk[:end]
        if len(chunk) < limit:
            return b""
        return self.read(limit * 2)

    def remove(self) -> None:
        """Everything is in the database: the file can go."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Spool:
    """This process's segments: one that is written, and older ones that are not drained yet."""

    def __init__(self, folder: Path, name: str, segment_bytes: int):
        self.folder = folder
        self.name = name
        self.segment_bytes = segment_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.count = 0
        self.lost = 0  # events that could not be written
        self.complained = 0.0
        self.current = self.next_segment()
        self.full: list[Segment] = []

    def next_segment(self) -> Segment:
        """A new segment of a name of its own."""
        self.count += 1
        return Segment.create(self.folder / f"{self.name}-{time.time_ns()}-{self.count}{SUFFIX}")

    def append(self, line: bytes) -> None:
        """Write one line with one system call: what is in the kernel's hands survives this process."""
        segment = self.current
        try:
            written = os.write(segment.descriptor, line)
            if written != len(line):
                # The disk is full. Without this the next line would be glued to the half one.
                os.ftruncate(segment.descriptor, segment.written)
                raise OSError(f"only {written} of {len(line)} bytes could be written")
            segment.written += written
            if segment.written >= self.segment_bytes:
                self.current = self.next_segment()
                self.full.append(segment)
        except OSError as error:
            self.lost += 1
            if time.monotonic() - self.complained > COMPLAIN_SECONDS:
                self.complained = time.monotonic()
                logger.error("Routing events cannot be written to %s (%d lost so far): %s", self.folder, self.lost, error)  # noqa: TRY400

    @property
    def pending(self) -> int:
        """Bytes that are not in the database yet."""
        return self.current.pending + sum(segment.pending for segment in self.full)

    def segments(self) -> Iterator[Segment]:
        """This process's segments, oldest first."""
        yield from list(self.full)
        yield self.current

    def abandoned(self) -> Iterator[Segment]:
        """Segments that dead processes left, now ours."""
        own = {segment.path for segment in self.segments()}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path not in own and (segment := Segment.take_over(path)):
                yield segment

    def drop(self, segment: Segment) -> None:
        """Forget a full segment whose lines are all in the database."""
        self.full.remove(segment)
        segment.remove()

    def close(self) -> None:
        """Remove what is drained; leave the rest, unlocked, to whoever comes next."""
        for segment in self.segments():
            if segment.pending:
                os.close(segment.descriptor)
            else:
                segment.remove()
