"""The registry on disk, for workers that start while the database is away: a file that one worker of a replica keeps.

A SQLite database with one row for each agent that is served. The records are those that the table is loaded from
(registry/serving/loader.py), so secrets in it are encrypted as in the database.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from django.conf import settings

from registry.actions.transaction import one_view
from registry.base.daemon import Daemon
from registry.base.watchdog import watched
from registry.models import Installation
from registry.serving.loader import CHUNK, LOAD_SECONDS, changes_since, read_records

logger = logging.getLogger(__name__)
FORMAT = "1"  # of the records and tables; a file of another one is not read
WRITE_AGAIN_SECONDS = 30  # until a file that could not be written is tried again: all of it, then
BUSY_SECONDS = 5  # how long a reader waits for a writer
SIDE_FILES = ("", "-journal", "-wal", "-shm")
GENTLE_SECONDS = 0.002  # between two chunks of rows, so that the event loop has its turn
TABLES = """
    DROP TABLE IF EXISTS meta;
    DROP TABLE IF EXISTS agent;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE agent (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
"""

Rows = list[tuple[int, str]]


class SnapshotError(Exception):
    """The file cannot be read or written; the message says why."""


class Snapshot(NamedTuple):
    """What the file holds: the records of all agents at one revision."""

    revision: int
    written: str  # ISO 8601, UTC
    rows: Rows


def database_place(database: Mapping[str, Any]) -> str:
    """A mark of the database that Django's settings name: its server's address and its name, and nobody's password."""
    options = database.get("OPTIONS", {})
    if database["ENGINE"] == "config.embedded":
        address = [str(settings.DATA_DIR)]
    else:
        address = [str(database.get(key.upper()) or options.get(key) or "") for key in ("host", "port")]
    return hashlib.sha256(orjson.dumps([*address, str(database["NAME"])])).hexdigest()


class SnapshotFile:
    """The file: written and read whole, in one transaction each, so nobody ever sees half of it."""

    def __init__(self, path: Path, place: str):
        self.path = path
        self.place = place

    def read(self) -> Snapshot | None:
        """What it holds, None if there is no file; `SnapshotError` if it is damaged, or of another database."""
        if not self.path.exists():
            return None
        try:
            with self.opened() as database:
                database.execute("BEGIN")
                meta = dict(database.execute("SELECT name, value FROM meta"))
                rows = database.execute("SELECT id, record FROM agent ORDER BY id").fetchall()
        except sqlite3.Error as error:
            raise SnapshotError(str(error)) from error
        if meta.get("format") != FORMAT:
            raise SnapshotError("it was written by another version of Switchboard")
        if meta["place"] != self.place:
            raise SnapshotError("it is of another database")
        return Snapshot(int(meta["revision"]), meta["written"], rows)

    def write(self, revision: int, changed: set[int] | None, chunks: Iterable[Rows]) -> None:
        """Put these records in the place of the changed agents', or of all if that is None; `SnapshotError`.

        A damaged file is removed, so that the next full writing makes a new one.
        """
        try:
            self.secure()
            with self.opened() as database:
                database.execute("BEGIN IMMEDIATE")
                if changed is None:
                    for statement in TABLES.split(";"):
                        database.execute(statement)
                for agent in changed or ():
                    database.execute("DELETE FROM agent WHERE id = ?", [agent])
                for rows in chunks:
                    database.executemany("INSERT INTO agent VALUES (?, ?)", rows)
                    if len(rows) == CHUNK:
                        time.sleep(GENTLE_SECONDS)
                written = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                meta = {"format": FORMAT, "place": self.place, "revision": str(revision), "written": written}
                database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
                database.execute("COMMIT")
        except sqlite3.OperationalError as error:  # a full disk, a lock
            raise SnapshotError(str(error)) from error
        except sqlite3.Error as error:
            self.remove()
            raise SnapshotError(f"{error}; it is made anew") from error

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection; what is not committed at its end is undone."""
        where = f"file:{quote(str(self.path))}?mode=rw"
        database = sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            database.execute("PRAGMA temp_store = MEMORY")
            yield database
        finally:
            database.close()

    def secure(self) -> None:
        """The file, for its owner only; SQLite gives its journals the same mode."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SnapshotError(str(error)) from error
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file and its journals: those of another file would be played into the next one."""
        for suffix in SIDE_FILES:
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()


class SnapshotKeeper(Daemon):
    """Keeps the file as the database is, in one of a replica's workers: the one that holds the lock beside the file.

    `served`: the revision of this worker's table, None if that is not the database's. It is looked at once in
    `pause_seconds`, so that changes are written together; the records are read anew, so that the listener need not
    wait for the disk. `connected` counts the connections that it had to the database: after each, everything is written
    anew. Whoever gets the lock begins with everything, for it does not know what its predecessor wrote.
    """

    name = "snapshot keeper"
    trouble = "The snapshot on disk is not renewed"
    pause_seconds = 1

    def __init__(self, file: SnapshotFile, served: Callable[[], int | None], connected: Callable[[], int]):
        super().__init__()
        self.file = file
        self.served = served
        self.connected = connected
        self.of_connection = 0  # on which what the file has was read
        self.lock: int | None = None  # the descriptor that holds it
        self.seen: int | None = None  # the table's revision when we last looked
        self.written: tuple[int, str] | None = None  # revision and installation that the file has; None: unknown
        self.problem = ""  # with the file
        self.retry_at = 0.0

    def work(self) -> None:
        """Write what has changed, if there is something."""
        revision = self.served()
        if revision is None or time.monotonic() < self.retry_at:
            return
        try:
            if self.connected() != self.of_connection:
                # The database was away, and may have been set back meanwhile: what the file has is not known.
                self.of_connection, self.seen, self.written = self.connected(), None, None
            if self.owns() and revision != self.seen:
                with watched(self.name, LOAD_SECONDS):
                    self.save()
                self.seen = revision
        except SnapshotError as error:
            self.written = None
            self.retry_at = time.monotonic() + WRITE_AGAIN_SECONDS
            if not self.problem:
                logger.error("The snapshot %s cannot be written, calls go on: %s", self.file.path, error)
            self.problem = str(error)
        else:
            self.problem = ""

    def end(self) -> None:
        """Let another worker have the lock."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def owns(self) -> bool:
        """Whether this worker is the one; it is from the moment when nobody else is, until its end."""
        if self.lock is not None:
            return True
        try:
            self.file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.file.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SnapshotError(str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.lock = descriptor
        return True

    def save(self) -> None:
        """Write what has changed since the last time; everything if that is not known."""
        with one_view():
            installation = str(Installation.objects.values_list("created", flat=True).first())
            # A database that was made anew at the same place counts its revisions from the beginning.
            known = self.written[0] if self.written and self.written[1] == installation else None
            revision, changed = changes_since(known)
            if revision != known:
                self.file.write(revision, changed, read_records(changed))
        self.written = revision, installation
