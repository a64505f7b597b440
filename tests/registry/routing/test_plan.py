"""Plans answer what the whole function answers, and only usual requests. tests/client.py asks both ways throughout."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.routing import plan
from registry.routing.dispatcher import Dispatcher
from registry.routing.forwarded import headers_by_name
from registry.routing.http import Connection, Head, Response
from registry.routing.public_url import PublicUrl
from tests.client import NOW, Client, basic
from tests.registry.building import build_agent, build_table, fleet_table

CALL_ID = "2f1c7b64-6d0e-4b58-9a4e-0c2f3a9d7e11"
CALL = {
    "call": {"call_id": CALL_ID, "from": "+15551230000", "to": "+15559870000", "headers": []},
    "vars": {"userVariables": {"tier": "standard"}},
}
SLOT = {
    "function": "find_slot",
    "call_id": CALL_ID,
    "argument": {"parsed": [{"day": "Monday"}], "raw": '{"day": "Monday"}'},
    "caller_id_num": "+15551230000",
    "global_data": {},
}
CONNECTION = Connection("192.0.2.7", "http", ("10.0.0.1", 8000))
HEADERS = {"host": "voice.example.com", "authorization": basic("u", "p"), "content-type": "application/json"}


def head(path: str, query: bytes = b"", **changed: str | None) -> Head:
    named = {**HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    headers = [(name.encode(), value.encode()) for name, value in named.items() if value is not None]
    return Head("POST", path, path.encode(), query, headers, CONNECTION)


def token_of(client: Client, call_id: str = CALL_ID) -> bytes:
    """The query of the function's URL in a document for this call."""
    document = client.post("/clinic/booking", {"call": {"call_id": call_id}})
    return document.ai["SWAIG"]["functions"][0]["web_hook_url"].partition("?")[2].encode()


class Asked:
    """A dispatcher that has its plans already, and says whether one of them answered."""

    def __init__(self, client: Client):
        self.client = client
        self.lane = Dispatcher(client.tables, client.dispatcher.context)
        self.query = token_of(client)
        for asked, body in ((head("/clinic/booking"), CALL), (head("/clinic/booking/swaig/", self.query), SLOT)):
            self.lane.answer_now(asked, json.dumps(body).encode())
        assert len(self.lane.plans.known) == 2

    def planned(self, asked: Head, body: Any, events: int = 1) -> bytes | None:
        """What a plan answers, with so many events; None if it leaves that to the whole function."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = len(self.client.spool.lines)
        answered = self.lane.plans.answer(self.lane.tables.current, asked, headers_by_name(asked.headers), content)
        more = events if answered is not None else 0
        assert len(self.client.spool.lines) == lines + more, "an answer and its event, or neither"
        return answered


@pytest.fixture
def asked() -> Asked:
    return Asked(Client(fleet_table()))


def test_a_plan_answers_the_usual_requests(asked: Asked) -> None:
    document = asked.planned(head("/clinic/booking"), CALL)
    assert document is not None
    assert orjson.loads(document)["sections"]["main"]
    said = asked.planned(head("/clinic/booking/swaig/", asked.query), SLOT)
    assert said == b'{"response":"On Monday we have 9:30 and 14:00."}'


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization": None},
        {"authorization": basic("u", "x")},
        {"authorization": basic("u", "p", scheme="basic")},
        {"content_type": "text/plain"},
        {"content_type": "application/json; charset=utf-8"},
        {"host": "evil.example.org"},
        {"host": None},
        {"host": "localhost"},
        {"x_request_id": "r-1"},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    ],
)
def test_of_an_unusual_head_it_answers_nothing(asked: Asked, changed: Mapping[str, str | None]) -> None:
    assert asked.planned(head("/clinic/booking", **changed), CALL) is None
    assert asked.planned(head("/clinic/booking/swaig/", asked.query, **changed), SLOT) is None


def test_without_a_content_type_it_is_usual(asked: Asked) -> None:
    assert asked.planned(head("/clinic/booking", content_type=None), CALL)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"call":' * 300 + b"1" + b"}" * 300,
        {},
        {"call": None},
        {"call": []},
        {"call": {}},
        {"call": {"call_id": ""}},
        {"call": {"call_id": 5}},
        {"call": {"call_id": "\ud800"}},
    ],
)
def test_of_an_unusual_call_it_answers_nothing(asked: Asked, body: Any) -> None:
    assert asked.planned(head("/clinic/booking"), body) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"function": None},
        {"function": "nope"},
        {"function": ["find_slot"]},
        {"call_id": None},
        {"call_id": "another"},
        {"call_id": 5},
        {"call": None},
        {"call": []},
        {"conversation_id": "C1"},
        {"conversation_id": None},
        {"argument": {"parsed": [{}]}},
        {"argument": {"parsed": [{"day": 5}]}},
    ],
)
def test_of_an_unusual_function_it_answers_nothing(asked: Asked, changed: dict[str, Any]) -> None:
    assert asked.planned(head("/clinic/booking/swaig/", asked.query), {**SLOT, **changed}) is None


def test_a_token_is_one_and_nothing_else(asked: Asked) -> None:
    token = asked.query.removeprefix(b"__token=")
    for query in (
        b"",
        token,
        b"token=" + token,
        b"__token=" + token[:-1],
        b"__token=" + token[:-1] + b"+",
        b"__token=%20" + token,
        b"__token=" + token[:-2] + b"%41",
        b"__token=" + token + b"&call_id=C1",
        b"a=b&__token=" + token,
        b"__token=" + token + b"&__version=1",
        b"__token=" + b"0" * 48,
    ):
        assert asked.planned(head("/clinic/booking/swaig/", query), SLOT) is None, query


def test_what_is_paused_signed_or_without_credentials_has_no_plan() -> None:
    odd = {
        "/paused": build_agent("booking-desk", number=1, paused="Later."),
        "/signed": build_agent("booking-desk", number=2, signing_key="PSK_key"),
        "/shut": build_agent("booking-desk", number=3, credentials=None),
        "/broken": build_agent("booking-desk", number=4, live=None),
    }
    client = Client(build_table(odd, {}))
    assert client.lane is not None
    for route in odd:
        client.post(route, CALL)
    assert client.lane.plans.known == {}


def test_a_call_on_an_older_version_is_not_answered_by_the_live_ones_plan() -> None:
    versions = {
        number: {
            "prompt": {"text": "x"},
            "functions": {"say": {"description": "Says", "handler": {"reply": f"version {number}"}}},
        }
        for number in (1, 2)
    }
    client = Client(build_table({"/a": build_agent("a", versions=versions, live=1)}, {}))
    assert client.lane is not None
    old = client.post("/a", CALL).ai["SWAIG"]["functions"][0]["web_hook_url"].partition("?")[2]
    body = {"function": "say", "call_id": CALL_ID}
    assert client.post(f"/a/swaig?{old}", body).json == {"response": "version 1"}
    client.tables.current = build_table({"/a": build_agent("a", versions=versions, live=2)}, {})
    new = client.post("/a", CALL).ai["SWAIG"]["functions"][0]["web_hook_url"].partition("?")[2]
    assert client.post(f"/a/swaig?{new}", body).json == {"response": "version 2"}
    assert client.post(f"/a/swaig?{old}", body).json == {"response": "version 1"}
    assert client.post(f"/a/swaig?{new}", body).json == {"response": "version 2"}


def test_plans_go_with_their_table(asked: Asked) -> None:
    asked.lane.tables.current = fleet_table().with_changes(2, set(), [])
    assert asked.planned(head("/clinic/booking"), CALL) is None
    asked.lane.answer_now(head("/clinic/booking"), json.dumps(CALL).encode())
    assert len(asked.lane.plans.known) == 1


def test_there_are_never_more_than_so_many(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_PLANS", 3)
    for number in range(10):
        connection = CONNECTION._replace(client=f"192.0.2.{number}")
        asked.lane.answer_now(head("/clinic/booking")._replace(connection=connection), json.dumps(CALL).encode())
        assert len(asked.lane.plans.known) <= 3


def test_each_function_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_PLANS", 3)
    say = {"description": "Says", "handler": {"reply": "said"}}
    definition = {"prompt": {"text": "x"}, "functions": {f"say_{number}": say for number in range(5)}}
    client = Client(build_table({"/a": build_agent("a", versions={1: definition})}, {}))
    lane = Dispatcher(client.tables, client.dispatcher.context)
    for function in client.post("/a", CALL).ai["SWAIG"]["functions"]:
        query = function["web_hook_url"].partition("?")[2].encode()
        body = {"function": function["function"], "call_id": CALL_ID}
        lane.answer_now(head("/a/swaig", query), json.dumps(body).encode())
        known = lane.plans.known.values()
        assert sum(len(plan_.functions) for plan_ in known if isinstance(plan_, plan.FunctionPlan)) <= 3
    assert lane.plans.known


def test_what_senders_can_make_as_long_as_they_like_is_not_kept(asked: Asked) -> None:
    known = set(asked.lane.plans.known)
    response = asked.lane.answer_now(head("/clinic/booking" + "/" * plan.MAX_KEY), json.dumps(CALL).encode())
    assert isinstance(response, Response)
    assert response.status == 200
    assert set(asked.lane.plans.known) == known


def test_if_a_plan_fails_the_whole_function_answers(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(*_: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(plan.DocumentPlan, "answer", answer)
    lines = len(asked.client.spool.lines)
    with caplog.at_level("CRITICAL", plan.__name__):
        response = asked.lane.answer_now(head("/clinic/booking"), json.dumps(CALL).encode())
    assert isinstance(response, Response)
    assert response.status == 200
    assert orjson.loads(response.body)["sections"]["main"]
    assert len(asked.client.spool.lines) == lines + 1


def test_a_log_that_fails_costs_no_caller_the_answer(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def append(_: bytes) -> None:
        raise ValueError("mmap closed or invalid")

    counted: list[Any] = []
    context = asked.client.dispatcher.context
    monkeypatch.setattr(asked.client.spool, "append", append)
    monkeypatch.setattr(context, "count", lambda *said: counted.append(said))
    with caplog.at_level("CRITICAL", plan.__name__):
        assert asked.planned(head("/clinic/booking"), CALL, events=0)
        assert asked.planned(head("/clinic/booking/swaig/", asked.query), SLOT, events=0)
    assert [kind for _, kind, _, _ in counted] == ["swml", "swaig"]


def test_an_event_says_everything_once(asked: Asked) -> None:
    for request, body in ((head("/clinic/booking"), CALL), (head("/clinic/booking/swaig/", asked.query), SLOT)):
        asked.planned(request, body)
        names = [name for name, _ in json.loads(asked.client.spool.lines[-1], object_pairs_hook=list)]
        assert len(names) == len(set(names)), names


def test_each_sender_and_each_host_has_its_own(asked: Asked) -> None:
    for changed, base in (({"host": "localhost"}, b"//u:p@localhost/"), ({}, b"//u:p@voice.example.com/")):
        for _ in range(2):
            response = asked.lane.answer_now(head("/clinic/booking", **changed), json.dumps(CALL).encode())
            assert isinstance(response, Response)
            assert base in response.body
    other = head("/clinic/booking")._replace(connection=CONNECTION._replace(client="198.51.100.1"))
    for _ in range(2):
        asked.lane.answer_now(other, json.dumps(CALL).encode())
        assert json.loads(asked.client.spool.lines[-1])["source"] == "198.51.100.1"


def test_behind_a_proxy_the_senders_are_told_apart() -> None:
    proxies = [ipaddress.ip_network("10.0.0.0/8")]
    client = Client(fleet_table(), public_url=PublicUrl("", ["voice.example.com"], proxies))
    scope = {"client": ("10.0.0.9", 1)}
    for address in ("198.51.100.1", "198.51.100.2", "198.51.100.1"):
        headers = {"x-forwarded-for": address, "x-forwarded-proto": "https"}
        for _ in range(2):
            response = client.post("/clinic/booking", CALL, headers=headers, scope=scope)
            assert response.event is not None
            assert response.event["source"] == address
            assert b"https://u:p@voice.example.com/clinic" in response.body


def test_lines_of_the_same_name_tell_senders_apart_too() -> None:
    proxies = [ipaddress.ip_network("10.0.0.0/8")]
    client = Client(fleet_table(), public_url=PublicUrl("", ["voice.example.com"], proxies))
    asked = Asked(client)
    proxied = Connection("10.0.0.9", "http", ("10.0.0.1", 8000))
    for first in ("203.0.113.9:1", "198.51.100.2", "203.0.113.9:1"):
        lines = [(b"x-forwarded-for", first.encode()), (b"x-forwarded-for", b"10.0.0.7")]
        usual = head("/clinic/booking")
        usual = usual._replace(connection=proxied, headers=[*usual.headers, *lines])
        for _ in range(2):  # the second is a plan's
            asked.lane.answer_now(usual, json.dumps(CALL).encode())
            assert json.loads(client.spool.lines[-1])["source"] == first.partition(":")[0]


# --- whatever comes --------------------------------------------------------------------------------------------------

NASTY = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=15),
    st.sampled_from(
        [
            "sip:+15551234567:geheim@example.com",
            "https://u:geheim@example.com/x?token=geheim&a=b",
            "http:\\/\\/u:geheim@example.com",
            "Basic dTpnZWhlaW0=",
            "Bearer abcdefghijk",
            "a\0b",
            "\\u0000",
            '{"password": "geheim"}',
            '{\\"password\\": \\"geheim\\"}',
            "password=geheim",
            "password%3Dgeheim",
            "x" * 300,
            "x" * 5000,
            "Authorization",
            "find_slot",
            CALL_ID,
        ]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "password", "token", "call_id", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ["function", "call", "call_id", "argument", "caller_id_num", "global_data", "meta_data", "password", "name"]
CALL_FIELDS = ["call_id", "from", "to", "headers", "token"]
CHANGES = st.tuples(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), st.dictionaries(st.sampled_from(CALL_FIELDS), JSON)
)
BOTH = Client(fleet_table(), clock=lambda: NOW)
QUERY = token_of(BOTH).decode()


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([CALL, SLOT]), CHANGES)
def test_whatever_differs_both_ways_say_and_record_the_same(usual: dict[str, Any], changes: Any) -> None:
    fields, call = changes
    body = {**usual, **fields}
    if call and isinstance(body.get("call", {}), dict):
        body["call"] = {**body.get("call", {}), **call}
    path = "/clinic/booking" if usual is CALL else f"/clinic/booking/swaig/?{QUERY}"
    response = BOTH.post(path, body)  # which asks both ways
    assert response.status in (200, 400)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 400))
def test_so_it_is_with_bodies_that_are_cut_or_have_other_bytes_in_them(more: bytes, begin: int, end: int) -> None:
    for path, body in (("/clinic/booking", CALL), (f"/clinic/booking/swaig/?{QUERY}", SLOT)):
        content = json.dumps(body).encode()
        assert BOTH.post(path, content=content[:begin] + more + content[begin + end :]).status in (200, 400)
