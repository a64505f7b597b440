"""Strangers' requests to paths that are nobody's: a few rows a minute of each source, the rest as one row's count.

Else a scanner fills the disk. All of it runs in the event loop that answers, without a lock: a dictionary, and a timer
that is set only when there is something to write.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from registry.log.event import BLANK, Event
from registry.log.recorder import MAX_FIELD, Excerpts, Recorder
from registry.routing.table import RoutingTable, Step

MINUTE = 60.0
ROWS = 10  # a minute of each source; the rest is one row
SOURCES = 10_000  # that are told apart in a minute, 4 MB at most; all others are one
OTHERS = "other addresses"  # stands for those that there is no room for
ROWS_AT_ONCE = 100  # 1 ms of work; then callers come first
PAUSE_SECONDS = 0.01
SLACK_SECONDS = 0.1  # timers and the clock do not agree to the millisecond

Clock = Callable[[], float]


class Source:
    """What came from one address in this minute: how many requests, and the path of the last one without a row."""

    __slots__ = ("count", "path")

    def __init__(self) -> None:
        self.count = 0
        self.path = ""


class Strangers:
    """Counts requests by source and minute; `rows` of each have a row of their own, `sources` are told apart.

    `clock`: seconds since 1970.
    """

    def __init__(self, recorder: Recorder, rows: int = ROWS, sources: int = SOURCES, clock: Clock = time.time):
        self.recorder = recorder
        self.rows = rows
        self.sources = sources
        self.clock = clock
        self.minute = 0.0  # when it began
        self.seen: dict[str, Source] = {}
        self.folded = False  # whether one of them has more than its rows
        self.waiting: deque[tuple[float, str, int, str]] = deque()  # rows to write: minute, source, count, path
        self.timer: asyncio.TimerHandle | None = None
        self.table: RoutingTable | None = None
        self.headers: frozenset[bytes] = frozenset()  # the Authorization headers of that table's agents

    def fold(self, address: str, path: str) -> bool:
        """Count a request; whether that is all, because its source has had its rows of this minute."""
        now = self.clock()
        if not 0 <= now - self.minute < MINUTE:
            self.turn()
            self.minute = now - now % MINUTE
        source = self.seen.get(address)
        if source is None:
            if len(self.seen) >= self.sources:
                address = OTHERS
            source = self.seen.setdefault(address, Source())
        source.count += 1
        if source.count <= self.rows:
            return False
        source.path = path[:MAX_FIELD]
        if not self.folded:
            self.folded = True
            self.set_timer(self.minute + MINUTE + SLACK_SECONDS - now, self.turn)
        return True

    def turn(self) -> None:
        """The minute is over: write what was counted, a part of it at once."""
        self.collect()
        self.write_some()

    def collect(self) -> None:
        """Count from the start; what was counted above the rows waits to be written."""
        if self.folded:
            self.write(len(self.waiting))  # of the minute before, if no event loop has run since
            self.waiting.extend(
                (self.minute, address, source.count - self.rows, source.path)
                for address, source in self.seen.items()
                if source.count > self.rows
            )
        self.folded = False
        self.seen = {}

    def write_some(self) -> None:
        """Write some rows, and set the timer for the others."""
        self.write(ROWS_AT_ONCE)
        if self.waiting:
            self.set_timer(PAUSE_SECONDS, self.write_some)

    def close(self) -> None:
        """Write all that was counted, because the process stops."""
        if self.timer is not None:
            self.timer.cancel()
        self.collect()
        self.write(len(self.waiting))

    def knows(self, authorization: bytes, table: RoutingTable) -> bool:
        """Whether these are the credentials of any agent: then it is the platform, or somebody who means us."""
        if table is not self.table:
            agents = {route.agent.name: route.agent for route in table.routes.values()}
            self.headers = frozenset(agent.credentials.header for agent in agents.values() if agent.credentials)
            self.table = table
        scheme, _, value = authorization.partition(b" ")
        return scheme.lower() == b"basic" and b"Basic " + value.strip() in self.headers

    def set_timer(self, seconds: float, work: Callable[[], None]) -> None:
        """Do it later, in this event loop; the timer that was set before no longer counts."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(max(seconds, 0), work)

    def write(self, limit: int) -> None:
        """Write at most so many rows."""
        for _ in range(min(limit, len(self.waiting))):
            self.recorder.record(row(*self.waiting.popleft()), Excerpts())


def row(minute: float, source: str, count: int, path: str) -> Event:
    """The row that stands for so many requests, which its step says as a number."""
    whose = source if source == OTHERS else "this address"
    began = datetime.fromtimestamp(minute, UTC)
    more = f"{count} more from {whose} in the minute from {began:%H:%M} UTC"
    return {
        **BLANK,
        "kind": "unmatched",
        "path": path,
        "source": source,
        "status": 404,
        "outcome": "not_found",
        "detail": f"and {more}, e.g. {path}",
        "steps": [Step("folded", more, ok=False, count=count).json],
    }
