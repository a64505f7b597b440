"""The days of the routing log: partitions made ahead, filled from the default one, dropped when they are too old."""

import logging
import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from registry.log.ids import MILLISECONDS, first_id
from registry.log.models import AgentMinute, RoutingEvent

logger = logging.getLogger(__name__)
AHEAD = 7  # days: a replica can be away that long, or its clock be that wrong, before the default partition is used
KEEPER_LOCK = 0x7377626C  # "swbl" in ASCII: one worker of all keeps the days
LOCK_SECONDS = 2  # for the parent table, which is locked for a moment; else it is tried again later
TABLE = RoutingEvent._meta.db_table
MINUTES = AgentMinute._meta.db_table
MINUTES_AT_ONCE = 10_000  # rows of a transaction, some 0.1 s
DEFAULT = f"{TABLE}_default"
DAY_NAME = re.compile(rf"{TABLE}_(\d{{8}})\Z")


def first_of(day: date) -> UUID:
    """The smallest id of a day (UTC)."""
    return first_id(datetime(day.year, day.month, day.day, tzinfo=UTC))


def name_of(day: date) -> str:
    """The name of a day's partition."""
    return f"{TABLE}_{day:%Y%m%d}"


def days() -> list[date]:
    """The days that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        found = [DAY_NAME.search(name) for (name,) in cursor.fetchall()]
    return sorted(datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date() for match in found if match)


def keep(today: date | None = None) -> bool:
    """Make the partitions of the days to come, drop those that retention forgets; False if another worker does it."""
    today = today or datetime.now(UTC).date()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [KEEPER_LOCK])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        wanted = {today + timedelta(days=offset) for offset in range(-1, AHEAD + 1)} | strays()
        oldest = oldest_day(today)
        there = days()
        for day in sorted(day for day in wanted - set(there) if day >= oldest):
            make(day)
        for day in there:
            if day < oldest:
                logger.info("Dropping the routing log of %s, which is older than %d days", day, settings.LOG_DAYS)
                cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name_of(day))))
        cursor.execute(sql.SQL("DELETE FROM {} WHERE id < %s").format(sql.Identifier(DEFAULT)), [str(first_of(oldest))])
    return True


def oldest_day(today: date | None = None) -> date:
    """The first day that retention keeps."""
    return (today or datetime.now(UTC).date()) - timedelta(days=settings.LOG_DAYS)


def forget_minutes(today: date | None = None) -> bool:
    """Delete the oldest minutes that retention forgets, so many at most; True if there may be more.

    Not in the transaction of the partitions, which would hold its locks for all that time: a thousand agents have a
    million minutes a day. The oldest first, so that what was cut off by a time-out goes on where it was.
    """
    oldest = oldest_day(today)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE minute < %s "
                "ORDER BY minute LIMIT %s FOR UPDATE SKIP LOCKED))"
            ).format(table=sql.Identifier(MINUTES)),
            [datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC), MINUTES_AT_ONCE],
        )
        return int(cursor.rowcount) == MINUTES_AT_ONCE


def strays() -> set[date]:
    """Days of which the default partition has rows, and which are not far in the future: wrong clocks stay there."""
    latest = datetime.now(UTC) + timedelta(days=AHEAD)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT DISTINCT {} / 86400000 FROM {} WHERE id < %s").format(
                sql.SQL(MILLISECONDS), sql.Identifier(DEFAULT)
            ),
            [str(first_of(latest.date()))],
        )
        return {date(1970, 1, 1) + timedelta(days=number) for (number,) in cursor.fetchall()}


def make(day: date) -> None:
    """A day's partition, with the rows of that day that the default one has taken meanwhile."""
    name, bounds = name_of(day), [str(first_of(day)), str(first_of(day + timedelta(days=1)))]
    identifiers = {"name": sql.Identifier(name), "parent": sql.Identifier(TABLE), "rest": sql.Identifier(DEFAULT)}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {parent} IN SHARE UPDATE EXCLUSIVE MODE").format(**identifiers))
        # Nothing may come in between moving the rows and attaching their partition.
        cursor.execute(sql.SQL("LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE").format(**identifiers))
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
            ).format(**identifiers)
        )
        cursor.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM {rest} WHERE id >= %s AND id < %s RETURNING *)"
                " INSERT INTO {name} SELECT * FROM moved"
            ).format(**identifiers),
            bounds,
        )
        cursor.execute(
            sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({next})").format(
                first=sql.Literal(bounds[0]), next=sql.Literal(bounds[1]), **identifiers
            )
        )
