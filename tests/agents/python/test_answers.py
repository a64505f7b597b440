"""What the SDK answers, as we pass it on; and what is refused before an agent is asked."""

import json
from typing import Any

import pytest

from agents import mcp
from agents.python.switchboard_host.serve import LOCKED
from agents.python.version import head_of, refuse
from agents.safe_answers import SAFE_DOCUMENT
from agents.sdk_answers import judged
from agents.stored.arguments import arguments_of
from agents.stored.functions import SAFE_LINE
from agents.wire import MALFORMED, AgentRequest, Answer
from tests.agents.building import request as asked


def request(sub_path: str, body: Any = None, *, method: str = "POST", query: bytes = b"") -> AgentRequest:
    """A request to an agent."""
    return asked(sub_path, method, body, query_string=query, headers={b"host": b"h", b"x-mine": b"1"})


def of_function(value: Any, status: int = 200, name: Any = "pay") -> Answer:
    """What becomes of a function's answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return judged(request("swaig", {"function": name}), status, body)


@pytest.mark.parametrize(
    "value", [{"response": "Paid."}, {"response": "x", "action": [{"hangup": True}]}, {"any": 1}, {}]
)
def test_good_answers_are_passed_on_byte_by_byte(value: dict[str, Any]) -> None:
    assert of_function(value) == Answer(200, json.dumps(value).encode(), function="pay")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (
            "I'm sorry, the security token for this function is invalid or expired. I cannot execute this action.",
            "denied",
        ),
        ("Function 'pay' not found", "not_found"),
    ],
)
def test_refusals_are_known_by_their_words(said: str, outcome: str) -> None:
    answer = of_function({"response": said})
    assert (answer.status, answer.outcome, answer.function) == (200, outcome, "pay")
    assert json.loads(answer.body)["response"] == said


def test_an_exceptions_text_is_for_the_log() -> None:
    answer = of_function({"response": "Error executing function 'pay': card 4111 is dead: try: again"})
    assert json.loads(answer.body) == {"response": SAFE_LINE}
    assert (answer.outcome, answer.detail) == ("error", "card 4111 is dead: try: again")


@pytest.mark.parametrize("body", [b"", b"Internal Server Error", b"[1]", b'"text"', b"null", b"\xff"])
def test_what_is_no_json_object_is_a_safe_line(body: bytes) -> None:
    answer = of_function(body)
    assert json.loads(answer.body) == {"response": SAFE_LINE}
    assert answer.outcome == "error"


@pytest.mark.parametrize(("status", "outcome"), [(400, "invalid"), (403, "denied"), (413, "invalid"), (415, "invalid")])
def test_refused_requests_keep_their_status(status: int, outcome: str) -> None:
    answer = of_function({"error": "No."}, status)
    assert (answer.status, answer.outcome, answer.detail) == (status, outcome, "No.")


def test_failed_tools_have_no_exceptions_either() -> None:
    asked = {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "pay"}}
    told = {
        "jsonrpc": "2.0",
        "id": 4,
        "result": {"content": [{"type": "text", "text": "Error: dead"}], "isError": True},
    }
    answer = judged(request("mcp", asked), 200, json.dumps(told).encode())
    assert json.loads(answer.body)["result"]["content"] == [{"type": "text", "text": SAFE_LINE}]
    assert json.loads(answer.body)["id"] == 4
    assert (answer.outcome, answer.detail, answer.function) == ("error", "dead", "pay")


def test_hosts_and_we_say_the_same_about_locked_tools() -> None:
    assert LOCKED == mcp.HOW_TO_OPEN


@pytest.mark.parametrize(
    ("sub_path", "body", "words"),
    [
        ("", MALFORMED, "Invalid JSON"),
        ("", [1], "Body must be a JSON object"),
        ("debug_events", MALFORMED, "Invalid JSON"),
        ("swaig", MALFORMED, "Missing function name"),
        ("swaig", [1], "Missing function name"),
        ("swaig", {"function": 5}, "Missing function name"),
        ("swaig", {"function": ""}, "Missing function name"),
        ("swaig", None, "Missing function name"),
        ("check_for_input", {"conversation_id": 5}, "Invalid conversation_id format"),
        ("check_for_input", [1], "Missing conversation_id parameter"),
    ],
)
def test_what_the_sdk_would_fail_at_is_refused_before(sub_path: str, body: Any, words: str) -> None:
    answer = refuse(request(sub_path, body))
    assert answer is not None
    assert answer.status == 400
    assert words in json.loads(answer.body)["error"]


@pytest.mark.parametrize(("sub_path", "body"), [("", None), ("", {}), ("mcp", MALFORMED), ("post_prompt", MALFORMED)])
def test_the_rest_is_for_the_agent(sub_path: str, body: Any) -> None:
    assert refuse(request(sub_path, body)) is None
    assert refuse(request("debug_events", method="GET")).status == 405  # type: ignore[union-attr]


def test_hosts_are_told_a_request_without_what_is_between_us_and_its_sender() -> None:
    head = head_of(request("swaig", {}, query=b"a=b&__version=3&__token=t"))
    assert head == {"m": "POST", "p": "swaig", "q": "a=b&__token=t", "h": [("x-mine", "1")]}
    assert head_of(request("swaig", method="GET"))["p"] == "", "a GET is the document, configured as for any call"
    assert head_of(request("", query=b"__version=3"))["q"] == ""


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ({"parsed": [{"a": 1}], "raw": '{"a": 2}'}, {"a": 1}),
        ({"parsed": [], "raw": '{"a": 2}'}, {"a": 2}),
        ({"raw": '{"a": 2}'}, {"a": 2}),
        ({"raw": "{a"}, {}),
        ({"raw": "[1]"}, {}),
        ({"parsed": ["x"]}, {}),
        ("text", {"b": 3}),
        (None, {"b": 3}),
    ],
)
def test_arguments_are_found_where_the_sdk_finds_them(argument: Any, found: dict[str, Any]) -> None:
    assert arguments_of({"argument": argument, "arguments": {"b": 3}}) == found


def test_the_safe_document_is_a_document() -> None:
    assert json.loads(SAFE_DOCUMENT)["version"] == "1.0.0"
