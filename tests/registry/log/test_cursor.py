"""Cursors, and reading the log in whatever order it was committed."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from registry.log import cursor
from registry.log.cursor import COLUMNS, Cursor, Read, now, read_since
from registry.log.ids import uuid7
from tests.registry.log.test_writer import apart, empty_log

EVERYTHING = 1_000_000
INSERT = """
INSERT INTO registry_routingevent (id, replica, kind, method, path, source, route, agent, call_id, sip_user, "from",
"to", function, status, outcome, detail, steps, microseconds, batch)
VALUES (%s, 'r', 'swml', 'GET', '/x', '', '/x', 'sales', %s, '', '', '', '', 200, 'ok', '', '[]', 1,
coalesce(%s, pg_current_xact_id()::text::bigint))
"""
Connection = psycopg.Connection[Any]


def insert(opened: Connection, call: str = "", batch: int | None = None) -> str:
    """A row; its id."""
    identifier = uuid7()
    opened.execute(INSERT, [identifier, call, batch])
    return f"{identifier[:8]}-{identifier[8:12]}-{identifier[12:16]}-{identifier[16:20]}-{identifier[20:]}"


def ids(read: Read) -> list[str]:
    return [seen.event["id"] for seen in read.events]


@pytest.fixture
def connected(db: None) -> Iterator[Callable[[], Connection]]:
    """Makes connections of their own, whose work is committed; the log is empty before and after."""
    opened: list[Connection] = []

    def make() -> Connection:
        opened.append(psycopg.connect(**connection.get_connection_params(), autocommit=True))
        return opened[-1]

    apart(empty_log)
    yield make
    for one in opened:
        one.close()
    apart(empty_log)


# --- cursors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["10:20:", "10:20:10", "10:20:10,12,19"])
def test_a_cursor_is_its_text(text: str) -> None:
    assert str(Cursor.parse(text)) == ("20:20:" if text == "10:20:" else text)
    assert Cursor.parse(str(Cursor.parse(text))) == Cursor.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1:2", "1:2:3:4", "a:b:c", "1:2:,", "1:2:3,", " 1:2:3", "1:2:3\n", "-1:2:", "1:2:1.5", "1" * 20 + ":1:",
     "1:2:" + "3," * 3000 + "3"],
)  # fmt: skip
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert Cursor.parse(text) is None


@given(st.text(max_size=40) | st.from_regex(r"\d+:\d+:[\d,]*", fullmatch=True))
def test_no_text_breaks_the_parser(text: str) -> None:
    cursor = Cursor.parse(text)
    assert cursor is None or Cursor.parse(str(cursor)) == cursor


def test_a_cursor_sees_what_had_ended_before_it() -> None:
    cursor = Cursor(20, (10, 15))
    assert [number for number in range(8, 23) if not cursor.sees(number)] == [10, 15, 20, 21, 22]


def test_a_later_moment_is_of_a_greater_age() -> None:
    moments = [Cursor(20, (10, 15)), Cursor(20, (15,)), Cursor(20, ()), Cursor(21, (20, 19)), Cursor(30, ())]
    assert sorted(moments, key=lambda cursor: cursor.age) == moments


# --- reading ---------------------------------------------------------------------------------------------------------


def test_what_is_committed_late_is_read_late_and_once(connected: Callable[[], Connection]) -> None:
    reader, slow, quick = connected(), connected(), connected()
    start = now(reader)
    with slow.transaction():
        early = insert(slow)
        late = insert(quick)
        first = read_since(reader, start, EVERYTHING)
        assert ids(first) == [late]
        again = read_since(reader, first.cursor, EVERYTHING)
        assert ids(again) == []
    second = read_since(reader, again.cursor, EVERYTHING)
    assert ids(second) == [early]
    assert ids(read_since(reader, second.cursor, EVERYTHING)) == []
    assert ids(read_since(reader, start, EVERYTHING)) == [early, late]


def test_many_writers_that_commit_in_any_order_or_not_at_all(connected: Callable[[], Connection]) -> None:
    reader = connected()
    committed: list[str] = []
    cursor = now(reader)
    seen: list[str] = []

    def write(opened: Connection) -> None:
        for _ in range(40):
            mine = []
            with opened.transaction() as transaction:
                for _ in range(random.randint(1, 3)):
                    mine.append(insert(opened))
                    time.sleep(random.uniform(0, 0.004))
                if random.random() < 0.2:
                    mine.clear()
                    raise psycopg.Rollback(transaction)
            committed.extend(mine)

    writers = [threading.Thread(target=write, args=[connected()]) for _ in range(5)]
    for writer in writers:
        writer.start()
    running = True
    while running:
        running = any(writer.is_alive() for writer in writers)
        read = read_since(reader, cursor, EVERYTHING)
        assert read.missed == 0
        assert read.cursor.age >= cursor.age
        assert not [event for event in read.events if cursor.sees(event.batch) or not read.cursor.sees(event.batch)]
        seen += ids(read)
        cursor = read.cursor
    assert sorted(seen) == sorted(committed)


def test_of_too_many_the_newest_are_read_and_the_others_counted(connected: Callable[[], Connection]) -> None:
    writer = connected()
    start = now(writer)
    made = [insert(writer) for _ in range(10)]
    assert ids(read_since(writer, start, 4)) == made[6:]
    assert read_since(writer, start, 4).missed == 6
    assert read_since(writer, start, 10).missed == 0
    assert ids(read_since(writer, start, 11)) == made
    newest = read_since(writer, None, 3)
    assert (ids(newest), newest.missed) == (made[7:], 0)
    assert read_since(writer, None, 0).events == []


def test_what_was_missed_is_counted_up_to_a_limit(
    connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "MAX_MISSED", 3)
    writer = connected()
    start = now(writer)
    made = [insert(writer) for _ in range(10)]
    for limit, missed in ((8, 2), (7, 3), (4, 3)):
        read = read_since(writer, start, limit)
        assert (ids(read), read.missed) == (made[-limit:], missed)


@pytest.mark.parametrize("slow", ["count(*)", "batch >="])
def test_a_time_out_is_no_absent_database_and_one_begins_with_the_newest(
    connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    writer = connected()
    seen = insert(writer)
    start = now(writer)
    with writer.transaction():
        made = [insert(writer) for _ in range(3)]
    insert(writer, "restored", batch=now(writer).xmax + 1_000_000)
    real = psycopg.Cursor.execute

    def execute(self: psycopg.Cursor[Any], query: Any, *values: Any, **options: Any) -> Any:
        if slow in query:
            real(self, "SELECT pg_sleep(10)")
        return real(self, query, *values, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    writer.execute("SET statement_timeout = '50ms'")
    read = read_since(writer, start, 3)
    assert (ids(read), read.missed) == (made[1:], cursor.MAX_MISSED)
    assert seen not in ids(read)
    assert writer.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert ids(read_since(writer, read.cursor, 3)) == []


def test_with_a_cursor_of_another_database_one_begins_anew(connected: Callable[[], Connection]) -> None:
    writer = connected()
    made = [insert(writer) for _ in range(3)]
    read = read_since(writer, Cursor(10**18, ()), 2)
    assert (ids(read), read.missed) == (made[1:], 0)
    assert read.cursor.xmax < 10**18


def test_numbers_that_no_transaction_has_do_no_harm(connected: Callable[[], Connection]) -> None:
    writer = connected()
    cursor = Cursor(now(writer).xmax, (10**18, 9_999_999_999_999_999_999))
    made = insert(writer)
    assert ids(read_since(writer, cursor, 10)) == [made]


def test_rows_restored_from_another_server_are_not_new_again_and_again(connected: Callable[[], Connection]) -> None:
    writer = connected()
    start = now(writer)
    insert(writer, "restored", batch=start.xmax + 1_000_000)
    made = insert(writer)
    read = read_since(writer, start, 10)
    assert ids(read) == [made]
    assert ids(read_since(writer, read.cursor, 10)) == []


def test_a_row_is_shown_without_its_bodies(connected: Callable[[], Connection]) -> None:
    writer = connected()
    insert(writer, "C7")
    [seen] = read_since(writer, None, 1).events
    assert set(seen.event) == {"id", "time", *COLUMNS}
    assert {"request", "response", "batch"}.isdisjoint(seen.event)
    assert (seen.event["call_id"], seen.event["version"], seen.event["steps"]) == ("C7", None, [])
    assert seen.event["time"].endswith("Z")
