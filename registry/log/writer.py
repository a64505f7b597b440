"""From the spool into the database, in batches, exactly once."""

import logging
import time

import orjson
import psycopg
from django.db import Error, connection

from registry.base.daemon import Daemon
from registry.base.sql import compose
from registry.base.watchdog import watched
from registry.log.ids import MILLISECONDS
from registry.log.minutes import BUCKETS, upper_bound
from registry.log.models import AgentMinute, RoutingEvent
from registry.log.spool import Segment, Spool

logger = logging.getLogger(__name__)
BATCH_BYTES = 1024 * 1024  # about a thousand events, 50 ms of the database's time
ADOPT_SECONDS = 30  # between two looks for what dead processes left
QUARANTINE = ".quarantine"

# Temporary: of this connection, in no backup, emptied (not deleted row by row) at each commit. Lines are not compressed
# and stay in their rows up to a page: both are for texts that last, and took 30 of 148 µs for a body of 4 kB.
STAGING = (
    "CREATE TEMP TABLE IF NOT EXISTS event_staging (line text) WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS; "
    "ALTER TABLE event_staging ALTER COLUMN line SET STORAGE EXTERNAL"
)
# Control characters cannot stand in JSON, so with them as CSV's marks each line is read as it is.
COPY = r"COPY event_staging FROM STDIN (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ESCAPE E'\x02')"
FIELDS = [field for field in RoutingEvent._meta.concrete_fields if field.column != "batch"]
COLUMNS = [field.column for field in FIELDS]
# What most lines do not have, and those of earlier versions cannot: what stands for it. An event with a digest is
# replayable if its line says nothing else; in lines from before there were digests nobody looked.
NEWER = {field.column: field.get_default() for field in FIELDS if field.has_default()}
FILLED = {name: f"'{value}'" if isinstance(value, str) else str(value).lower() for name, value in NEWER.items()}
FILLED["replayable"] = "digest IS NOT NULL"
TYPES = {"uuid": "uuid", "integer": "integer", "smallint": "smallint", "jsonb": "jsonb", "boolean": "boolean"}
CHANNEL = "routing_events"
ERRORS = "outcome = 'error' OR status >= 500"
MINUTE = f"date_trunc('minute', to_timestamp({MILLISECONDS} / 1000.0), 'UTC')"
# The bucket of a row, from 1 on. Not log(): in Postgres it is decimal, and took 95 of 111 µs per event.
LIMITS = ", ".join(f"{upper_bound(bucket):.0f}" for bucket in range(BUCKETS - 1))
BUCKET = f"1 + width_bucket(microseconds, ARRAY[{LIMITS}])"


def move_statement() -> str:
    """The statement that moves staged lines into the log, counts them, and tells whoever watches.

    A line that is there already is skipped, and not counted again. The minutes come in order: two writers that lock
    the same rows must do so in the same one.
    """
    names = ", ".join(f'"{column}"' for column in COLUMNS)
    values = ", ".join(f'coalesce("{name}", {FILLED[name]})' if name in FILLED else f'"{name}"' for name in COLUMNS)
    typed = ", ".join(f'"{field.column}" {TYPES.get(str(field.db_type(connection)), "text")}' for field in FIELDS)
    latencies = ", ".join(f"count(*) FILTER (WHERE bucket = {bucket})" for bucket in range(1, BUCKETS + 1))
    minutes = AgentMinute._meta.db_table
    return compose(
        "WITH moved AS ("
        "INSERT INTO {events} ({names}, batch) "
        "SELECT {values}, pg_current_xact_id()::text::bigint "
        "FROM event_staging, jsonb_to_record(line::jsonb) AS event({typed}) "
        "ON CONFLICT DO NOTHING RETURNING id, agent, kind, outcome, status, microseconds"
        "), counted AS ("
        "INSERT INTO {minutes} (agent, minute, count, errors, latencies) "
        "SELECT agent, minute, count(*), count(*) FILTER (WHERE {errors}), ARRAY[{latencies}] "
        "FROM (SELECT *, {minute} AS minute, {bucket} AS bucket FROM moved "
        "WHERE agent <> '' AND kind <> 'test') AS event "
        "GROUP BY agent, minute ORDER BY agent, minute "
        "ON CONFLICT (agent, minute) DO UPDATE SET count = {minutes}.count + excluded.count, "
        "errors = {minutes}.errors + excluded.errors, "
        "latencies = switchboard_added({minutes}.latencies, excluded.latencies)"
        ") SELECT pg_notify('{channel}', pg_current_xact_id()::text) WHERE EXISTS (SELECT FROM moved)",
        events=RoutingEvent._meta.db_table,
        names=names,
        values=values,
        typed=typed,
        minutes=minutes,
        errors=ERRORS,
        latencies=latencies,
        minute=MINUTE,
        bucket=BUCKET,
        channel=CHANNEL,
    )


class Writer(Daemon):
    """Drains the spool. If the database is away it waits: the spool holds everything."""

    name = "event writer"
    trouble = "Routing events wait in the spool"
    pause_seconds = 0.05  # how long events wait for others to share their batch with

    def __init__(self, spool: Spool):
        super().__init__()
        self.spool = spool
        self.quarantined = 0
        self.adopted: list[Segment] = []  # dead processes', ours now: until they are drained
        self.adopted_at = 0.0

    def work(self) -> None:
        """Drain; also once after the stop, so that nothing is left."""
        self.drain()

    def drain(self) -> None:
        """Move all that is spooled now into the database."""
        for segment in self.spool.segments():
            self.drain_segment(segment)
            if segment is not self.spool.current and not segment.pending:
                self.spool.drop(segment)
        if time.monotonic() - self.adopted_at > ADOPT_SECONDS:
            for segment in self.spool.abandoned():
                logger.info("Draining %s, which a dead process left", segment.path.name)
                self.adopted.append(segment)
            self.adopted_at = time.monotonic()
        while self.adopted:  # if the database is away they are kept for the next round: their lock is ours
            self.drain_segment(self.adopted[0])
            self.adopted.pop(0).remove()

    def end(self) -> None:
        """Leave what is not drained to whoever comes next."""
        for segment in self.adopted:
            segment.close()

    def drain_segment(self, segment: Segment) -> None:
        """Move one segment's whole lines. What arrives meanwhile waits for the next round: small batches cost most."""
        end = segment.written
        while segment.drained < end and (batch := segment.read(BATCH_BYTES)):
            self.store(batch, segment)
            segment.drained += len(batch)

    def store(self, batch: bytes, segment: Segment, *, halved: bool = False) -> None:
        """Store a batch; one that the database refuses is written anew, then halved until the bad line is alone."""
        refusal = self.try_to_store(batch)
        if refusal is None:
            return
        lines = [line + b"\n" for line in batch.split(b"\n")[:-1]]
        # Most of what is refused are numbers such as 1e-99999. One by one they would hold up all others.
        if len(lines) > 1 and not halved and self.try_to_store(b"".join(map(mend, lines))) is None:
            return
        if len(lines) > 1:
            middle = len(lines) // 2
            self.store(b"".join(lines[:middle]), segment, halved=True)
            self.store(b"".join(lines[middle:]), segment, halved=True)
        elif (mended := mend(batch)) == batch or self.try_to_store(mended):
            self.put_aside(batch, segment, refusal)

    def try_to_store(self, batch: bytes) -> Exception | None:
        """Store a batch; the error if the database refuses it. Any other error is raised."""
        try:
            new = connection.connection is None
            with watched(self.name):
                if new:
                    with connection.cursor() as cursor:
                        cursor.execute(STAGING)
                copy_batch(batch)
        except (Error, psycopg.Error) as error:
            if not is_refusal(error):
                raise
            return error
        return None

    def put_aside(self, line: bytes, segment: Segment, refusal: Exception) -> None:
        """Keep a line that the database does not take where people find it."""
        self.quarantined += 1
        aside = segment.path.with_name(segment.path.name + QUARANTINE)
        logger.error("The database refused an event, which is kept in %s: %s", aside, refusal)
        with aside.open("ab") as file:
            file.write(line)


def copy_batch(batch: bytes) -> None:
    """One transaction: the bytes as they are into staging, from there into the log."""
    raw = connection.connection
    with raw.transaction(), raw.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.write(batch)
        cursor.execute(move_statement())


def mend(line: bytes) -> bytes:
    """The line with its JSON written anew: numbers that only JSON can hold, such as 1e-99999, become the nearest."""
    try:
        return orjson.dumps(orjson.loads(line)) + b"\n"
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return line


def is_refusal(error: Exception) -> bool:
    """Whether the database looked at the data and refused it, rather than being away or busy."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if isinstance(cause, psycopg.errors.CheckViolation) and not cause.diag.constraint_name:
        return False  # a partition's: its day was attached while the row was on its way into the default one
    return isinstance(
        cause,
        (
            psycopg.DataError,
            psycopg.IntegrityError,
            psycopg.errors.ProgramLimitExceeded,
            psycopg.errors.StatementTooComplex,  # JSON that is nested too deeply for Postgres
        ),
    )
