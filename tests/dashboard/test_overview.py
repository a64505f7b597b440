"""The overview: figures, what needs attention, the board, the last events and changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from dashboard.attention import MOST, attention
from dashboard.audit.acts import recent_acts
from registry.actions import agents, pauses, people, routes, sip_names, versions
from registry.actions.bulk import pause_many, restore_many, unregister_many
from registry.actions.tokens import create_token
from registry.heartbeats import replicas
from registry.models import ApiToken, RegistryChange, Worker
from registry.policy import Level, Principal
from registry.reports.activity import busiest, calls_by_minute, calls_now, expiring_tokens, failures
from registry.reports.traffic import Standing, troubled
from tests.client import load_table
from tests.dashboard.browsing import html_of
from tests.events import write_events, write_minutes
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
PAGE = "/dashboard/overview/"
ADMIN, VIEWER = Principal("ann", Level.ADMIN), Principal("vic", Level.READ)


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    cache.clear()


@pytest.fixture
def page(db) -> Any:
    client = Client()
    client.force_login(person("olga", "Operator"))
    return lambda path=PAGE, **headers: html_of(client.get(path, headers=headers))


def test_a_calm_fleet_is_said_to_be_calm(fleet, page):
    text = page()
    assert "Every agent answers" in text
    assert 'aria-busy="true"' in text
    assert 'id="board-pharmacy"' in text
    assert "registered" in text


def test_before_the_first_request_there_is_a_line_that_makes_one(fleet, page):
    text = page("/dashboard/overview/figures/", **{"HX-Request": "true", "HX-Target": "figures"})
    assert "No requests yet" in text
    assert "curl -u USER:PASSWORD http://testserver/clinic/booking" in text


def test_the_figures_of_the_last_hour(fleet, page):
    write_minutes("pharmacy", [(60, 0)] * 10 + [(60, 30)])
    write_events([{"agent": "pharmacy", "call_id": "c-1"}, {"agent": "pharmacy", "call_id": "c-2"}])
    text = page("/dashboard/overview/figures/", **{"HX-Request": "true", "HX-Target": "figures"})
    assert "<html" not in text
    for expected in (
        "Requests a minute",
        "660 in the last hour",
        "4.5\N{NO-BREAK SPACE}%",
        "is-warn",
        "Active calls",
        "p50",
    ):
        assert expected in text
    assert '<p class="value"> 2 </p>' in text


def test_calls_run_until_their_summary_or_silence(fleet):
    now = timezone.now()
    write_events([{"agent": "pharmacy", "call_id": "old"}], end=now - timedelta(minutes=20))
    write_events(
        [
            {"agent": "pharmacy", "call_id": "c-1"}, {"agent": "info-line", "call_id": "c-1", "kind": "swaig"},
            {"agent": "pharmacy", "call_id": "c-2"}, {"agent": "pharmacy", "call_id": "c-2", "kind": "post_prompt"},
            {"agent": "pharmacy", "call_id": "c-3", "kind": "test"}, {"agent": "pharmacy", "call_id": ""},
        ],
        end=now - timedelta(minutes=1),
    )  # fmt: skip
    assert calls_now() == {"info-line": 1}
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=29)
    minutes = calls_by_minute(since, 30)
    assert len(minutes) == 30
    assert minutes[0] == 0
    assert minutes[9] == minutes[13] == 1
    assert minutes[-1] == 1
    assert max(value or 0 for value in minutes) == 2


def test_a_log_that_is_too_long_leaves_a_gap(monkeypatch, fleet):
    monkeypatch.setattr("registry.reports.activity.MAX_EVENTS", 1)
    now = timezone.now()
    write_events([{"agent": "pharmacy", "call_id": "c-1"}], end=now - timedelta(minutes=9))
    write_events([{"agent": "pharmacy", "call_id": "c-2"}], end=now - timedelta(minutes=3))
    minutes = calls_by_minute(now.replace(second=0, microsecond=0) - timedelta(minutes=9), 10)
    assert minutes[0] is None
    assert minutes[-1] == 1


def test_the_busiest_and_what_fails(fleet):
    write_minutes("pharmacy", [(3, 1)])
    write_minutes("info-line", [(9, 0)])
    write_events(
        [{"agent": "pharmacy", "function": "refill", "kind": "swaig", "outcome": "error"}] * 2
        + [{"agent": "pharmacy", "outcome": "broken", "status": 500}]
    )
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert busiest(since, 5) == ["info-line", "pharmacy"]
    found = failures(["pharmacy", "info-line"], since)
    assert set(found) == {"pharmacy"}
    assert (found["pharmacy"].function, found["pharmacy"].count) == ("refill", 2)


def test_every_problem_has_one_action(fleet, actor):
    write_minutes("pharmacy", [(10, 5)])
    write_events(
        [
            {"agent": "pharmacy", "function": "refill", "kind": "swaig", "outcome": "error"},
            {"sip_user": "info-lne", "outcome": "fallback", "kind": "sip"},
        ]
    )
    create_token("deploy", "read", by=actor, days=3)
    create_token("long", "read", by=actor, days=90)
    now = timezone.now()
    Worker.objects.create(replica="sb-3", pid=1, revision=0, started=now, seen=now, last_error="connection lost\nx")
    table = load_table()
    items, more = attention(ADMIN, troubled(), {}, replicas(RegistryChange.newest()), table)
    assert more == 0
    assert [(item.state, item.what, item.action) for item in items] == [
        ("failing", "pharmacy", "Open its log"), ("behind", "sb-3", "Open replicas"),
        ("unmatched", "info-lne", "Map to /info"), ("expiring", "deploy", "Open tokens"),
    ]  # fmt: skip
    assert "5 of 10 requests failed" in items[0].text
    assert "Most often refill: error." in items[0].text
    assert "connection lost" in items[1].text
    assert items[2].url == "/dashboard/routing/?map=info-lne&to=%2Finfo"
    items, _ = attention(VIEWER, troubled(), {}, [], None)
    assert [(item.state, item.url) for item in items][1:] == [("unmatched", "/dashboard/routing/")]


def test_of_every_sort_some_are_shown(fleet):
    write_events([{"sip_user": f"nobody-{number}", "outcome": "fallback", "kind": "sip"} for number in range(12)])
    troubles = {"pharmacy": Standing.DEGRADED}
    write_minutes("pharmacy", [(100, 2)])
    items, more = attention(VIEWER, troubles, {}, [], None)
    assert len(items) == MOST
    assert more == 1  # of the eight most usual names
    assert [item.state for item in items].count("degraded") == 1


def test_tokens_that_are_good_for_long_or_no_more_are_not_expiring(actor):
    create_token("soon", "read", by=actor, days=2)
    gone = create_token("gone", "read", by=actor, days=2).token
    ApiToken.objects.filter(pk=gone.pk).update(revoked=timezone.now())
    assert [token.name for token in expiring_tokens(timedelta(days=7), 8)] == ["soon"]


def told(since: datetime) -> list[str]:
    """Without what other tests have left."""
    acts = [act for act in recent_acts(30) if act.time >= since]
    return [f"{act.who} {act.verb} {act.thing}{act.tail}" for act in acts]


@pytest.mark.django_db(transaction=True)
def test_changes_are_told_in_sentences(actor, fleet_entries):
    entry, begun = fleet_entries["pharmacy"], timezone.now()
    for name in ("one", "two"):
        agents.register(name, f"/{name}", entry.definition, by=actor)
    versions.save_draft("one", {"prompt": {"text": "New."}}, by=actor)
    versions.publish_draft("one", by=actor)
    pause_many(["one", "two"], by=actor)
    pauses.resume("one", by=actor)
    unregister_many(["two"], by=actor)
    restore_many(["two"], by=actor)
    sip_names.register_sip_username("help", "/one", by=actor)
    sip_names.unregister_sip_username("help", by=actor)
    routes.set_default_route("/one", by=actor)
    agents.update_agent("one", tags=["eu"], by=actor)
    create_token("deploy", "read", by=actor)
    people.add_member("bob", role="Operator", by=actor)
    assert told(begun) == [
        "alice gave bob the role Operator",
        "alice added bob",
        "alice added the token deploy",
        "alice tagged one",
        "alice made /one the default route, of one",
        "alice removed the SIP name help from one",
        "alice added the SIP name help to one",
        "alice restored two at /two, 1 SIP name",
        "alice unregistered two from /two, 1 SIP name",
        "alice resumed one",
        "alice paused two",
        "alice paused one",
        "alice published version 2 of one",
        "alice kept version 2 as the draft of one",
        "alice registered two at /two, 1 SIP name",
        "alice registered one at /one, 1 SIP name",
    ]


@pytest.mark.django_db(transaction=True)
def test_the_same_done_with_many_at_once_is_one_sentence(actor, fleet_entries):
    entry, begun = fleet_entries["pharmacy"], timezone.now()
    names = [f"line-{number}" for number in range(5)]
    for name in names:
        agents.register(name, f"/{name}", entry.definition, by=actor, auto_sip=False)
    pause_many(names, by=actor)
    assert told(begun)[0].startswith("alice paused line-4")
    assert told(begun)[0].endswith(", and others at once")


def test_few_queries(fleet, page, django_assert_max_num_queries):
    write_minutes("pharmacy", [(10, 5)])
    write_events([{"agent": "pharmacy", "call_id": "c-1"}])
    with django_assert_max_num_queries(29):
        page()
    cache.clear()
    with django_assert_max_num_queries(12):
        page("/dashboard/overview/figures/", **{"HX-Request": "true", "HX-Target": "figures"})
