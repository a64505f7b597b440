"""Which request is meant: ids and traces that are accepted, continued, sent on and logged."""

import asyncio
import json
import re
from uuid import UUID

import pytest

from registry.actions import agents
from registry.log.filters import Filter
from registry.log.masking import Masker
from registry.log.models import RoutingEvent
from registry.log.recorder import Recorder
from registry.log.search import Range, search
from registry.rehearsal.rehearsal import Call, rehearsal_of
from registry.rehearsal.rehearsal import run as rehearse
from registry.rehearsal.stage import Stage
from registry.routing.table import Tables
from registry.routing.trace_headers import (
    MAX_STATE,
    Marks,
    accepted,
    bounded,
    current,
    new_id,
    parsed,
)
from tests.client import Client, MemorySpool
from tests.config.test_request_ids import formatted
from tests.registry.building import build_agent, build_table

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
WEBHOOK = {"webhook": {"url": "https://crm.example.com/hook", "headers": {"X-Team": "voice"}}}
DEFINITION = {
    "prompt": {"text": "You help."},
    "functions": {"ask": {"description": "Ask", "secure": False, "handler": WEBHOOK}},
}
ASK = {"function": "ask", "call_id": "C1", "argument": {"parsed": [{}]}}


class Author:
    """An author's server that remembers the headers it was sent."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def post(self, agent, url, headers, body, seconds=None):
        self.headers = dict(headers)
        return {"response": "Yes."}


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture
def client(author) -> Client:
    return Client(build_table({"/shop": build_agent("shop", versions={1: DEFINITION})}), webhooks=author)


# --- reading headers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "x" * 128, "Root=1-67891233-abcdef012345678912345678", "a/b+c==", "v1.2:_-"])
def test_a_sensible_request_id_is_accepted(text):
    assert accepted(text) == text


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "a\n", "é", "a,b", '"a"', "{}", "\x00", "<script>"])
def test_any_other_request_id_is_ignored(text):
    assert accepted(text) == ""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (PARENT, (TRACE, 1)),
        (f"00-{TRACE}-{SPAN}-00", (TRACE, 0)),
        (f"00-{TRACE}-{SPAN}-ff", (TRACE, 1)),  # flags that version 00 does not have are not passed on
        (f"00-{TRACE}-{SPAN}-02", (TRACE, 0)),
        (f"cc-{TRACE}-{SPAN}-01", (TRACE, 1)),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-is-like", (TRACE, 1)),
        (f"cc-{TRACE}-{SPAN}-01.what-the-future-is-like", None),
        (f"cc-{TRACE}-{SPAN}-01-", (TRACE, 1)),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN.upper()}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"0-{TRACE}-{SPAN}-01", None),
        (f"00_{TRACE}_{SPAN}_01", None),
        (f"00-{TRACE}-{SPAN}-0x", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_w3c_says(header, expected):
    assert parsed(header) == expected


def test_of_two_traceparents_none_counts_and_of_several_tracestates_all_do():
    parent, other = PARENT.encode(), f"00-{TRACE}-{SPAN[::-1]}-01".encode()
    assert Marks.of([(b"traceparent", parent), (b"traceparent", other), (b"tracestate", b"a=1")]) == Marks()
    found = Marks.of([(b"traceparent", parent), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")])
    assert found == Marks("", TRACE, 1, "a=1,b=2")


def test_a_tracestate_without_a_valid_traceparent_is_forgotten():
    assert Marks.of([(b"traceparent", b"00-nonsense"), (b"tracestate", b"a=1")]) == Marks()


def test_a_tracestate_is_bounded_by_whole_members():
    member = "vendor=" + "x" * 93
    assert bounded(",".join([member] * 5)) == ",".join([member] * 5)
    assert bounded(",".join([member] * 6)) == ",".join([member] * 5)
    assert bounded("x" * (MAX_STATE + 1)) == ""
    assert bounded("a=\x01") == bounded("") == ""


# --- agents ----------------------------------------------------------------------------------------------------------


def test_an_id_that_was_given_comes_back_and_is_logged(client):
    response = client.get("/shop", headers={"X-Request-ID": "edge-1"})
    assert response.headers["x-request-id"] == "edge-1"
    assert (response.event["request_id"], response.event["trace_id"]) == ("edge-1", "")
    refused = client.get("/shop", headers={"X-Request-ID": "edge-2"}, auth=None)
    assert (refused.status, refused.headers["x-request-id"]) == (401, "edge-2")


@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": "two words"}, {"traceparent": "nonsense"}])
def test_without_a_good_id_nothing_is_added_to_the_answer(client, headers):
    response = client.get("/shop", headers=headers)
    assert "x-request-id" not in response.headers
    assert "traceparent" not in response.headers
    assert not response.event.get("request_id")
    assert not response.event.get("trace_id")


def test_a_webhook_is_told_the_requests_id_which_is_its_events(client, author):
    response = client.post("/shop/swaig", ASK)
    assert response.json == {"response": "Yes."}
    assert author.headers == {"X-Request-ID": str(UUID(response.event["id"])), "X-Team": "voice"}
    assert UUID(response.event["id"]).version == 7


def test_a_trace_goes_on_through_a_webhook_with_a_span_of_our_own(client, author):
    headers = {"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE", "X-Request-ID": "edge-1"}
    spans = set()
    for _ in range(2):
        event = client.post("/shop/swaig", ASK, headers=headers).event
        assert (event["request_id"], event["trace_id"]) == ("edge-1", TRACE)
        assert author.headers["X-Request-ID"] == "edge-1"
        assert author.headers["tracestate"] == "congo=t61rcWkgMzE"
        found = re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-01", author.headers["traceparent"])
        spans.add(found[1])
    assert len({*spans, SPAN, "0" * 16}) == 4


def test_what_an_author_wrote_as_a_header_has_the_last_word(author):
    handler = {"webhook": {**WEBHOOK["webhook"], "headers": {"X-Request-ID": "mine"}}}
    definition = {
        "prompt": {"text": "x"},
        "functions": {"ask": {"description": "Ask", "secure": False, "handler": handler}},
    }
    client = Client(build_table({"/shop": build_agent("shop", versions={1: definition})}), webhooks=author)
    client.post("/shop/swaig", ASK)
    assert author.headers["X-Request-ID"] == "mine"


def test_a_failure_of_ours_is_said_with_the_requests_id(client, caplog, monkeypatch):
    monkeypatch.setattr("registry.routing.exchange.decide", lambda *_: 1 / 0)
    event = client.get("/shop").event
    record = next(record for record in caplog.records if "Failed to answer" in record.message)
    assert formatted(record).count(f"[{UUID(event['id'])}]") == 1


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["edge-1", ""])
def test_a_rehearsal_tells_an_authors_server_who_asked_and_its_row_says_the_same(actor, author, given):
    agents.register("shop", "/shop", DEFINITION, by=actor, credentials=("u", "p"))
    before = current.set(given)
    try:
        rehearsal = rehearsal_of("shop", "ask", "live", {}, Call(), {}, "https://voice.example.com", author)
    finally:
        current.reset(before)
    spool = MemorySpool()
    stage = Stage(Tables(), author, Recorder(spool, "r", Masker([]), 4096))
    asyncio.run(rehearse(*rehearsal, "alice", stage))
    row = json.loads(spool.lines[0])
    assert row["request_id"] == author.headers["X-Request-ID"]
    assert row["request_id"] == given if given else UUID(row["request_id"])


# --- the log ---------------------------------------------------------------------------------------------------------

ROW = {
    "replica": "r", "kind": "swml", "method": "GET", "path": "/x", "source": "", "route": "", "agent": "",
    "call_id": "", "sip_user": "", "caller": "", "dialled": "", "function": "", "status": 200, "outcome": "ok",
    "detail": "", "steps": [], "microseconds": 1,
}  # fmt: skip


@pytest.mark.django_db
def test_an_event_is_found_by_its_senders_id_else_by_its_own_and_by_its_trace():
    given, own = new_id(), new_id()
    RoutingEvent.objects.create(id=given, request_id="Edge-1", trace_id=TRACE, **ROW)
    RoutingEvent.objects.create(id=own, **ROW)
    everything = search(Filter(), Range(), 10)
    for text, expected in [
        ("request:Edge-1", [given]),
        ("request:edge-1", []),
        (f"request:{own}", [own]),
        (f"request:{given}", []),
        (f"trace:{TRACE.upper()}", [given]),
        ("trace:0", []),
    ]:
        wanted = Filter.parse(text)
        assert [event["id"] for event in search(wanted, Range(), 10)] == expected, text
        assert [event["id"] for event in everything if wanted.matches(event)] == expected, text
