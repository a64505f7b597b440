"""Keeps the routing table fresh: hears of changes, loads them, and sends the heartbeat."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import Error, connection

from registry.daemon import Daemon
from registry.loading import Loader
from registry.table import Tables
from registry.triggers import CHANNEL
from registry.workers import Heart

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.5  # how soon a stop is noticed


class Listener(Daemon):
    """LISTENs before it loads, so no change falls between; loads anew after each reconnect; polls as a backstop."""

    name = "registry listener"
    trouble = "No news of the registry, calls go on with the last table"

    def __init__(self, tables: Tables, heart: Heart, spool_bytes: Callable[[], int], others_trouble: Callable[[], str]):
        super().__init__()
        self.tables = tables
        self.heart = heart
        self.spool_bytes = spool_bytes
        self.others_trouble = others_trouble  # what other parts of this worker have to complain about
        self.loader = Loader()
        self.loaded = threading.Event()

    def work(self) -> None:
        """Listen, unless it is over."""
        if not self.stopping.is_set():
            self.listen()

    def end(self) -> None:
        """Take the heartbeat away."""
        try:
            self.heart.stop()
        except (Error, OSError):
            logger.info("The database is away: this worker's heartbeat will run out by itself")

    def listen(self) -> None:
        """One connection's life."""
        # Of its own, not one of the pool's: LISTEN stays with a connection.
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as listening:
            listening.execute(f"LISTEN {CHANNEL}")
            self.follow(listening)

    def follow(self, listening: psycopg.Connection) -> None:
        """Load, then load again at each notification; poll and send the heartbeat in between."""
        polled = beaten = 0.0
        news = True
        while not self.stopping.is_set():
            if news or time.monotonic() - polled > settings.LISTENER_POLL_SECONDS:
                polled = time.monotonic()
                if self.load() or not beaten:
                    beaten = 0.0
            if time.monotonic() - beaten > settings.HEARTBEAT_SECONDS or not beaten:
                beaten = time.monotonic()
                self.beat()
            news = any(True for _ in listening.notifies(timeout=TICK_SECONDS, stop_after=1))

    def load(self) -> bool:
        """Load what changed; True if the table is a new one."""
        before = self.tables.current
        table = self.loader.next(before)
        self.tables.current = table
        self.recovered()
        self.loaded.set()
        return table is not before

    def beat(self) -> None:
        """Tell everybody which revision this worker serves."""
        table = self.tables.current
        trouble = "; ".join(text for text in (self.last_error, self.others_trouble()) if text)
        self.heart.beat(table.revision if table else 0, self.spool_bytes(), trouble)
