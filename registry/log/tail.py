"""Follows the routing log for those who watch it in this process."""

import asyncio
import logging
import threading
import time

import psycopg
from django.db import connection

from registry.base.daemon import BACKSTOP_SECONDS, Daemon
from registry.base.watchdog import scissors
from registry.log.cursor import Cursor, Read, now, read_since
from registry.log.live import Hub, News, Row
from registry.log.writer import CHANNEL

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.5  # how soon a stop, or the last viewer's leaving, is noticed
READERS = 4  # viewers at once that are shown what they missed; the others wait for a connection
BATCH_ROWS = 5000  # that are read at once: 50 ms of work
GATHER_SECONDS = 0.03  # writers of several workers commit within moments: they are read together


class Tail(Daemon):
    """A thread that listens while somebody watches, reads what has become visible, and hands it to the hub.

    A notification only wakes it: what is new it asks the database, so none can be lost. What it missed while the
    database was away it reads at once when it is back.
    """

    name = "log tail"
    trouble = "Nothing new of the routing log can be shown"

    def __init__(self, hub: Hub):
        super().__init__()
        self.hub = hub
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watched = threading.Event()
        self.cursor: Cursor | None = None
        self.positioned = threading.Event()  # from then on everything new is handed over
        self.ending = threading.Lock()  # who comes while it ends waits for its next position, not for the last one

    def watch(self) -> None:
        """Somebody, who has joined the hub already, watches in this event loop."""
        with self.ending:
            self.loop = asyncio.get_running_loop()
            self.watched.set()

    def work(self) -> None:
        """Wait for a viewer, then listen as long as there is one."""
        if not self.watched.wait(TICK_SECONDS) or self.stopping.is_set():
            return
        # Of its own, not one of the pool's: LISTEN stays with a connection.
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as listening:
            with scissors.watching(listening, self.name):
                listening.execute(f"LISTEN {CHANNEL}")
            self.follow(listening)

    def follow(self, listening: "psycopg.Connection[tuple[object, ...]]") -> None:
        """Read, then again at each notification, until nobody watches any more."""
        with scissors.watching(listening, self.name):
            self.cursor = self.cursor or now(listening)
        self.positioned.set()
        polled = 0.0
        while not self.stopping.is_set():
            if self.ended():
                return
            woken = any(True for _ in listening.notifies(timeout=TICK_SECONDS, stop_after=1))
            if woken:
                time.sleep(GATHER_SECONDS)
                for _ in listening.notifies(timeout=0):
                    pass  # all that has come is read at once
            if woken or time.monotonic() - polled > BACKSTOP_SECONDS:
                polled = time.monotonic()
                with scissors.watching(listening, self.name):
                    read = read_since(listening, self.cursor, BATCH_ROWS)
                self.hand_over(read)
                self.recovered()

    def ended(self) -> bool:
        """Whether nobody watches any more; then the position is given up."""
        with self.ending:
            if self.hub.viewers:
                return False
            self.watched.clear()
            self.positioned.clear()
            self.cursor = None
            return True

    def hand_over(self, read: Read) -> None:
        """Filter and serialise here, for every filter that is wanted; then everybody gets it in the event loop."""
        news = News(read.events, read.cursor, {}, read.missed)
        for wanted in self.hub.filters():
            news.rows[wanted] = [Row.of(seen) for seen in read.events if wanted.matches(seen.event)]
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.hub.publish, news)
        self.cursor = read.cursor  # last: what failed on the way is read again


class Live:
    """What the sockets of a process share."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.tail = Tail(self.hub)
        self.reading = asyncio.Semaphore(READERS)
