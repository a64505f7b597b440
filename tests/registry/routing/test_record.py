"""The columns that say how a request can be had again and what was answered, as the dispatcher fills them."""

import json
from typing import Any

import pytest

from registry.log.event import Event
from registry.log.recorder import EXCERPT_BYTES
from tests.client import Client, Response, basic
from tests.registry.building import build_agent, build_table

DEFINITION = {
    "prompt": {"text": "You help."},
    "functions": {
        "hours": {
            "description": "Hours",
            "secure": False,
            "parameters": {"type": "object", "properties": {"password": {"type": "string", "maxLength": 99}}},
            "handler": {"reply": "From 8 to 6."},
        }
    },
    "post_prompt": {"text": "Summarise."},
}
LATER = ("via", "rule", "side", "asked_twice")  # filled by what is still to come
HOURS = {"function": "hours", "call_id": "C1"}


@pytest.fixture
def client() -> Client:
    agent = build_agent("shop", versions={1: DEFINITION})
    paused = build_agent("paused", number=2, paused="We are closed.")
    return Client(build_table({"/shop": agent, "/paused": paused}, {"shop": "/shop"}), fleet=("u", "p"))


def row(response: Response) -> dict[str, Any]:
    """The event, as the writer would complete it."""
    assert response.event is not None
    assert set(response.event) <= set(Event.__annotations__)
    assert not set(LATER) & set(response.event), "empty ones cost nothing"
    defaults = {"channel": "voice", "query": "", "digest": "", "replayable": "digest" in response.event}
    return defaults | response.event


def test_a_document_asked_for_with_a_query(client: Client) -> None:
    event = row(client.get("/shop?lang=es&tier=gold"))
    assert (event["channel"], event["query"], event["replayable"]) == ("voice", "lang=es&tier=gold", True)
    assert len(event["digest"]) == 16


def test_a_function_whose_query_is_its_token_has_none(client: Client) -> None:
    url = client.post("/shop", {"call": {"call_id": "C1"}}).ai["post_prompt_url"]
    token = url.partition("?")[2]
    assert token.startswith("__token=")
    event = row(client.post(f"/shop/post_prompt?{token}", {"call_id": "C1"}))
    assert (event["outcome"], event["query"], event["replayable"]) == ("ok", "", True)
    event = row(client.post(f"/shop/swaig?{token}&x=1&token=y", HOURS))
    assert (event["outcome"], event["query"], event["replayable"]) == ("ok", "x=1", True)
    usual = set(client.post(f"/shop/swaig?{token}", HOURS).event or ())
    assert usual - Event.__required_keys__ == {"id", "replica", "request", "response", "digest"}


@pytest.mark.parametrize(
    "more",
    [
        {"password": "hunter2-hunter2"},
        {"argument": {"parsed": [{"password": "hunter2"}]}},
        {"see": "https://u:hunter2@example.com/"},
        {"see": "https://example.com/?token=hunter2"},
        {"log": "Authorization: Bearer hunter2-hunter2"},
        {"raw": json.dumps({"password": "hunter2"})},
        {"nul": "\0"},
        {"long": "x" * EXCERPT_BYTES},
        {"huge": "x" * 70_000},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_masked_or_cut_cannot_be_replayed(client: Client, more: dict[str, Any]) -> None:
    event = row(client.post("/shop/swaig", HOURS | more))
    assert (event["status"], event["replayable"]) == (200, False)
    assert len(event["digest"]) == 16
    assert b"hunter2" not in client.spool.lines[-1]


def test_what_is_masked_besides_the_request_does_not_count() -> None:
    transfer = {"description": "Go", "secure": False, "handler": {"transfer": "shop"}}
    words = {"prompt": {"text": "You help."}, "functions": {"hours": transfer}}
    asked = Client(build_table({"/shop": build_agent("shop", versions={1: words})}))
    response = asked.post("/shop/swaig", HOURS)
    assert b"u:p@" in response.body
    assert b"u:p@" not in asked.spool.lines[-1]
    assert row(response)["replayable"] is True


def test_a_masked_query_cannot_be_replayed_either(client: Client) -> None:
    event = row(client.get("/shop?password=hunter2&a=1"))
    assert (event["query"], event["replayable"]) == ("password=***&a=1", False)
    event = row(client.get("/shop?next=https%3A%2F%2Fu%3Ahunter2%40h%2F"))
    assert (event["query"], event["replayable"]) == ("next=***", False)


def test_a_body_that_is_no_json_cannot_be_replayed(client: Client) -> None:
    event = row(client.post("/shop/swaig", content=b"{nonsense"))
    assert (event["status"], event["replayable"]) == (400, False)


def test_what_is_not_kept_cannot_be_replayed_and_is_compared_with_nothing(client: Client) -> None:
    big = b'"%s"' % (b"x" * 3_000_000)
    responses = {
        404: client.post("/nobody", {"a": 1}),
        401: client.post("/shop", {"a": 1}, auth=basic("u", "wrong")),
        405: client.request("PUT", "/shop", content=b"{}"),
        413: client.post("/shop", content=big),
        415: client.post("/shop", {"a": 1}, headers={"content-type": "text/plain"}),
    }
    for status, response in responses.items():
        event = row(response)
        assert (event["status"], event["digest"], event["replayable"], event["request"]) == (status, "", False, None)


def test_a_name_that_nobody_has_and_a_pause_are_told_as_they_were(client: Client) -> None:
    assert row(client.post("/sip", {"call": {"to": "sip:nobody@example.com"}}))["digest"] == ""
    event = row(client.post("/paused", {"call": {"call_id": "C1"}}))
    assert (event["outcome"], event["replayable"], len(event["digest"])) == ("paused", True, 16)


def test_the_query_of_who_may_not_is_kept_as_the_path_is(client: Client) -> None:
    event = row(client.get("/shop?lang=es&__token=x&password=hunter2", auth=None))
    assert (event["outcome"], event["query"]) == ("refused", "lang=es&password=***")
