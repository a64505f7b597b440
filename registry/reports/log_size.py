"""How much room the log takes: bytes and rows by day, as PostgreSQL's catalogue has them. Nothing is counted."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import connection

from registry.log.models import RoutingEvent
from registry.log.partitions import DAY_NAME, MINUTES, TABLE
from registry.models import Worker

AUDITED = """SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c
    WHERE c.relkind = 'r' AND (c.relname LIKE '%%event' OR c.relname = 'pghistory_context')
    AND c.relnamespace = 'public'::regnamespace"""
DAYS = """SELECT c.relname, pg_total_relation_size(c.oid), c.reltuples::bigint
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass"""


@dataclass(frozen=True)
class Day:
    """A day (UTC) of the log. `rows`: PostgreSQL's estimate; None until it has looked at that day."""

    day: date
    bytes: int  # with its indexes
    rows: int | None


@dataclass(frozen=True)
class Sizes:
    """What is kept. All `_bytes` with their indexes."""

    days: list[Day]  # newest first, up to today
    other_bytes: int  # of days made ahead, and of rows whose clocks were wrong
    minutes_bytes: int
    audit_bytes: int
    database_bytes: int
    oldest: datetime | None
    waiting_bytes: int  # in the spools of all replicas

    @property
    def log_bytes(self) -> int:
        """Of all days."""
        return sum(day.bytes for day in self.days) + self.other_bytes

    @property
    def rows(self) -> int:
        """About so many events: an estimate."""
        return sum(day.rows or 0 for day in self.days)


def sizes(today: date | None = None) -> Sizes:
    """Five small statements, however large the log is."""
    today = today or datetime.now(UTC).date()
    days, other = [], 0
    with connection.cursor() as cursor:
        cursor.execute(DAYS, [TABLE])
        for name, size, rows in cursor.fetchall():
            match = DAY_NAME.search(name)
            day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date() if match else None
            if day is None or day > today:
                other += size
            else:
                days.append(Day(day, size, None if rows < 0 else rows))
        cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [MINUTES])
        minutes = cursor.fetchone()[0]
        cursor.execute(AUDITED)
        audit = int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_database_size(current_database())")
        database = cursor.fetchone()[0]
    oldest = RoutingEvent.objects.only("id").order_by("id").first()
    waiting = sum(Worker.objects.values_list("spool_bytes", flat=True))
    days.sort(key=lambda each: each.day, reverse=True)
    return Sizes(days, other, minutes, audit, database, oldest.time if oldest else None, waiting)
