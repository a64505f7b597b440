"""The routing log and the audit through the API."""

import csv
import io
import json

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient
from django.utils import timezone

from agents.models import Agent
from registry.heartbeats import Heart
from registry.log.export import cell
from registry.log.models import RoutingEvent
from registry.models import RegistryChange
from tests.events import write_events
from tests.registry.api.conftest import PUMP, Asker
from tests.registry.log.test_search import ROWS
from tests.registry.log.test_search import log as log

pytestmark = pytest.mark.django_db
each_in_its_own = pytest.mark.django_db(transaction=True)  # else all changes have one transaction's time


def test_events_by_filter_time_and_page(log, look):
    page = look.get("/events?filter=agent:sales&limit=2").json()
    assert [event["kind"] for event in page["items"]] == ["sip", "test"]
    assert page["items"][0]["from"] == ""
    page = look.get(f"/events?filter=agent:sales&limit=2&after={page['next']}").json()
    assert [event["kind"] for event in page["items"]] == ["swaig", "swml"]
    assert page["next"] is None
    # Times without an offset are in the zone, and shown in it.
    query = "since=2026-11-20T13:05:00&tz=Europe/Berlin"
    (event,) = look.get(f"/events?{query}").json()["items"]
    assert event["time"] == "2026-11-20T13:05:00.000+01:00"
    assert look.get("/events?until=2026-11-20T12:00:00Z").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    ["filter=nonsense:1", "tz=Mars/Base", "tz=../../etc/passwd", "since=yesterday", "filter=%00", "limit=1001",
     "after=WyJ4Il0", f"filter={'x' * 501}", "since=0001-01-01T00:00:00%2B14:00"],
)  # fmt: skip
def test_a_wrong_search_is_said(log, look, query):
    answer = look.get(f"/events?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


def test_one_event_and_one_call(log, look):
    event = look.get(f"/events/{log[-1]['id']}").json()
    assert event["request"] == {"body": 0}
    assert look.get("/events/00000000-0000-7000-8000-000000000000").status_code == 404
    call = look.get("/calls/C1").json()
    assert (len(call["events"]), call["agents"]) == (3, ["sales", "billing"])
    assert look.get("/calls/none").status_code == 404
    assert look.get("/calls/%00").status_code == 404


def test_how_an_event_came_and_what_was_answered_is_shown_and_filtered(log, look):
    (event,) = look.get("/events?filter=lang%3Des+replayable:yes").json()["items"]
    later = {"via": "", "rule": "", "side": "", "asked_twice": False}
    shown = {"channel": "voice", "query": "lang=ES&a=b", "digest": "0123456789abcdef", "replayable": True, **later}
    assert {name: event[name] for name in shown} == shown
    assert look.get("/events?filter=digest:0123456789abcdef").json()["items"] == [event]
    assert [event["kind"] for event in look.get("/events?filter=channel:test").json()["items"]] == ["test"]


def test_calls_by_agent_outcome_text_time_and_page(look):
    RoutingEvent.objects.all().delete()
    write_events([
        {"call_id": "first", "agent": "sales", "from": "+777"},
        {"call_id": "second", "agent": "sales", "kind": "sip", "from": "+2"},
        {"call_id": "first", "agent": "billing", "function": "pay", "outcome": "error"},
        {"call_id": "", "agent": "sales"},
        {"call_id": "third", "agent": "info", "kind": "post_prompt"},
        {"call_id": "second", "agent": "sales", "function": "price"},
    ])  # fmt: skip

    def ids(query: str) -> list[str]:
        return [call["call_id"] for call in look.get(f"/calls?{query}").json()["items"]]

    assert ids("") == ["third", "second", "first"]
    assert ids("agent=sales") == ["second", "first"]
    assert ids("agent=sales&q=777") == ["first"]
    assert ids("agent=billing") == ["first"]
    assert ids("outcome=failed") == ["first"]
    assert ids("outcome=ok") == ["third", "second"]
    assert ids("q=ECON") == ["second"]
    assert ids("q=%25") == []
    page = look.get("/calls?limit=2").json()
    third, second = page["items"]
    assert (third["running"], second["running"]) == (False, True)
    assert (second["functions_ok"], second["caller"], second["agents"]) == (1, "+2", ["sales"])
    assert ids(f"after={page['next']}") == ["first"]
    assert ids(f"until={second['started'].replace('+', '%2B')}") == ["first"]
    assert look.get("/calls?limit=101").status_code == 422
    assert look.get("/calls?outcome=odd").status_code == 422
    assert look.get("/calls?q=%00").status_code == 422


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
async def test_an_export_is_all_of_it_page_by_page(log, look, monkeypatch, kind):
    monkeypatch.setattr("registry.log.export.EXPORT_ROWS", 4)
    answer = await AsyncClient().get(f"/api/v1/events/export?format={kind}", headers=look.headers)
    assert answer.streaming
    assert answer["Content-Disposition"] == f'attachment; filename="events.{kind}"'
    text = b"".join([part async for part in answer.streaming_content]).decode()
    await sync_to_async(connections.close_all)()  # of the thread that has read
    if kind == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows[-1]["from"] == "+15550100"
        assert (rows[-1]["channel"], rows[-1]["query"], rows[-1]["replayable"]) == ("voice", "lang=ES&a=b", "True")
    else:
        rows = [json.loads(line) for line in text.splitlines()]
    assert [row["kind"] for row in rows] == [row["kind"] for row in reversed(ROWS)]


def test_no_cell_is_a_formula():
    assert cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert cell("@x") == "'@x"
    assert cell("+1 555") == "'+1 555"
    assert cell("+1555") == "+1555"
    assert cell(-5) == -5
    assert cell("") == ""


@each_in_its_own
def test_the_audit_says_who_did_what(pumps, look, token):
    pumps("PATCH", "/agents/pumps", {"title": "Pumps"})
    pumps.post("/agents/pumps/versions", {"definition": {"prompt": {"text": "x"}}})
    rows = look.get("/audit?agent=pumps").json()["items"]
    assert rows[0]["changes"] == {"live_version": {"before": 1, "after": 2}}
    assert rows[1]["changes"] == {"title": {"before": "", "after": "Pumps"}}
    assert {(row["who"], row["via"]) for row in rows} == {("operate token", "api")}
    assert rows[0]["token"] == look.get("/audit?what=token&limit=2").json()["items"][1]["changes"]["key"]["after"]
    created = [row for row in rows if row["action"] == "created"]
    assert {(row["what"], row["name"]) for row in created} >= {
        ("agent", "pumps"), ("route", "/pumps"), ("sip", "pump-sales"), ("sip", "pumps")
    }  # fmt: skip


@each_in_its_own
def test_a_change_by_sql_is_in_the_audit_without_a_name(pumps, look):
    Agent.objects.filter(name="pumps").update(title="by a queryset")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registry_route SET enabled = false WHERE path = '/pumps'")
    route, agent = look.get("/audit?agent=pumps&limit=2").json()["items"]
    for row in (route, agent):
        assert (row["who"], row["via"], row["action"]) == ("", "sql", "changed")
    assert {row["what"]: row["changes"] for row in (route, agent)} == {
        "agent": {"title": {"before": "", "after": "by a queryset"}},
        "route": {"enabled": {"before": True, "after": False}},
    }


def test_the_audit_remembers_what_is_gone(pumps, look):
    pumps("DELETE", "/agents/pumps")
    rows = look.get("/audit?agent=pumps").json()["items"]
    removed = {(row["what"], row["name"], row["action"]) for row in rows if row["action"] == "removed"}
    assert removed == {("route", "/pumps", "removed"), ("sip", "pumps", "removed"), ("sip", "pump-sales", "removed")}
    assert look.get("/audit?what=sip&q=UMP-sal").json()["items"][0]["changes"]["username"]["before"] == "pump-sales"


def test_the_audit_has_pages_and_searches(pumps, look):
    whole = look.get("/audit?limit=1000").json()["items"]  # other tests' committed rows stay: nobody can delete them
    seen, after = [], ""
    while after is not None:
        page = look.get(f"/audit?limit=3&after={after}").json()
        seen += page["items"]
        after = page["next"]
    assert [row["id"] for row in seen] == [row["id"] for row in whole]
    assert look.get("/audit?who=operate+token").json()["items"] == [
        row for row in whole if row["who"] == "operate token"
    ]
    assert look.get("/audit?who=nobody").json()["items"] == []
    assert look.get("/audit?since=2099-01-01T00:00:00Z").json()["items"] == []
    assert look.get("/audit?who=%00").status_code == 422
    assert look.get("/audit?after=WyJ4IiwieCIsIngiXQ").status_code == 422


def test_no_secret_is_in_the_audit(ask, look, monkeypatch):
    body = {
        "name": "x", "route": "/x", "definition": PUMP, "signing_key": "PSK-secret-signing",
        "credentials": {"user": "u", "password": "very-secret-words"},
    }  # fmt: skip
    ask.post("/agents", body)
    ask("PATCH", "/agents/x", {"credentials": {"user": "u", "password": "other-secret-words"}})
    answer = look.get("/audit")
    assert "secret" not in answer.content.decode()
    assert answer.json()["items"][0]["note"] == "credentials"


@each_in_its_own
def test_roles_and_tokens_are_audited(token, look):
    admin = Asker(token("admin"))
    made = admin.post("/tokens", {"name": "ci", "scope": "read"}).json()
    admin("DELETE", f"/tokens/{made['key']}")
    revoked, created = look.get("/audit?what=token&q=ci").json()["items"]
    assert (created["action"], created["changes"]["scope"]["after"]) == ("created", "read")
    assert list(revoked["changes"]) == ["revoked"]
    assert made["token"].rpartition("_")[2] not in look.get("/audit").content.decode()


def test_replicas(pumps, look):
    newest = RegistryChange.newest()
    Heart("east", timezone.now(), 1).beat(newest, 0, "")
    Heart("east", timezone.now(), 2).beat(newest - 1, 7, "late")
    told = look.get("/replicas").json()
    assert told["revision"] == newest
    (east,) = told["items"]
    assert (east["name"], east["live"], east["revision"]) == ("east", True, newest - 1)
    assert [(worker["behind"], worker["spool_bytes"], worker["last_error"]) for worker in east["workers"]] == [
        (0, 0, ""),
        (1, 7, "late"),
    ]
