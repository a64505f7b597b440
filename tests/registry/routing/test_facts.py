"""What a request says of itself: which call it is of, who calls whom, which token and language."""

from typing import Any

import pytest

from agents.wire import MALFORMED
from registry.routing.facts import Facts, facts_of

CALL = {"call_id": "in call", "from": "+1555", "to": "sip:sales@example.com"}
TOKEN = {"__token": "T", "token": "older"}


@pytest.mark.parametrize(
    ("sub_path", "query", "body", "expected"),
    [
        # a document
        ("", {}, {"call": CALL}, {"call_id": "in call", "caller": "+1555", "dialled": "sip:sales@example.com"}),
        ("", {}, {"call_id": "in body", "call": CALL}, {"call_id": "in body"}),
        ("", {"call_id": "in url"}, {"call": CALL}, {"call_id": "in call"}),
        ("", {"call_id": "in url"}, {"conversation_id": "V"}, {"call_id": "in url"}),
        ("", {}, {"conversation_id": "V"}, {"call_id": "V"}),
        ("", TOKEN, {"call": CALL, "function": "f"}, {"token": "", "function": None, "call_ids": (), "mark": ""}),
        ("", {"call_id": "in url"}, None, {"call_id": "in url", "caller": None, "dialled": None}),
        ("", {}, MALFORMED, {"call_id": "", "caller": None}),
        ("", {}, [CALL], {"call_id": "", "dialled": None}),
        ("", {}, {"call": [CALL]}, {"call_id": "", "dialled": None}),
        ("sip", {}, {"call": {"to": 5}}, {"dialled": 5}),
        # a function
        ("swaig", TOKEN, {"function": "f", "call_id": "C"}, {"token": "T", "function": "f", "call_ids": ("C",)}),
        ("swaig", {"token": "older"}, {"function": 5}, {"token": "older", "function": 5, "call_ids": ()}),
        ("swaig", {}, {"call_id": "C", "conversation_id": "V"}, {"call_id": "C", "call_ids": ("C", "V")}),
        ("swaig", {"call_id": "in url"}, {"conversation_id": "V"}, {"call_id": "V", "call_ids": ("V",)}),
        ("swaig", {"call_id": "in url"}, {"call": CALL}, {"call_id": "in call", "call_ids": ()}),
        ("swaig", {"call_id": "in url"}, {"call_id": 7}, {"call_id": "in url", "call_ids": ()}),
        ("swaig", {}, {"caller_id_num": "+1666"}, {"caller": "+1666"}),
        ("swaig", {"__version": "12"}, {}, {"mark": "12"}),
        ("swaig", {"__version": "1234567890"}, {}, {"mark": ""}),
        ("swaig", {"__version": "²"}, {}, {"mark": ""}),
        # the end of a call
        ("post_prompt", {"call_id": "in url"}, {}, {"call_id": "in url", "call_ids": ("in url",)}),
        ("post_prompt", {"call_id": "in url"}, {"call_id": "C"}, {"call_id": "C", "call_ids": ("C",)}),
        ("post_prompt", {"call_id": "in url"}, {"call_id": 7}, {"call_id": "in url", "call_ids": ()}),
        # MCP
        ("mcp", TOKEN, {"method": "tools/list"}, {"token": "T", "call_ids": ()}),
        ("mcp", TOKEN, [], {"token": ""}),
    ],
)
def test_the_facts_of_a_request(sub_path: str, query: dict[str, str], body: Any, expected: dict[str, Any]) -> None:
    facts = facts_of("/sales", "POST", sub_path, query, body)
    assert {name: getattr(facts, name) for name in expected} == expected
    assert (facts.path, facts.query, facts.body) == ("/sales", query, body)


@pytest.mark.parametrize(("method", "counts_as"), [("POST", "POST"), ("GET", "GET"), ("HEAD", "GET")])
def test_whatever_is_no_post_counts_as_get(method: str, counts_as: str) -> None:
    assert facts_of("/sales", method, "", {}, None).method == counts_as


def language_body(**others: Any) -> dict[str, Any]:
    return {
        "params": {"language": "params"},
        "vars": {"userVariables": {"language": "variables"}},
        "call": {"headers": [{"name": "Via", "value": "x"}, {"name": "X-LANGUAGE", "value": " header "}]},
        **others,
    }


@pytest.mark.parametrize(
    ("query", "body", "language"),
    [
        ({"lang": "query"}, language_body(), "query"),
        ({}, language_body(), "params"),
        ({"lang": " "}, language_body(params={"language": ""}), "variables"),
        ({}, language_body(params=[], vars={"userVariables": 5}), "header"),
        ({}, language_body(params={"language": 5}, vars=None), "header"),
        ({}, language_body(params=None, vars=None, call={"headers": {"X-Language": "es"}}), ""),
        ({}, language_body(params=None, vars=None, call={"headers": [5, {"name": 5}, {"value": "es"}]}), ""),
        ({}, language_body(params=None, vars=None, call="es"), ""),
        ({"lang": "query"}, None, "query"),
        ({}, MALFORMED, ""),
    ],
)
def test_the_language_is_the_first_that_is_said(query: dict[str, str], body: Any, language: str) -> None:
    assert facts_of("/sales", "POST", "", query, body).language == language


def test_facts_that_somebody_thinks_up_have_no_language_unless_they_say_one() -> None:
    assert Facts("/sales").language == ""
    assert Facts("/sales", body={"params": {"language": "es"}}).language == "es"
