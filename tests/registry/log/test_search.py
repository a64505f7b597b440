"""Searching the log in the database says the same as the live log's filter, for every filter."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection

from registry.base.errors import Malformed
from registry.log import search as searching
from registry.log.calls import call_of
from registry.log.filters import Filter
from registry.log.ids import first_id
from registry.log.models import RoutingEvent
from registry.log.search import Range, event_with_bodies, events_of_call, search

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "agent": "sales",
        "kind": "swml",
        "call_id": "C1",
        "from": "+15550100",
        "to": "sip:Sales@example.com",
        "query": "lang=ES&a=b",
        "digest": "0123456789abcdef",
        "replayable": True,
    },
    {"agent": "sales", "kind": "swaig", "call_id": "C1", "function": "get_Price", "microseconds": 900_000},
    {"agent": "billing", "kind": "swaig", "call_id": "C1", "function": "pay", "outcome": "error", "status": 200},
    {"agent": "", "kind": "unmatched", "path": "/wp-admin_100%", "outcome": "not_found", "status": 404},
    {"agent": "sales", "kind": "test", "version": 3, "detail": 'it said "Boom" \\ twice', "channel": "test"},
    {"agent": "sales", "kind": "sip", "sip_user": "help-desk", "method": "GET", "path": "/Sales/x_y"},
]
FILTERS = [
    "", "agent:sales", "agent:SALES kind:swaig", "call:C1", "call:c1", "fn:get_Price", "fn:get_price", "from:+15550100",
    "to:sip:sales@example.com", "outcome:error", "status:404", "status:>=400", "ms:>800", "ms:<=0.001", "version:3",
    "version:>2", "method:get", "sip:HELP-DESK", "path:/sales/x_y", "boom", "BOOM", '"said \\"', "100%", "_", "x_y",
    "x%",
    "\\", "wp-admin agent:", "replica:r", "kind:test boom", "nothing-has-this", "sales", "example.com c1",
    "-kind:test", "-version:3", "-ms:>800 agent:sales", "-boom", "-from:+15550100", "-agent:sales -agent:", "-nothing",
    "channel:test", "channel:VOICE -agent:sales", "digest:0123456789ABCDEF", '-digest:""', "lang=es", "a=b c1",
    "replayable:yes", "-replayable:YES agent:sales", "replayable:no kind:swaig",
    '"said ""boom"""', f"-request:{UUID(int=5)}", "--x", "-",
]  # fmt: skip


@pytest.fixture
def log() -> list[dict[str, Any]]:
    """ROWS, a minute apart; what the table has of each."""
    columns = [str(field.column) for field in RoutingEvent._meta.concrete_fields if field.column != "batch"]
    names = ", ".join(f'"{column}"' for column in columns)
    RoutingEvent.objects.all().delete()
    for number, row in enumerate(ROWS):
        event = {
            **dict.fromkeys(columns, ""), "status": 200, "outcome": "ok", "method": "POST", "path": "/sales",
            "replica": "r", "steps": [{"rule": "route", "detail": "", "ok": True}], "microseconds": 1, "version": None,
            "request": {"body": number}, "response": None, "channel": "voice", "replayable": False,
            "asked_twice": False, **row,
            "id": str(UUID(int=first_id(START + timedelta(minutes=number)).int + 1)),
        }  # fmt: skip
        for column in ("steps", "request"):
            event[column] = orjson.dumps(event[column]).decode()
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO registry_routingevent ({names}) VALUES ({', '.join(['%s'] * len(columns))})",
                [event[column] for column in columns],
            )
    return search(Filter(), Range(), 100)


def test_the_newest_come_first(log):
    assert [event["kind"] for event in log] == [row["kind"] for row in reversed(ROWS)]
    assert log[0]["time"] == "2026-11-20T12:05:00.000Z"
    assert [event["kind"] for event in search(Filter(), Range(), 2)] == ["sip", "test"]


@pytest.mark.parametrize("text", FILTERS)
def test_the_database_and_the_live_log_agree(log, text):
    try:
        wanted = Filter.parse(text)
    except ValueError:
        pytest.fail(f"{text} should be a filter")
    assert search(wanted, Range(), 100) == [event for event in log if wanted.matches(event)]


def test_times_and_pages(log):
    since, until = START + timedelta(minutes=1), START + timedelta(minutes=4)
    found = search(Filter(), Range(since, until), 100)
    assert [event["kind"] for event in found] == ["unmatched", "swaig", "swaig"]
    rest = search(Filter(), Range(since, until, UUID(found[0]["id"])), 100)
    assert rest == found[1:]
    assert search(Filter(), Range(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)), 100) == log


def test_a_search_that_takes_too_long_is_given_up(log, monkeypatch):
    monkeypatch.setattr(searching, "SEARCH_SECONDS", 0.05)
    with pytest.raises(Malformed, match="give `since` and `until`"):
        searching.read("SELECT pg_sleep(%s)", [5])
    assert search(Filter(), Range(), 1)


def test_one_event_has_its_bodies(log):
    event = event_with_bodies(UUID(log[-1]["id"]))
    assert event is not None
    assert (event["request"], event["response"]) == ({"body": 0}, None)
    assert event_with_bodies(UUID(int=5)) is None


def test_a_call_is_told_from_its_events(log):
    events = events_of_call("C1")
    assert [event["kind"] for event in events] == ["swml", "swaig", "swaig"]
    call = call_of(events)
    assert (call["agents"], call["outcome"], call["seconds"]) == (["sales", "billing"], "error", 120.0)
    assert (call["functions_ok"], call["functions_failed"]) == (1, 1)
    assert (call["caller"], call["dialled"]) == ("+15550100", "sip:Sales@example.com")
    assert events_of_call("") == []
