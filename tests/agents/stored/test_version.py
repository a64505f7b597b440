"""What a stored agent answers on each of its sub-paths (docs/contract.md, 2.2 to 2.4)."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, TOKEN_SECONDS, for_function
from agents.wire import MALFORMED, SUB_PATHS
from tests.agents.building import (
    KEY,
    NOW,
    URLS,
    ai_of,
    answer,
    request,
    said,
    token_in,
    twin,
    version,
    with_function,
)
from tests.agents.strategies import json_objects, json_values, plain_text, quick

BOOKING = version(twin("booking-desk"))
PHARMACY = version(twin("pharmacy"))
INFO = version(twin("info-line"))
FIND_SLOT = for_function("find_slot")
REFILL = for_function("refill")
DENIED = {
    "response": "I'm sorry, the security token for this function is invalid or expired. I cannot execute this action."
}
NO_NAME = {"error": "Missing function name"}


def slot(arguments: Any, **others: Any) -> dict[str, Any]:
    """A SWAIG request for the booking desk's function."""
    return {"function": "find_slot", "call_id": "C7", "argument": {"parsed": [arguments], "raw": ""}, **others}


# --- the document -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sub_path", "method", "body"),
    [
        ("", "GET", None),
        ("", "POST", None),
        ("", "POST", {}),
        ("", "POST", {"call": {"call_id": "C7"}}),
        ("", "POST", {"call": None}),
        ("debug", "GET", None),
        ("debug", "POST", {"call_id": "C7"}),
        ("swaig", "GET", None),
        ("post_prompt", "GET", None),
    ],
)
def test_the_document_is_served_at_the_route_and_behind_it(sub_path: str, method: str, body: Any) -> None:
    status, document = said(BOOKING, request(sub_path, method, body))
    assert status == 200
    assert list(ai_of(document)) == [
        "prompt", "post_prompt", "post_prompt_url", "SWAIG", "params", "hints", "languages",
    ]  # fmt: skip


def test_the_tokens_of_a_document_are_for_this_version_and_call_and_last_a_day() -> None:
    ai = ai_of(said(BOOKING, request())[1])
    urls = {
        FOR_POST_PROMPT: ai["post_prompt_url"],
        FIND_SLOT: ai["SWAIG"]["functions"][0]["web_hook_url"],
        FOR_DEFAULTS: ai["SWAIG"]["defaults"]["web_hook_url"],
    }
    for purpose, url in urls.items():
        token = token_in(url)
        assert KEY.version_of(token, purpose, ["C7"], NOW + TOKEN_SECONDS - 1) == 7
        assert KEY.version_of(token, purpose, ["C7"], NOW + TOKEN_SECONDS) is None
        assert KEY.version_of(token, purpose, ["C8"], NOW) is None


def test_urls_are_those_of_the_registered_route_with_a_slash_before_the_query() -> None:
    ai = ai_of(said(BOOKING, request(urls=URLS._replace(own=b"http://u:p@localhost:8000/deep/er")))[1])
    assert ai["post_prompt_url"].startswith("http://u:p@localhost:8000/deep/er/post_prompt/?__token=")
    assert ai["SWAIG"]["defaults"]["web_hook_url"].startswith("http://u:p@localhost:8000/deep/er/swaig/?__token=")


def test_a_document_without_a_call_id_has_tokens_for_a_call_that_nobody_can_guess() -> None:
    tokens = [token_in(ai_of(said(BOOKING, request(call_id=""))[1])["post_prompt_url"]) for _ in range(2)]
    assert tokens[0] != tokens[1]
    assert KEY.version_of(tokens[0], FOR_POST_PROMPT, ["", "C7"], NOW) is None


def test_an_agent_without_functions_serves_its_document_without_tokens() -> None:
    status, document = said(INFO, request())
    assert status == 200
    assert ai_of(document) == {
        "prompt": {"pom": [{"title": "Role", "body": "You tell callers the opening hours."}]},
        "params": {},
    }


@pytest.mark.parametrize("sub_path", ["", "debug", "debug_events"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (MALFORMED, "Invalid JSON"),
        ([], "Body must be a JSON object"),
        ("text", "Body must be a JSON object"),
        (0, "Body must be a JSON object"),
        (False, "Body must be a JSON object"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_400_of_the_document(sub_path: str, body: Any, error: str) -> None:
    answered = answer(BOOKING, request(sub_path, "POST", body))
    assert (answered.status, orjson.loads(answered.body)) == (400, {"error": error})
    assert (answered.outcome, answered.detail) == ("invalid", error)


# --- functions --------------------------------------------------------------------------------------------------------


def test_a_function_answers_with_its_reply() -> None:
    answered = answer(BOOKING, request("swaig", "POST", slot({"day": "Monday"}), claim=FIND_SLOT))
    assert (answered.status, answered.body) == (200, b'{"response":"On Monday we have 9:30 and 14:00."}')
    assert (answered.outcome, answered.function) == ("ok", "find_slot")


def test_a_function_answers_with_its_actions() -> None:
    body = {"function": "refill", "call_id": "C7", "argument": {"parsed": [{"number": "A-17"}], "raw": ""}}
    assert said(PHARMACY, request("swaig", "POST", body, claim=REFILL)) == (
        200,
        {"response": "Refill A-17 is ordered.", "action": [{"say": "Thank you."}]},
    )


def test_a_function_finds_its_arguments_in_raw_text_too() -> None:
    body = {**slot(None), "argument": {"parsed": [], "raw": '{"day":"Friday"}'}}
    status, reply = said(BOOKING, request("swaig", "POST", body, claim=FIND_SLOT))
    assert (status, reply) == (200, {"response": "On Friday we have 9:30 and 14:00."})


@pytest.mark.parametrize("claim", [None, FOR_DEFAULTS, FOR_POST_PROMPT, REFILL])
def test_a_secure_function_without_its_own_token_is_not_executed(claim: bytes | None) -> None:
    answered = answer(BOOKING, request("swaig", "POST", slot({"day": "Monday"}), claim=claim))
    assert (answered.status, orjson.loads(answered.body)) == (200, DENIED)
    assert (answered.outcome, answered.function) == ("denied", "find_slot")


@pytest.mark.parametrize("claim", [None, FOR_DEFAULTS, for_function("act")])
def test_an_insecure_function_needs_no_token(claim: bytes | None) -> None:
    agent = version(with_function(secure=False))
    assert said(agent, request("swaig", "POST", {"function": "act"}, claim=claim)) == (200, {"response": "Done."})


def test_an_unknown_function_is_told_to_the_model_without_a_token() -> None:
    answered = answer(BOOKING, request("swaig", "POST", {**slot({}), "function": "nope"}))
    assert (answered.status, orjson.loads(answered.body)) == (200, {"response": "Function 'nope' not found"})
    assert (answered.outcome, answered.function) == ("not_found", "nope")


@pytest.mark.parametrize(
    "body",
    [
        None,
        MALFORMED,
        [],
        "find_slot",
        5,
        {},
        {"call_id": "C7"},
        {"function": ""},
        {"function": None},
        {"function": 5},
        {"function": ["find_slot"]},
        {"function": {"find_slot": 1}},
    ],
)
def test_a_request_that_names_no_function_is_a_400(body: Any) -> None:
    answered = answer(BOOKING, request("swaig", "POST", body, claim=FIND_SLOT))
    assert (answered.status, orjson.loads(answered.body), answered.outcome) == (400, NO_NAME, "invalid")


@pytest.mark.parametrize("name", ["bad-name", "9lives", "find slot", "find_slot\n", "größe", " find_slot"])
def test_a_name_that_no_function_can_have_is_a_400_that_repeats_it(name: str) -> None:
    expected = {"error": f"Invalid function name format: '{name}'"}
    assert said(BOOKING, request("swaig", "POST", {"function": name})) == (400, expected)


def test_a_long_name_is_not_repeated_whole() -> None:
    expected = {"error": f"Invalid function name format: '{'-' * 100}'"}
    assert said(BOOKING, request("swaig", "POST", {"function": "-" * 5000})) == (400, expected)


def test_a_missing_argument_is_told_to_the_model_and_the_handler_does_not_run() -> None:
    answered = answer(BOOKING, request("swaig", "POST", slot({}), claim=FIND_SLOT))
    sentence = "I can't do that yet: day (Day of the week) is missing. Ask the caller, then call find_slot again."
    assert (answered.status, orjson.loads(answered.body)) == (200, {"response": sentence})
    assert (answered.outcome, answered.detail) == ("invalid_arguments", "day (Day of the week) is missing")


def test_a_wrong_argument_is_told_to_the_model_and_the_actions_do_not_run() -> None:
    body = {"function": "refill", "argument": {"parsed": [{"number": "1", "count": "two"}]}}
    sentence = (
        'That call was not right: count is wrong: "two" is not of type "integer". '
        "Do not ask the caller: correct it, then call refill again."
    )
    assert said(PHARMACY, request("swaig", "POST", body, claim=REFILL)) == (200, {"response": sentence})


def test_a_function_transfers_to_the_url_of_a_registered_agent() -> None:
    agent = version(with_function(handler={"transfer": "billing"}))
    status, reply = said(agent, request("swaig", "POST", {"function": "act"}, claim=for_function("act")))
    destination = reply["action"][0]["SWML"]["sections"]["main"][0]["transfer"]["dest"]
    assert (status, destination) == (200, "https://u:p@voice.example.com/billing")


def test_a_failed_transfer_is_still_an_answer_and_an_error_in_the_log() -> None:
    agent = version(with_function(handler={"transfer": "gone"}))
    answered = answer(agent, request("swaig", "POST", {"function": "act"}, claim=for_function("act")))
    assert (answered.status, answered.outcome, answered.function) == (200, "error", "act")
    assert answered.detail == "gone has no route to transfer to"


@pytest.mark.parametrize(
    ("placeholder", "more", "filled"),
    [
        ("${call.id}", {}, "C7"),
        ("${call.from}", {"caller_id_num": "+1", "call": {"from": "+2"}}, "+1"),
        ("${call.from}", {"call": {"from": "+2"}}, "+2"),
        ("${call.name}", {"caller_id_name": "Ada"}, "Ada"),
        ("${call.to}", {"call": {"to": "sip:x@y"}}, "sip:x@y"),
        ("${call.to}", {"call": None}, ""),
        ("${call.to}", {"call": "text"}, ""),
        ("${global_data.a.b}", {"global_data": {"a": {"b": 1.5}}}, "1.5"),
        ("${global_data.a.b}", {"global_data": ["a"]}, ""),
        ("${meta_data.k}", {"meta_data": {"k": "v"}}, "v"),
    ],
)
def test_a_reply_can_name_the_call_and_its_data(placeholder: str, more: dict[str, Any], filled: str) -> None:
    agent = version(with_function(handler={"reply": f"[{placeholder}]"}))
    body = {"function": "act", "call_id": "C7", **more}
    assert said(agent, request("swaig", "POST", body, claim=for_function("act")))[1] == {"response": f"[{filled}]"}


# --- post_prompt ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, {"call_id": "C7", "post_prompt_data": {"raw": "{}", "parsed": [{}]}}),
        ({"call_id": "C7"}, {}),
        ({"call_id": "C7"}, {"call_id": "C7"}),
        ({"call_id": "C7"}, {"call_id": None}),
        ({}, {"conversation_id": "C7"}),
    ],
)
def test_a_summary_with_its_token_is_taken(query: Mapping[str, str], body: Any) -> None:
    asked = request("post_prompt", "POST", body, query=query, claim=FOR_POST_PROMPT)
    assert said(BOOKING, asked) == (200, {"success": True})


@pytest.mark.parametrize("claim", [None, FOR_DEFAULTS, FIND_SLOT, for_function("post_prompt")])
@pytest.mark.parametrize("body", [{"call_id": "C7"}, {}, None, MALFORMED, []])
def test_a_summary_without_its_token_is_refused(claim: bytes | None, body: Any) -> None:
    answered = answer(BOOKING, request("post_prompt", "POST", body, claim=claim))
    assert (answered.status, orjson.loads(answered.body)) == (403, {"error": "Invalid or missing token"})
    assert answered.outcome == "denied"


@pytest.mark.parametrize("claim", [None, FOR_POST_PROMPT])
@pytest.mark.parametrize("in_body", ["C8", 7, ["C7"]])
def test_a_summary_whose_call_ids_differ_is_a_400(claim: bytes | None, in_body: Any) -> None:
    asked = request("post_prompt", "POST", {"call_id": in_body}, query={"call_id": "C7"}, claim=claim)
    assert said(BOOKING, asked) == (400, {"error": "The call_id in the URL and the body differ"})


# --- check_for_input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conversation", ["abc", "A-1_b.c", "x" * 256])
def test_there_is_never_any_input(conversation: str) -> None:
    expected = {"status": "success", "conversation_id": conversation, "new_input": False, "messages": []}
    get = request("check_for_input", query={"conversation_id": conversation})
    post = request("check_for_input", "POST", {"conversation_id": conversation})
    assert said(INFO, get) == said(INFO, post) == (200, expected)
    assert list(said(INFO, get)[1]) == list(expected)


@pytest.mark.parametrize(
    ("conversation", "error"),
    [
        ("a b", "Invalid conversation_id format"),
        ("abc\n", "Invalid conversation_id format"),
        ("x" * 257, "Invalid conversation_id format"),
        (5, "Invalid conversation_id format"),
        (["abc"], "Invalid conversation_id format"),
        ("", "Missing conversation_id parameter"),
        (None, "Missing conversation_id parameter"),
    ],
)
def test_a_conversation_id_must_be_there_and_well_formed(conversation: Any, error: str) -> None:
    post = request("check_for_input", "POST", {"conversation_id": conversation})
    assert said(INFO, post) == (400, {"error": error})
    if isinstance(conversation, str):
        assert said(INFO, request("check_for_input", query={"conversation_id": conversation})) == (
            400,
            {"error": error},
        )


@pytest.mark.parametrize(
    ("method", "body", "error"),
    [
        ("GET", None, "Missing conversation_id parameter"),
        ("POST", None, "Missing conversation_id parameter"),
        ("POST", [], "Missing conversation_id parameter"),
        ("POST", MALFORMED, "Invalid JSON in request body"),
    ],
)
def test_asking_for_input_without_a_conversation_is_a_400(method: str, body: Any, error: str) -> None:
    assert said(INFO, request("check_for_input", method, body)) == (400, {"error": error})


def test_a_post_asks_for_the_conversation_of_its_body() -> None:
    asked = request("check_for_input", "POST", {}, query={"conversation_id": "abc"})
    assert said(INFO, asked) == (400, {"error": "Missing conversation_id parameter"})


# --- debug_events -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"label": "x"}, {}, None])
def test_debug_events_are_taken(body: Any) -> None:
    assert said(BOOKING, request("debug_events", "POST", body)) == (200, {"status": "ok"})


def test_debug_events_are_posted() -> None:
    answered = answer(BOOKING, request("debug_events"))
    assert (answered.status, orjson.loads(answered.body)) == (405, {"error": "POST required"})
    assert answered.allow == "POST"


# --- whatever comes ---------------------------------------------------------------------------------------------------

TALKER = version(
    {
        "prompt": {"text": "Hello."},
        "post_prompt": {"text": "Summarise."},
        "functions": {
            "echo": {
                "description": "Echo",
                "parameters": {"x": {}, "y": {"type": "string"}},
                "handler": {
                    "reply": "${args.x} ${global_data.x} ${meta_data.x} ${call.from} ${call.to}",
                    "actions": [{"set_global_data": {"x": ["${args.x}"]}}],
                },
                "secure": False,
            },
            "choose": {
                "description": "Choose",
                "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                "handler": {
                    "match": {
                        "argument": "x",
                        "cases": {"a": {"transfer": "billing"}, "b": {"transfer": "gone"}},
                        "default": {"reply": "?"},
                    }
                },
            },
        },
    }
)
xs = st.fixed_dictionaries({}, optional={"x": json_values | st.sampled_from("ABC"), "y": json_values})
swaig_bodies = st.fixed_dictionaries(
    {"function": st.sampled_from(("echo", "choose", "nope", "bad-name")) | json_values},
    optional={
        "argument": st.fixed_dictionaries(
            {},
            optional={"parsed": st.lists(xs | json_values, max_size=2) | json_values, "raw": plain_text | json_values},
        )
        | json_values,
        "arguments": xs | json_values,
        "call_id": json_values,
        "conversation_id": plain_text | json_values,
        "call": st.fixed_dictionaries({}, optional={"from": json_values, "to": json_values}) | json_values,
        "caller_id_num": json_values,
        "global_data": xs | json_values,
        "meta_data": xs | json_values,
    },
)
bodies = st.none() | st.just(MALFORMED) | json_values | json_objects | swaig_bodies
claims = st.sampled_from((None, FOR_DEFAULTS, FOR_POST_PROMPT, for_function("choose"), for_function("echo")))
queries = st.dictionaries(st.sampled_from(("call_id", "conversation_id", "__token")), plain_text)


@quick
@given(st.sampled_from(("GET", "POST")), bodies, queries, plain_text, claims)
def test_whatever_is_asked_on_whatever_sub_path_is_answered_with_json(
    method: str, body: Any, query: dict[str, str], call_id: str, claim: bytes | None
) -> None:
    for sub_path in sorted({"", *SUB_PATHS}):
        answered = answer(TALKER, request(sub_path, method, body, query=query, call_id=call_id, claim=claim))
        assert isinstance(orjson.loads(answered.body), dict)
        assert answered.status in (200, 400, 403, 405)
        assert answered.outcome in ("ok", "invalid", "denied", "not_found", "invalid_arguments", "error")
        orjson.dumps([answered.outcome, answered.detail, answered.function])  # the routing log keeps them


@quick
@given(swaig_bodies, claims)
def test_only_its_own_token_opens_a_secure_function(body: dict[str, Any], claim: bytes | None) -> None:
    status, reply = said(TALKER, request("swaig", "POST", {**body, "function": "choose"}, claim=claim))
    assert status == 200
    assert (reply == DENIED) == (claim != for_function("choose"))
