"""Keeps the routing table fresh: hears of changes, loads them, and sends the heartbeat."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error, connection

from registry.base.daemon import BACKSTOP_SECONDS, Daemon
from registry.base.watchdog import scissors, watched
from registry.heartbeats import HEARTBEAT_SECONDS, Heart
from registry.routing.table import RoutingTable, Tables
from registry.serving.loader import LOAD_SECONDS, Loader
from registry.serving.runners import Runners
from registry.serving.snapshot import SnapshotError, SnapshotFile
from registry.triggers import CHANNEL

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.5  # how soon a stop is noticed


class Listener(Daemon):
    """LISTENs before it loads, so no change falls between; loads anew after each reconnect; polls as a backstop.

    If the first table cannot be had from the database, it is the snapshot's until the database is back.
    """

    name = "registry listener"
    trouble = "No news of the registry, calls go on with the last table"

    def __init__(
        self,
        tables: Tables,
        heart: Heart,
        spool_bytes: Callable[[], int],
        others_trouble: Callable[[], str],
        snapshot: SnapshotFile,
        runners: Runners | None = None,
    ):
        super().__init__()
        self.tables = tables
        self.heart = heart
        self.spool_bytes = spool_bytes
        self.others_trouble = others_trouble  # what other parts of this worker have to complain about
        self.snapshot = snapshot
        self.snapshot_problem = ""
        self.stale = ""  # where the table is from, if not from the database
        self.runners = runners or Runners({})
        self.loader = Loader(self.runners.engines)
        self.told_troubles: dict[str, Any] = {}  # of agents, by the last heartbeat
        self.fresh = True  # nothing has been loaded on this connection yet
        self.connected = 0  # connections on which everything has been loaded
        self.polled_at: float | None = None  # when the database last answered; monotonic
        self.loaded = threading.Event()

    @property
    def silent(self) -> bool:
        """Whether the database has said nothing for longer than it is asked: it hangs, whatever the connection says."""
        return self.polled_at is not None and time.monotonic() - self.polled_at > settings.DATABASE_SILENT_SECONDS

    @property
    def served(self) -> int | None:
        """The revision of the table, None if it is not the database's."""
        table = self.tables.current
        return None if self.stale or table is None else table.revision

    def work(self) -> None:
        """Listen, unless it is over."""
        if self.stopping.is_set():
            return
        try:
            self.listen()
        except Exception:
            if self.tables.current is None:
                self.serve_snapshot()
            raise

    def end(self) -> None:
        """Take the heartbeat away."""
        try:
            self.heart.stop()
        except (Error, OSError):
            logger.info("The database is away: this worker's heartbeat will run out by itself")

    def listen(self) -> None:
        """One connection's life."""
        # Of its own, not one of the pool's: LISTEN stays with a connection.
        params = connection.get_connection_params()
        if self.tables.current is None and self.snapshot.path.exists():
            params["connect_timeout"] = settings.FIRST_CONNECT_SECONDS
        self.fresh = True  # a fail-over may have lost a change, a restore may have come to the same revision
        with psycopg.connect(**params, autocommit=True) as listening:
            with scissors.watching(listening, self.name):
                listening.execute(f"LISTEN {CHANNEL}")
            self.follow(listening)

    def follow(self, listening: psycopg.Connection) -> None:
        """Load, then load again at each notification; poll and send the heartbeat in between."""
        polled = beaten = 0.0
        news = True
        while not self.stopping.is_set():
            if news or time.monotonic() - polled > BACKSTOP_SECONDS:
                polled = time.monotonic()
                if self.load() or not beaten:
                    beaten = 0.0
            told = self.told_troubles == self.runners.troubles()
            if time.monotonic() - beaten > HEARTBEAT_SECONDS or not beaten or not told:
                beaten = time.monotonic()
                self.beat()
            news = any(True for _ in listening.notifies(timeout=TICK_SECONDS, stop_after=1))

    def load(self) -> bool:
        """Load what changed; True if the table is a new one."""
        before = self.tables.current
        # A new connection may lead to a database that has been set back, the snapshot may be of another one: nothing
        # of what was known is kept then.
        gently = before is not None or self.failures > 0  # after a failure the server may have started without a table
        with watched(self.name, LOAD_SECONDS):
            table = self.loader.next(None if self.fresh else before, gently=gently)
            if self.fresh:
                self.heart.bury()
                self.connected += 1
        self.serve(table)
        self.fresh = False
        self.polled_at = time.monotonic()
        if self.stale:
            logger.warning("The database is back: its routing table is served, revision %d", table.revision)
            self.stale = ""
        self.recovered()
        self.loaded.set()
        return table is not before

    def serve(self, table: RoutingTable) -> None:
        """Have callers answered by this table, and what its agents need started."""
        before = self.tables.current
        self.tables.current = table
        if table is not before:
            self.runners.follow(table)

    def serve_snapshot(self) -> None:
        """Serve what the file has, if it has something; what is wrong with it is said once."""
        try:
            snapshot = self.snapshot.read()
            if snapshot is None:
                return
            table = Loader(self.runners.engines).build(RoutingTable(), snapshot.revision, None, [snapshot.rows])
        except (SnapshotError, AttributeError, KeyError, TypeError, ValueError) as error:
            if not self.snapshot_problem:
                logger.error("The snapshot %s cannot be used: %s", self.snapshot.path, error)
            self.snapshot_problem = str(error)
            return
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.stale = f"from the snapshot of {snapshot.written}, stale since {since}"
        self.serve(table)
        self.loaded.set()
        logger.warning(
            "The database is away: %d agents are served from the snapshot of %s, revision %d",
            len(table.agents),
            snapshot.written,
            snapshot.revision,
        )

    def beat(self) -> None:
        """Tell everybody which revision this worker serves."""
        table = self.tables.current
        trouble = "; ".join(text for text in (self.last_error, self.others_trouble()) if text)
        with watched(self.name):
            troubles = self.runners.troubles()
            self.heart.beat(table.revision if table else 0, self.spool_bytes(), trouble, troubles)
            self.told_troubles = troubles
