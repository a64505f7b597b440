"""Reading the routing log without holes: what has become visible since a moment, in whatever order it was committed.

A cursor is a snapshot of Postgres (https://www.postgresql.org/docs/current/functions-info.html, pg_current_snapshot):
`xmin:xmax:running`. Each event has the id of the transaction that wrote it (`batch`), so what a cursor has not seen is
what was running then, and what has begun since. No numbering of events could say that: numbers commit out of order.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import tuple_row

from registry.base.sql import compose
from registry.log.ids import moment_of
from registry.log.models import RoutingEvent

logger = logging.getLogger(__name__)
CURSOR = re.compile(r"\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?\Z")
MAX_MISSED = 100_000  # events that are counted, some 0.1 s: whoever was away for a day has millions
MAX_CURSOR = 4000  # characters; the list of what is running is as long as there are connections
# What a row of the live log shows; bodies are fetched when somebody opens one.
HIDDEN = {"id", "request", "response", "batch"}
COLUMNS = [str(field.column) for field in RoutingEvent._meta.concrete_fields if field.column not in HIDDEN]
TABLE = RoutingEvent._meta.db_table
QUOTED = ", ".join(f'"{column}"' for column in COLUMNS)
SELECT = compose("SELECT batch, id, {columns} FROM {table}", columns=QUOTED, table=TABLE)


class Cursor(NamedTuple):
    """A moment of the database: everything visible then has been seen."""

    xmax: int  # transactions from here on had not begun
    running: tuple[int, ...]  # and these had not ended

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """The moment that a text names, None if it names none."""
        if len(text) > MAX_CURSOR or not CURSOR.match(text):
            return None
        _, xmax, running = text.split(":")
        return cls(int(xmax), tuple(int(number) for number in running.split(",") if number))

    @property
    def age(self) -> tuple[int, int]:
        """Greater for a later moment: transactions only begin and end."""
        return self.xmax, -len(self.running)

    def sees(self, batch: int) -> bool:
        """Whether what this transaction wrote was visible then."""
        return batch < self.xmax and batch not in self.running

    def __str__(self) -> str:
        return f"{min((*self.running, self.xmax))}:{self.xmax}:{','.join(map(str, self.running))}"


class Seen(NamedTuple):
    """An event, and the transaction that wrote it."""

    batch: int
    event: dict[str, Any]


class Read(NamedTuple):
    """Events that have become visible, oldest first, and the moment up to which that is all of them."""

    events: list[Seen]
    cursor: Cursor
    missed: int = 0  # events before these that were too many to read; MAX_MISSED: at least so many


def now(connection: psycopg.Connection[Any]) -> Cursor:
    """This moment; inside a transaction that repeats its reads, that of all its statements."""
    found = Cursor.parse(connection.execute("SELECT pg_current_snapshot()::text").fetchone()[0])  # type: ignore[index]
    assert found is not None
    return found


def read_since(connection: psycopg.Connection[Any], since: Cursor | None, limit: int) -> Read:
    """What has become visible since a moment; at most the newest `limit` events. None: just the newest."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        moment = now(connection)
        if since is None or since.xmax > moment.xmax:  # of another database, or one that was set back
            return Read(newest(connection, limit), moment)
        try:
            with connection.transaction():
                events, missed = new(connection, since, moment, limit)
        except psycopg.errors.QueryCanceled:
            # The database is there, it was too much for one statement, and it would be again: begin with the newest.
            logger.warning("The log has too much that is new to be read at once: the newest %d rows are shown", limit)
            events = [seen for seen in newest(connection, limit) if moment.sees(seen.batch)]
            events, missed = [seen for seen in events if not since.sees(seen.batch)], MAX_MISSED
    return Read(events, moment, missed)


def newest(connection: psycopg.Connection[Any], limit: int) -> list[Seen]:
    """The newest events, oldest first."""
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(f"{SELECT} ORDER BY id DESC LIMIT %s", [limit])
    return [event_of(row) for row in reversed(cursor.fetchall())]


def new(connection: psycopg.Connection[Any], since: Cursor, moment: Cursor, limit: int) -> tuple[list[Seen], int]:
    """The newest events between two moments, oldest first, and how many there are besides, up to MAX_MISSED."""
    # One range of the index, and in its order. Ordered by id, of some thousand new rows the newest were looked for day
    # by day: 770 ms with two million in the log, now 16. Rows restored from another server's dump may have batches that
    # are still to come here: they are not new.
    condition = "batch >= %(xmin)s AND batch < %(xmax)s AND (batch >= %(first)s OR batch = ANY(%(running)s))"
    values = {
        "xmin": min((*since.running, since.xmax)),
        "xmax": moment.xmax,
        "first": since.xmax,
        "running": list(since.running),
    }
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(
        f"{SELECT} WHERE {condition} ORDER BY batch DESC, id DESC LIMIT %(limit)s", {**values, "limit": limit}
    )
    events = [event_of(row) for row in sorted(cursor.fetchall(), key=lambda row: row[1].int)]
    if len(events) < limit:
        return events, 0
    cursor.execute(
        compose(
            "SELECT count(*) FROM (SELECT FROM {table} WHERE {condition} LIMIT %(most)s) AS new",
            table=TABLE,
            condition=condition,
        ),
        {**values, "most": limit + MAX_MISSED},
    )
    return events, cursor.fetchone()[0] - limit  # type: ignore[index]


def event_of(row: Sequence[Any]) -> Seen:
    """A row as the live log shows it."""
    event_id: UUID = row[1]
    stamp = moment_of(event_id).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"id": str(event_id), "time": stamp, **dict(zip(COLUMNS, row[2:], strict=True))}
    if isinstance(steps := event["steps"], str):  # on Django's connections JSON is read as text
        event["steps"] = orjson.loads(steps)
    return Seen(row[0], event)
