"""Workers' heartbeats: who serves which revision, and whether all of them have reached one."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from registry.base.pool import let_go
from registry.models import Worker

HEARTBEAT_SECONDS = 2
LIVE_SECONDS = 10  # a worker not heard of for so long no longer counts
EVERYWHERE_SECONDS = 5  # how long `wait=True` waits for every live worker
POLL_SECONDS = 0.02  # at first; each pause is longer than the one before
MAX_POLL_SECONDS = 0.2
SILENT_FOR = timedelta(minutes=1)  # a worker that is not heard of is named for so long: it may serve what was before
FORGET_AFTER = timedelta(hours=1)  # a dead worker's row stays that long for people to see


@dataclass(frozen=True)
class Everywhere:
    """How far a revision has come: `reached` of `live` workers serve it."""

    revision: int
    reached: int
    live: int
    behind: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()  # not heard of lately: dead, or serving without the database

    @property
    def done(self) -> bool:
        """Whether every live worker has it."""
        return self.reached == self.live

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "revision": self.revision,
            "workers": self.live,
            "reached": self.reached,
            "behind": list(self.behind),
            "silent": list(self.silent),
            "done": self.done,
        }

    def __str__(self) -> str:
        silent = f"; nothing heard of {', '.join(self.silent)}" if self.silent else ""
        if not self.live:
            return f"revision {self.revision}; no worker is running{silent}"
        late = f", not yet on {', '.join(self.behind)}" if self.behind else ""
        return f"revision {self.revision} on {self.reached}/{self.live} workers{late}{silent}"


def in_short(everywhere: Everywhere | None) -> dict[str, Any]:
    """How far a change has come, as the commands' --json tells it; nothing is known of one that nobody waited for."""
    return {
        "workers": everywhere.live if everywhere else None,
        "everywhere": everywhere.done if everywhere else None,
    }


@dataclass
class Heart:
    """This process's own heartbeat row."""

    replica: str
    started: datetime
    pid: int = 0

    def beat(self, revision: int, spool_bytes: int, last_error: str, troubles: Mapping[str, Any] | None = None) -> None:
        """Say that this worker lives and what it serves. `troubles`: of agents, see registry/serving/runners.py."""
        Worker.objects.update_or_create(
            replica=self.replica,
            pid=self.pid or os.getpid(),
            defaults={
                "revision": revision,
                "spool_bytes": spool_bytes,
                "last_error": last_error[:2000],
                "troubles": dict(troubles or {}),
                "started": self.started,
                "seen": timezone.now(),
            },
        )

    def bury(self) -> None:
        """Take away the rows of this replica's processes that are no more: killed ones could not do it themselves."""
        for worker in Worker.objects.filter(replica=self.replica):
            if not is_running(worker.pid):
                worker.delete()

    def stop(self) -> None:
        """Take the row away: this worker ends in good order. Others' old rows go with it."""
        Worker.objects.filter(replica=self.replica, pid=self.pid or os.getpid()).delete()
        Worker.objects.filter(seen__lt=timezone.now() - FORGET_AFTER).delete()


def is_running(pid: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def live_workers() -> QuerySet[Worker]:
    """Workers that were heard of lately."""
    return Worker.objects.filter(seen__gte=timezone.now() - timedelta(seconds=LIVE_SECONDS))


def everywhere(revision: int) -> Everywhere:
    """How far a revision has come."""
    now = timezone.now()
    live_since = now - timedelta(seconds=LIVE_SECONDS)
    known = list(Worker.objects.filter(seen__gte=now - SILENT_FOR))
    workers = [worker for worker in known if worker.seen >= live_since]
    behind = tuple(str(worker) for worker in workers if worker.revision < revision)
    silent = tuple(str(worker) for worker in known if worker.seen < live_since)
    return Everywhere(revision, len(workers) - len(behind), len(workers), behind, silent)


@dataclass(frozen=True)
class Replica:
    """One running `serve`, as its workers' heartbeats have it. `state`: in_step, behind or silent."""

    name: str
    state: str
    revision: int  # the lowest of its workers
    workers: int
    seen: datetime
    last_error: str
    spool_bytes: int


def replicas(revision: int) -> list[Replica]:
    """The replicas that are heard of, or were a minute ago; whether they serve this revision."""
    now = timezone.now()
    live_since = now - timedelta(seconds=LIVE_SECONDS)
    by_name: dict[str, list[Worker]] = {}
    for worker in Worker.objects.filter(seen__gte=now - SILENT_FOR):
        by_name.setdefault(worker.replica, []).append(worker)
    return [replica_of(name, workers, revision, live_since) for name, workers in sorted(by_name.items())]


def replica_of(name: str, workers: list[Worker], revision: int, live_since: datetime) -> Replica:
    """One of them. A silent worker among live ones was replaced, or is about to be: the live ones speak for it."""
    live = [worker for worker in workers if worker.seen >= live_since]
    lowest = min(worker.revision for worker in live or workers)
    state = "silent" if not live else "behind" if lowest < revision else "in_step"
    error = next((worker.last_error for worker in live or workers if worker.last_error), "")
    seen = max(worker.seen for worker in workers)
    return Replica(name, state, lowest, len(live), seen, error, sum(worker.spool_bytes for worker in workers))


def wait_for(revision: int, seconds: float | None = None) -> Everywhere:
    """Wait until every live worker serves the revision, at most EVERYWHERE_SECONDS.

    No connection is held between two looks: many who wait at once would keep everybody else from the database.
    """
    deadline = time.monotonic() + (EVERYWHERE_SECONDS if seconds is None else seconds)
    pause = POLL_SECONDS
    while True:
        progress = everywhere(revision)
        if progress.done or time.monotonic() > deadline:
            return progress
        let_go()
        time.sleep(pause)
        pause = min(pause * 1.5, MAX_POLL_SECONDS)
