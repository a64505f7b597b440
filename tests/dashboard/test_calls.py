"""Calls: the list, what is new in it, and the page of one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import resolve, reverse
from hypothesis import given
from hypothesis import strategies as st

from dashboard.calls.ids import CallId
from dashboard.calls.lines import summary_of, words
from registry.log.models import RoutingEvent
from tests.dashboard.browsing import html_of
from tests.events import write_events
from tests.registry.api.conftest import person

ODD = 'a/../b "c"?d=1#e 100%~41\n\u2028ü'


@pytest.fixture
def client(fleet: Any) -> Client:
    RoutingEvent.objects.all().delete()
    made = Client()
    made.force_login(person("vera", "Viewer"))
    return made


@pytest.mark.django_db
def test_one_line_a_call(client, django_assert_max_num_queries):
    write_events({"agent": "pharmacy", "call_id": f"call-{number}", "from": f"+1{number:04}"} for number in range(52))
    write_events([
        {"agent": "booking-desk", "call_id": ODD, "version": 2},
        {"agent": "pharmacy", "call_id": ODD, "function": "refill", "outcome": "error"},
    ], end=datetime.now(UTC) + timedelta(seconds=5))  # fmt: skip
    with django_assert_max_num_queries(20):
        answer = client.get("/dashboard/calls/")
    (line, *_), lines = answer.context["lines"], answer.context["lines"]
    assert (len(lines), line.chain, line.running) == (50, [("booking-desk", 2), ("pharmacy", 1)], True)
    assert "1 failed" in answer.content.decode()
    older = client.get(f"/dashboard/calls/{answer.context['older']}").context["lines"]
    assert len(older) == 3
    found = {query: len(client.get(f"/dashboard/calls/?{query}").context["lines"]) for query in (
        "agent=booking-desk", "q=%2B10007", "outcome=failed", "agent=nobody", "outcome=odd", "since=nonsense",
    )}  # fmt: skip
    assert list(found.values()) == [1, 1, 1, 0, 50, 50]
    assert "No call matches" in client.get("/dashboard/calls/?agent=nobody").content.decode()


@pytest.mark.django_db
def test_no_call_yet(client):
    assert "No call yet" in client.get("/dashboard/calls/").content.decode()


@pytest.mark.django_db
def test_what_is_new_and_what_runs(client):
    write_events([{"agent": "pharmacy", "call_id": "one"}])
    news = client.get("/dashboard/calls/").context["news"]
    assert "new call" not in client.get(news).content.decode()
    write_events(
        [{"agent": "pharmacy", "call_id": "one", "function": "refill"}, {"agent": "pharmacy", "call_id": "two"}]
    )
    text = html_of(client.get(news))
    assert "1 new call: show" in text
    assert text.count("hx-swap-oob") == 4
    write_events([{"agent": "pharmacy", "call_id": "one", "kind": "post_prompt"}])
    text = client.get(news).content.decode()
    assert "Ended" in text
    assert "running=" not in text.partition("</div>")[0]
    assert client.get(f"{reverse('dashboard:calls-news')}?newest=x&running=y&running={uuid4()}").status_code == 200


@pytest.mark.django_db
def test_a_call_is_told_with_arguments_results_and_its_summary(client, django_assert_max_num_queries):
    write_events([
        {"agent": "booking-desk", "call_id": ODD, "kind": "sip"},
        {"agent": "booking-desk", "call_id": ODD, "kind": "swaig", "function": "find",
         "response": {"response": "a desk"}, "request": {"argument": {"parsed": [{"need": "<desk>"}]}}},
        {"agent": "pharmacy", "call_id": ODD},
        {"agent": "pharmacy", "call_id": ODD, "kind": "post_prompt", "outcome": "denied",
         "request": {"post_prompt_data": {"raw": "forged"}}},
    ])  # fmt: skip
    address = reverse("dashboard:calls-call", args=[ODD])
    with django_assert_max_num_queries(20):
        text = client.get(address).content.decode()
    assert "{&quot;need&quot;:&quot;&lt;desk&gt;&quot;}" in text
    assert "a desk" in text
    assert "Arrives when the caller hangs up" in text
    assert "forged" not in text
    assert text.count("<svg") > 6
    write_events([{"agent": "pharmacy", "call_id": ODD, "kind": "post_prompt",
                   "request": {"post_prompt_data": {"parsed": [{"resolved": True}]}}}])  # fmt: skip
    part = client.get(address, headers={"HX-Request": "true", "HX-Target": "call"}).content.decode()
    assert part.strip().startswith('<div id="call"')
    assert "resolved" in part
    assert "every 15s" not in part
    assert client.get(reverse("dashboard:calls-call", args=["nothing"])).status_code == 404
    assert client.get("/dashboard/calls/~00/").status_code == 404


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable() or "\n" in text))
def test_every_call_id_has_an_address(call_id: str) -> None:
    assert CallId().to_python(CallId().to_url(call_id)) == call_id
    assert "/" not in CallId().to_url(call_id)


@pytest.mark.parametrize("call_id", [".", "..", "a/b", "~2F", ODD, "news", "-"])
def test_odd_call_ids_lead_back(call_id: str) -> None:
    match = resolve(unquote(reverse("dashboard:calls-call", args=[call_id])))
    assert (match.url_name, match.kwargs) == ("calls-call", {"call_id": call_id})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"post_prompt_data": {"parsed": [{"a": 1}, {"b": 2}], "raw": "x"}}, "["),
        ({"post_prompt_data": {"parsed": [], "substituted": "s", "raw": "x"}}, "s"),
        ({"post_prompt_data": {"raw": "x"}}, "x"),
        ({"post_prompt_data": "x"}, ""),
        ("cut off", "cut off"),
        (None, ""),
    ],
)
def test_a_summary_is_what_was_said(body: Any, said: str) -> None:
    assert summary_of(body)[:20].startswith(said)
    assert bool(summary_of(body)) is bool(said)


def test_what_a_function_was_asked_and_said() -> None:
    event = {"function": "f", "outcome": "error", "detail": "late", "steps": [], "kind": "swaig"}
    assert words(event, {"argument": {"parsed": [{"a": 1}]}}, {"response": "sorry"}) == ('{"a":1}', "late")
    assert words({**event, "outcome": "ok"}, "cut", None) == ("", "")
    assert words({**event, "outcome": "ok"}, None, {"response": "y" * 400})[1].endswith("…")
