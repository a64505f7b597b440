"""Group commit: an answer waits until its event is on the disk itself, and one sync serves all who wait then.

The spool alone survives the death of any process; this is against power cuts. Its segments are mapped files, and on
Linux `fdatasync` writes a mapping's changed pages too: they are the file's own pages in the page cache, and msync(2)
with MS_SYNC is nothing but `vfs_fsync_range(…, datasync=1)`, as fdatasync(2) is (mm/msync.c and fs/sync.c; POSIX does
not promise it).
"""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from registry.log.spool import Segment, Spool

logger = logging.getLogger(__name__)
HUNG_SECONDS = 2  # then a disk hangs, and calls go on without it


class Batch:
    """Requests that wait for the same sync."""

    __slots__ = ("done", "size")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.size = 0


class GroupSync:
    """Syncs the spool, in a thread of its own, while somebody waits for it. Everything else runs in the event loop.

    A disk that fails, or takes longer than `seconds`, costs nobody the answer: it is said once and counted in `failed`.
    `sync` is called with a file's descriptor.
    """

    def __init__(self, spool: Spool, seconds: float = HUNG_SECONDS, sync: Callable[[int], None] = os.fdatasync):
        self.spool = spool
        self.seconds = seconds
        self.sync = sync
        self.failed = 0  # answers that went out before their event was on the disk
        self.problem = ""  # what went wrong the last time, "" if nothing did
        self.threads = ThreadPoolExecutor(1, "log-sync")
        self.waiting = Batch()
        self.touched: list[Segment] = []  # what has to be synced; nearly always the current segment alone
        self.synced: tuple[Segment | None, int] = (None, 0)  # the last segment, up to here
        self.opened: tuple[Path, int] | None = None  # in the thread: the file it synced last
        self.task: asyncio.Task[None] | None = None
        self.stuck = False

    async def wait(self) -> None:
        """Wait until all that this process has appended is on the disk. Never raises but when it is cancelled."""
        segment = self.spool.current
        if segment is None or self.synced == (segment, segment.written):
            return  # nothing could be written, which is counted there; or nothing was
        if not self.touched or self.touched[-1] is not segment:
            self.touched.append(segment)
        if self.stuck:
            self.failed += 1
            return
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self.run())
        batch = self.waiting
        batch.size += 1
        await batch.done.wait()

    async def run(self) -> None:
        """One sync after the other, as long as somebody waits."""
        try:
            while self.waiting.size:
                await self.sync_for(self.next_batch())
        finally:
            self.stuck = False
            self.next_batch().done.set()

    def next_batch(self) -> Batch:
        """All who wait now; who comes from now on waits for the sync after theirs."""
        batch, self.waiting = self.waiting, Batch()
        return batch

    async def sync_for(self, batch: Batch) -> None:
        """One sync, and all who wait for it go on."""
        segments, self.touched = self.touched, []
        reached = segments[-1], segments[-1].written
        paths = [segment.path for segment in segments]
        try:
            syncing = asyncio.get_running_loop().run_in_executor(self.threads, self.sync_all, paths)
            await asyncio.wait([syncing], timeout=self.seconds)
            if not syncing.done():
                self.stuck = True
                for late in (batch, self.next_batch()):
                    self.say(f"it takes longer than {self.seconds:g} s", late.size)
                    late.done.set()
                await asyncio.wait([syncing])
                self.stuck = False
            if problem := syncing.result():
                self.say(problem, 0 if batch.done.is_set() else batch.size)
            else:
                self.problem = ""
                self.synced = reached
        finally:
            batch.done.set()

    def say(self, problem: str, answers: int) -> None:
        """Count answers whose events may not be on the disk; say why if the last sync went well."""
        self.failed += answers
        if not self.problem:
            logger.error("Routing events cannot be synced to the disk, and are answered all the same: %s", problem)
        self.problem = problem

    def sync_all(self, paths: list[Path]) -> str:
        """Sync these files, in the thread; what went wrong."""
        try:
            for path in paths:
                if self.opened is None or self.opened[0] != path:
                    self.close_file()
                    self.open(path)
                if self.opened is not None:
                    self.sync(self.opened[1])
        except OSError as error:
            self.close_file()
            return str(error)
        return ""

    def open(self, path: Path) -> None:
        """Open a segment and sync its name. Not its own descriptor, which the writer closes when all is drained."""
        try:
            self.opened = path, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # drained and removed: all of it is in the database
        for folder in (path.parent, path.parent.parent):  # the file's entry, and on the first start the folder's
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close_file(self) -> None:
        """Close the file that was synced last."""
        if self.opened is not None:
            os.close(self.opened[1])
            self.opened = None

    def close(self) -> None:
        """End the thread, when nobody waits any more."""
        self.threads.submit(self.close_file)
        self.threads.shutdown(wait=False)
