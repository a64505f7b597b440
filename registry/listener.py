"""Keeps the routing table fresh: a thread that hears of changes, loads them, and sends the heartbeat."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import Error, connection, connections

from registry.dispatcher import Tables
from registry.loading import Loader
from registry.triggers import CHANNEL
from registry.workers import Heart

logger = logging.getLogger(__name__)
RETRY_SECONDS = (0.2, 0.5, 1, 2, 5)  # between attempts to reach the database
TICK_SECONDS = 0.5  # how soon a stop is noticed


class Listener:
    """LISTENs before it loads, so no change falls between; loads anew after each reconnect; polls as a backstop."""

    def __init__(self, tables: Tables, heart: Heart, spool_bytes: Callable[[], int], trouble: Callable[[], str]):
        self.tables = tables
        self.heart = heart
        self.spool_bytes = spool_bytes
        self.trouble = trouble  # what other parts of this worker have to complain about
        self.loader = Loader()
        self.loaded = threading.Event()
        self.stopping = threading.Event()
        self.last_error = ""
        self.thread = threading.Thread(target=self.run, name="registry listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self.thread.start()

    def stop(self, seconds: float) -> None:
        """End, and take the heartbeat away."""
        self.stopping.set()
        self.thread.join(max(seconds, 0))

    def run(self) -> None:
        """Listen until told to stop; after a lost connection try again and load anew."""
        failures = 0
        while not self.stopping.is_set():
            try:
                self.listen()
                failures = 0
            except (Error, psycopg.Error, OSError) as error:
                failures = self.failed(error, failures)
            except Exception as error:  # a table that cannot be loaded must not end the listening
                logger.exception("The routing table could not be loaded")
                failures = self.failed(error, failures)
        try:
            self.heart.stop()
        except (Error, OSError):
            logger.info("The database is away: this worker's heartbeat will run out by itself")
        connections.close_all()

    def failed(self, error: Exception, failures: int) -> int:
        """Note a failure and wait a little, longer each time."""
        self.last_error = str(error).splitlines()[0] if str(error) else repr(error)
        if failures == 0:
            logger.warning("No news of the registry, calls go on with the last table: %s", self.last_error)
        connections.close_all()
        self.stopping.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
        return failures + 1

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
        self.last_error = ""
        self.loaded.set()
        return table is not before

    def beat(self) -> None:
        """Tell everybody which revision this worker serves."""
        table = self.tables.current
        trouble = "; ".join(text for text in (self.last_error, self.trouble()) if text)
        self.heart.beat(table.revision if table else 0, self.spool_bytes(), trouble)
