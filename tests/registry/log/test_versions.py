"""The log's table and its writers of two versions: each writes into the table of the other's time, or waits for it."""

from importlib import import_module
from typing import Any

import orjson
import psycopg
import pytest
from django.db import OperationalError, connection

from registry.log import partitions
from registry.log.ids import uuid7
from registry.log.writer import COPY, STAGING, copy_batch, is_refusal, move_statement

pytestmark = pytest.mark.django_db
MIGRATION = import_module("registry.migrations.0009_what_was_answered")
NEW = ("channel", "query", "via", "rule", "side", "digest", "replayable", "asked_twice")
EVENT: dict[str, Any] = {
    "replica": "r", "kind": "swml", "method": "POST", "path": "/sales", "source": "192.0.2.7", "route": "/sales",
    "agent": "sales", "version": 3, "call_id": "C1", "sip_user": "", "from": "", "to": "", "function": "",
    "status": 200, "outcome": "ok", "detail": "", "steps": [], "microseconds": 50, "request": {"a": 1},
    "response": None,
}  # fmt: skip

# The statement of the version before these columns, as it was. While a fleet is restarted its workers use it.
BEFORE = """
WITH moved AS (INSERT INTO registry_routingevent ("id", "replica", "kind", "method", "path", "source", "route",
"agent", "version", "call_id", "sip_user", "from", "to", "function", "status", "outcome", "detail", "steps",
"microseconds", "request", "response", "request_id", "trace_id", batch) SELECT "id", "replica", "kind",
"method", "path", "source", "route", "agent", "version", "call_id", "sip_user", "from", "to", "function",
"status", "outcome", "detail", "steps", "microseconds", "request", "response", coalesce("request_id", ''),
coalesce("trace_id", ''), pg_current_xact_id()::text::bigint FROM event_staging, jsonb_to_record(line::jsonb) AS
event("id" uuid, "replica" text, "kind" text, "method" text, "path" text, "source" text, "route" text, "agent"
text, "version" integer, "call_id" text, "sip_user" text, "from" text, "to" text, "function" text, "status"
smallint, "outcome" text, "detail" text, "steps" jsonb, "microseconds" integer, "request" jsonb, "response"
jsonb, "request_id" text, "trace_id" text) ON CONFLICT DO NOTHING RETURNING id, agent, kind, outcome, status,
microseconds), counted AS (INSERT INTO registry_agentminute (agent, minute, count, errors, latencies) SELECT
agent, minute, count(*), count(*) FILTER (WHERE outcome = 'error' OR status >= 500), ARRAY[count(*) FILTER
(WHERE bucket = 1), count(*) FILTER (WHERE bucket = 2), count(*) FILTER (WHERE bucket = 3), count(*) FILTER
(WHERE bucket = 4), count(*) FILTER (WHERE bucket = 5), count(*) FILTER (WHERE bucket = 6), count(*) FILTER
(WHERE bucket = 7), count(*) FILTER (WHERE bucket = 8), count(*) FILTER (WHERE bucket = 9), count(*) FILTER
(WHERE bucket = 10), count(*) FILTER (WHERE bucket = 11), count(*) FILTER (WHERE bucket = 12), count(*) FILTER
(WHERE bucket = 13), count(*) FILTER (WHERE bucket = 14), count(*) FILTER (WHERE bucket = 15), count(*) FILTER
(WHERE bucket = 16), count(*) FILTER (WHERE bucket = 17), count(*) FILTER (WHERE bucket = 18), count(*) FILTER
(WHERE bucket = 19), count(*) FILTER (WHERE bucket = 20)] FROM (SELECT *, date_trunc('minute', to_timestamp(('x'
|| left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0), 'UTC') AS minute, 1 +
width_bucket(microseconds, ARRAY[64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144,
524288, 1048576, 2097152, 4194304, 8388608, 16777216]) AS bucket FROM moved WHERE agent <> '' AND kind <>
'test') AS event GROUP BY agent, minute ORDER BY agent, minute ON CONFLICT (agent, minute) DO UPDATE SET count =
registry_agentminute.count + excluded.count, errors = registry_agentminute.errors + excluded.errors, latencies =
switchboard_added(registry_agentminute.latencies, excluded.latencies)) SELECT pg_notify('routing_events',
pg_current_xact_id()::text) WHERE EXISTS (SELECT FROM moved)
"""


def line(**changes: Any) -> bytes:
    return orjson.dumps({"id": uuid7(), **EVENT, **changes}) + b"\n"


def store(lines: bytes, statement: str) -> None:
    """Bring lines into the log by this statement."""
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        cursor.execute(STAGING)
        with cursor.copy(COPY) as copy:
            copy.write(lines)
        cursor.execute(statement)
        cursor.execute("TRUNCATE event_staging")  # at a commit, which this test does not come to


def rows(columns: str = ", ".join(NEW)) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM registry_routingevent ORDER BY id")
        return list(cursor.fetchall())


def storage(table: str) -> set[str]:
    """How a table stores its two bodies: e = external, x = compressed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = %s::regclass AND attname IN ('request', 'response')",
            [table],
        )
        return {kind.decode() if isinstance(kind, bytes) else kind for (kind,) in cursor.fetchall()}


def migrate(statement: str) -> None:
    """Run it as the migration does; the test's transaction takes it back."""
    with connection.schema_editor(atomic=False) as editor:
        MIGRATION.alter(statement)(None, editor)


@pytest.fixture(autouse=True)
def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM registry_routingevent")


def test_workers_of_the_version_before_go_on_writing_into_the_table_as_it_is_now() -> None:
    migrate(MIGRATION.DROP)
    store(line(), BEFORE)
    migrate(MIGRATION.ADD)
    store(line() + line(request_id="edge-1"), BEFORE)
    nothing = ("voice", "", "", "", "", "", False, False)
    assert rows() == [nothing] * 3
    assert rows("request, request_id, batch > 0") == [('{"a": 1}', "", True)] * 2 + [('{"a": 1}', "edge-1", True)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(count) FROM registry_agentminute WHERE agent = 'sales'")
        assert cursor.fetchone() == (3,)


def test_lines_that_the_version_before_left_in_the_spool_are_rows() -> None:
    store(line() + line(request_id="edge-1", trace_id="a" * 32), move_statement())
    assert rows() == [("voice", "", "", "", "", "", False, False)] * 2
    assert rows("request_id") == [("",), ("edge-1",)]


def test_what_a_line_says_is_in_its_row_and_what_it_leaves_out_too() -> None:
    whole = {
        "channel": "chat", "query": "lang=es", "via": "front", "rule": "Spanish", "side": "canary",
        "digest": "0123456789abcdef", "replayable": True, "asked_twice": True,
    }  # fmt: skip
    lines = [line(**whole), line(digest="00"), line(digest="00", replayable=False), line(replayable=True), line()]
    store(b"".join(lines), move_statement())
    assert rows()[0] == tuple(whole.values())
    assert rows("digest, replayable")[1:] == [("00", True), ("00", False), ("", True), ("", False)]


def test_a_writer_that_is_there_before_its_table_waits_for_it() -> None:
    migrate(MIGRATION.DROP)
    with connection.cursor() as cursor:
        cursor.execute(STAGING)
    with pytest.raises(psycopg.errors.UndefinedColumn) as refused:
        copy_batch(line())
    assert not is_refusal(refused.value), "its lines stay in the spool, and none is put aside"


def test_the_bodies_of_every_day_are_stored_uncompressed_also_of_days_that_are_made_later() -> None:
    def tables() -> set[str]:
        return {partitions.TABLE, partitions.DEFAULT, *map(partitions.name_of, partitions.days())}

    partitions.keep()
    migrate(MIGRATION.DROP)
    assert len(tables()) > partitions.AHEAD
    assert {kind for table in tables() for kind in storage(table)} == {"x"}
    migrate(MIGRATION.ADD)
    assert {kind for table in tables() for kind in storage(table)} == {"e"}
    last = max(partitions.days())
    before = tables()
    partitions.keep(last)
    assert len(tables() - before) == partitions.AHEAD
    assert {kind for table in tables() for kind in storage(table)} == {"e"}


def test_the_table_is_not_written_anew() -> None:
    migrate(MIGRATION.DROP)
    store(line(), BEFORE)
    before = files()
    migrate(MIGRATION.ADD)
    assert files() == before


def files() -> list[tuple[str, int]]:
    """The files of the table's days: another one for what is rewritten."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text, pg_relation_filenode(inhrelid) FROM pg_inherits"
            " WHERE inhparent = 'registry_routingevent'::regclass ORDER BY 1"
        )
        return list(cursor.fetchall())


class Reader:
    """Somebody who reads the log for long, as a backup does."""

    def __init__(self) -> None:
        given = connection.get_connection_params()
        words = {word: given[word] for word in ("host", "port", "dbname", "user", "password") if word in given}
        self.connection = psycopg.connect(**words)
        self.connection.execute("SELECT FROM registry_routingevent LIMIT 1")

    def end(self) -> None:
        self.connection.close()


def test_nobody_waits_long_behind_a_migration_that_waits_for_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            reader.end()

    monkeypatch.setattr(MIGRATION, "sleep", pause)
    monkeypatch.setattr(MIGRATION, "LOCK_SECONDS", 0.05)
    try:
        migrate("ALTER TABLE registry_routingevent ADD COLUMN more text NOT NULL DEFAULT ''")
    finally:
        reader.end()
    assert pauses == [MIGRATION.PAUSE_SECONDS] * 3
    assert rows("more") == []


def test_a_migration_that_never_gets_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    monkeypatch.setattr(MIGRATION, "sleep", lambda _seconds: None)
    monkeypatch.setattr(MIGRATION, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(MIGRATION, "TRIES", 2)
    try:
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate("ALTER TABLE registry_routingevent ADD COLUMN more text")
    finally:
        reader.end()
