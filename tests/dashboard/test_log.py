"""The live log's page: its rows, its filters, its drawer, its exports."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from dashboard.log.details import curl, replay
from dashboard.log.rows import rule_of
from dashboard.templatetags.switchboard import milliseconds
from registry.log.cursor import Cursor
from registry.log.models import RoutingEvent
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "drawer"}


@pytest.fixture
def client(fleet: Any) -> Client:
    RoutingEvent.objects.all().delete()
    made = Client()
    made.force_login(person("vera", "Viewer"))
    return made


def test_the_newest_rows_and_the_snapshot_they_end_with(client, django_assert_max_num_queries):
    ids = write_events({"agent": "pharmacy", "call_id": f"c{number}"} for number in range(205))
    client.get("/dashboard/log/")
    with django_assert_max_num_queries(20):
        answer = client.get("/dashboard/log/?tz=Europe/Berlin")
    text = answer.content.decode()
    assert text.index(ids[-1]) < text.index(ids[-2])
    assert ids[4] not in text
    assert text.count('<tr id="event-') == 200
    asked = parse_qs(urlsplit(answer.context["socket"]).query)
    assert Cursor.parse(asked["cursor"][0])
    assert (asked["rows"], asked["tz"]) == (["1"], ["Europe/Berlin"])
    older = client.get(f"/dashboard/log/{answer.context['older']}").content.decode()
    assert ids[4] in older
    assert "Not live" in older
    assert "rate=0" in older


def test_a_filter_is_text_and_chips(client):
    write_events([{"agent": "pharmacy"}, {"agent": "info-line", "outcome": "error"}])
    answer = client.get("/dashboard/log/", {"filter": "agent:pharmacy -kind:test"})
    assert [chip.label for chip in answer.context["chips"] if chip.on] == ["agent:pharmacy", "Without tests"]
    assert answer.context["chips"][0].address == "?filter=-kind%3Atest"
    assert answer.context["count"] == 1
    assert parse_qs(urlsplit(answer.context["socket"]).query)["filter"] == ["agent:pharmacy -kind:test"]
    chips = {chip.label: chip.address for chip in client.get("/dashboard/log/").context["chips"]}
    assert chips["info-line"] == "?filter=agent%3Ainfo-line"
    assert client.get(f"/dashboard/log/{chips['Errors']}").context["count"] == 1


@pytest.mark.parametrize("query", [{"filter": "agnet:x"}, {"since": "yesterday"}])
def test_what_is_wrong_is_said_and_the_rows_stay(client, query):
    write_events([{"agent": "pharmacy"}])
    answer = client.get("/dashboard/log/", query)
    assert 'id="log-problem"' in answer.content.decode()
    assert answer.context["count"] == 1
    assert "filter" not in parse_qs(urlsplit(answer.context["socket"]).query)
    assert client.get("/dashboard/log/rows/", query, headers=HTMX).status_code == 422


def test_a_stretch_of_the_past_is_in_the_zone_and_not_live(client):
    end = datetime(2026, 11, 20, 12, tzinfo=UTC)
    write_events([{"agent": "a"}, {"agent": "b"}], end=end)
    answer = client.get("/dashboard/log/?tz=Europe/Berlin&since=2026-11-20T13:00:00")
    assert answer.context["count"] == 1
    assert answer.context["socket"] == "/ws/page?rate=0"
    assert 'value="2026-11-20T13:00:00"' in answer.content.decode()


def test_nothing_yet_and_nothing_found(client):
    assert "Waiting for the first request" in client.get("/dashboard/log/").content.decode()
    assert "No event matches" in client.get("/dashboard/log/?filter=agent:nobody").content.decode()


def test_the_rows_of_a_gap_are_capped(client, monkeypatch):
    monkeypatch.setattr("dashboard.pages.log.ROWS", 2)
    end = datetime.now(UTC)
    write_events([{"agent": "pharmacy"}] * 4, end=end)
    address = "/dashboard/log/rows/"
    text = client.get(address, {"since": (end - timedelta(minutes=1)).isoformat()}).content.decode()
    assert text.count("<tr id=") == 2
    assert "the newest 2 of this stretch" in text
    assert "Nothing more" in client.get(address, {"until": "2000-01-01"}).content.decode()


def test_the_drawer_as_a_part_and_as_a_page(client):
    (event,) = write_events([{
        "agent": "pharmacy", "kind": "swaig", "function": "refill", "call_id": "c 1", "outcome": "error",
        "detail": "late", "path": "/p/swaig", "query": "lang=es&x=<1", "channel": "test", "digest": "0123456789abcdef",
        "response": {"response": "<b>"},
        "request": {"argument": {"parsed": [{"name": "it's"}]}},
        "steps": [{"rule": "route", "detail": "/p is pharmacy's", "ok": True},
                  {"rule": "x", "detail": "broke", "ok": False}],
    }])  # fmt: skip
    address = reverse("dashboard:log-event", args=[event])
    part = client.get(f"{address}?filter=agent:pharmacy", headers=HTMX)
    text = part.content.decode()
    assert text.strip().startswith("<aside")
    assert 'href="/dashboard/log/?filter=agent%3Apharmacy"' in text
    assert "&lt;b&gt;" in text
    assert text.count('<li class="is-bad">') == 1
    assert "POST /p/swaig?lang=es&amp;x=&lt;1</dd>" in text
    assert "http://testserver/p/swaig?lang=es&amp;x=&lt;1" in text
    assert "<dd>test</dd>" in text
    assert 'href="/dashboard/log/?filter=digest%3A0123456789abcdef"' in text
    assert "in part: something was masked or cut off" in text
    assert "Replay in Test" not in text  # a Viewer may not
    whole = client.get(f"{address}?filter=agent:pharmacy").content.decode()
    assert "<aside" in whole
    assert f'<tr id="event-{event}"' in whole
    closed = client.get("/dashboard/log/?filter=agent:pharmacy", headers=HTMX).content.decode()
    assert closed.strip() == '<div id="drawer" hidden></div>'
    assert client.get(reverse("dashboard:log-event", args=["00000000-0000-7000-8000-000000000000"])).status_code == 404


def test_a_request_once_more(rf):
    event = {
        "method": "POST", "path": "/p", "query": "a='b", "agent": "pharmacy", "function": "refill", "from": "+1",
        "to": "", "request": {"argument": {"parsed": [{"name": "it's"}]}},
    }  # fmt: skip
    text = curl(rf.get("/"), event)
    assert text.startswith("curl -u USER:PASSWORD -X POST -H 'Content-Type: application/json' --data-raw '{")
    assert text.endswith(""" 'http://testserver/p?a='"'"'b'""")
    asked = parse_qs(urlsplit(replay(event)).query)
    assert asked == {"agent": ["pharmacy"], "function": ["refill"], "from": ["+1"], "arguments": ['{"name":"it\'s"}']}
    assert replay({**event, "agent": ""}) == ""


def test_the_rule_that_won_or_failed():
    steps = [
        {"rule": "sip", "detail": "a leads to /a", "ok": True},
        {"rule": "route", "detail": "/a is a's", "ok": True},
        {"rule": "version", "detail": "version 1 is live", "ok": True},
    ]
    assert rule_of({"outcome": "ok", "steps": steps, "detail": ""}) == "a leads to /a"
    assert rule_of({"outcome": "ok", "steps": steps[1:], "detail": ""}) == "/a is a's"
    assert rule_of({"outcome": "error", "steps": steps, "detail": "boom"}) == "boom"
    assert rule_of({"outcome": "ok", "steps": [], "detail": ""}) == ""


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_has_the_filter_and_the_zone(form):
    RoutingEvent.objects.all().delete()
    write_events([{"agent": "a"}, {"agent": "b"}], end=datetime(2026, 11, 20, 12, tzinfo=UTC))
    client = Client()
    client.force_login(person("vera", "Viewer"))
    answer = client.get(f"/dashboard/log/export/{form}/?filter=agent:b&tz=Europe/Berlin")

    async def whole() -> str:
        return b"".join([part async for part in answer.streaming_content]).decode()

    text = async_to_sync(whole)()  # its queries then run in this thread, on the test's connection
    assert text.count("2026-11-20T13:00:00.000+01:00") == 1
    assert "attachment" in answer["Content-Disposition"]


def test_a_short_time_is_no_zero() -> None:
    assert [milliseconds(each) for each in (None, 49, 50, 1234)] == ["", "<\xa00.1", "0.1", "1.2"]
