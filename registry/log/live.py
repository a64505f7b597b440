"""The live log inside one process: what is new goes to everybody who watches, and nobody waits for anybody.

A tail hands in what has become visible; each distinct filter is applied and serialised once. A viewer has a bounded
queue: above its rate rows are folded into counts, and what a slow one cannot take is counted as missed.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from registry.log.cursor import Cursor, Seen
from registry.log.filters import Filter

MAX_QUEUED = 1000  # rows that wait for a viewer, as many as one who comes back is shown; about 1 MB
MAX_BACKLOG = 200  # batches that wait while a viewer is still being shown what it missed


# Columns that most rows have nothing to say in, by what they have then. Each byte goes to hundreds of viewers, and who
# opens a row gets all of it.
USUAL = {"channel": "voice", "query": "", "via": "", "rule": "", "side": "", "asked_twice": False}
UNTOLD = frozenset({"digest", "replayable"})


def told(event: dict[str, Any]) -> dict[str, Any]:
    """An event as viewers get it."""
    return {name: value for name, value in event.items() if name not in UNTOLD and USUAL.get(name, event) != value}


class News(NamedTuple):
    """What has become visible, and the moment up to which that is all."""

    events: Sequence[Seen]
    cursor: Cursor
    rows: dict[Filter, list["Row"]]  # by filter, for those that were known when it was read
    missed: int = 0

    def of(self, wanted: Filter) -> list["Row"]:
        """The rows for a filter; made once."""
        if wanted not in self.rows:
            self.rows[wanted] = [Row.of(seen) for seen in self.events if wanted.matches(seen.event)]
        return self.rows[wanted]


class Row(NamedTuple):
    """An event as it is sent, and how it is counted if it is not."""

    json: bytes
    agent: str
    outcome: str
    batch: int
    time: str

    @classmethod
    def of(cls, seen: Seen) -> "Row":
        """Serialise it."""
        event = seen.event
        return cls(orjson.dumps(told(event)), event["agent"], event["outcome"], seen.batch, event["time"])


class Viewer:
    """Somebody who watches: a filter, a rate, and what is waiting to be sent.

    `rate`: rows a second that are shown one by one. All of it runs in the event loop.
    """

    def __init__(self, wanted: Filter, rate: int):
        self.wanted = wanted
        self.rate = rate
        self.queue: deque[bytes] = deque()
        self.folded: Counter[tuple[str, str]] = Counter()  # by agent and outcome
        self.between: tuple[str, str] | None = None  # times of the first and the last that was folded
        self.missed = 0
        self.cursor: Cursor | None = None
        self.waiting = asyncio.Event()
        self.backlog: list[News] | None = []  # while what it missed is being read
        self.dropped: Counter[int] = Counter()  # rows by batch that the backlog had no room for
        self.replayed: Cursor | None = None  # what it has been shown by that; the tail may be behind
        self.second = 0
        self.shown = 0

    def take(self, news: News) -> None:
        """More to show."""
        if self.backlog is not None:
            if len(self.backlog) >= MAX_BACKLOG:
                dropped = self.backlog.pop(0)
                self.dropped.update(row.batch for row in dropped.of(self.wanted))
                self.missed += dropped.missed
            self.backlog.append(news)
            return
        self.add(news)

    def add(self, news: News, *, fold: bool = True) -> None:
        """Queue the rows, fold what is above the rate, count what there is no room for."""
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.shown = second, 0
        rows = news.of(self.wanted)
        if fold and (replayed := self.replayed):
            rows = [row for row in rows if not replayed.sees(row.batch)]
        for row in rows:
            if fold and self.shown >= self.rate:
                self.folded[row.agent, row.outcome] += 1
                first, last = self.between or (row.time, row.time)
                self.between = min(first, row.time), max(last, row.time)
            elif len(self.queue) >= MAX_QUEUED:
                self.missed += 1
            else:
                self.queue.append(row.json)
                self.shown += 1
        self.missed += news.missed
        if self.cursor is None or news.cursor.age > self.cursor.age:  # the tail may be behind what was replayed
            self.cursor = news.cursor
        if rows or news.missed:
            self.waiting.set()

    def caught_up(self, replayed: News | None) -> None:
        """What it missed first, then what has come meanwhile and was not part of that."""
        backlog, self.backlog = self.backlog or [], None
        if replayed is not None:
            self.add(replayed, fold=False)
            self.replayed = replayed.cursor
            self.dropped = Counter({batch: n for batch, n in self.dropped.items() if not replayed.cursor.sees(batch)})
        self.missed += self.dropped.total()
        self.dropped.clear()
        for news in backlog:
            self.add(news)

    def message(self) -> bytes:
        """All that waits, as one message; it no longer waits then."""
        parts = [b'{"type":"events","events":[', b",".join(self.queue), b"]"]
        if self.folded:
            counts = [
                {"agent": agent, "outcome": outcome, "count": count}
                for (agent, outcome), count in sorted(self.folded.items())
            ]
            parts += [b',"folded":', orjson.dumps(counts), b',"between":', orjson.dumps(self.between)]
        if self.missed:
            parts += [b',"missed":', str(self.missed).encode()]
        parts += [b',"cursor":', orjson.dumps(str(self.cursor) if self.cursor else None), b"}"]
        self.queue.clear()
        self.folded.clear()
        self.between = None
        self.missed = 0
        self.waiting.clear()
        return b"".join(parts)


class Hub:
    """Everybody who watches in this process."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()

    def join(self, viewer: Viewer) -> None:
        """From now on it gets what is new."""
        self.viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        """It no longer does."""
        self.viewers.discard(viewer)

    def filters(self) -> set[Filter]:
        """What is wanted; also asked from another thread, where a copy may be a moment old."""
        return {viewer.wanted for viewer in list(self.viewers)}

    def publish(self, news: News) -> None:
        """Hand it to everybody."""
        for viewer in self.viewers:
            viewer.take(news)
