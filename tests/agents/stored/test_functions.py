"""What functions answer: arguments checked first, then reply, match or transfer."""

import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.definition import AgentDefinition
from agents.stored.arguments import arguments_of
from agents.stored.functions import PreparedFunction
from tests.agents.building import call, function, twin, url_of
from tests.agents.strategies import functions, json_objects, json_values, nested, quick


def refill() -> PreparedFunction:
    """The pharmacy's function."""
    return PreparedFunction("refill", AgentDefinition.read(twin("pharmacy")).functions["refill"], {})


# --- replies and actions ----------------------------------------------------------------------------------------------


def test_a_reply_is_filled_in_and_its_actions_follow() -> None:
    result = call(refill(), {"number": "A-17"})
    assert result.answer == {"response": "Refill A-17 is ordered.", "action": [{"say": "Thank you."}]}
    assert (result.outcome, result.detail) == ("ok", "")


def test_a_reply_alone_has_no_actions() -> None:
    assert call(function(), {}).answer == {"response": "Done."}


def test_actions_alone_say_what_the_sdk_says_for_an_empty_result() -> None:
    result = call(function(handler={"actions": [{"hangup": True}]}), {})
    assert result.answer == {"response": "Action completed.", "action": [{"hangup": True}]}


def test_an_empty_reply_stays_empty() -> None:
    assert call(function(handler={"reply": ""}), {}).answer == {"response": ""}


def test_actions_are_filled_in_at_any_depth_and_anew_for_each_call() -> None:
    actions = [{"set_global_data": {"who": {"name": "${args.name}"}, "n": [1, "${call.from}"]}}, {"say": "Bye."}]
    prepared = function(parameters={"name": {"type": "string"}}, handler={"actions": actions})
    for name in ("Ada", "Bob"):
        assert call(prepared, {"name": name}, call={"from": "+1555"}).answer["action"] == [
            {"set_global_data": {"who": {"name": name}, "n": [1, "+1555"]}},
            {"say": "Bye."},
        ]


def test_post_process_is_said_only_with_actions() -> None:
    with_actions = function(handler={"reply": "a", "actions": [{"stop": True}], "post_process": True})
    assert call(with_actions, {}).answer == {"response": "a", "action": [{"stop": True}], "post_process": True}
    assert call(function(handler={"reply": "a", "post_process": True}), {}).answer == {"response": "a"}


# --- transfer ---------------------------------------------------------------------------------------------------------


def transfer_to(url: str) -> dict[str, Any]:
    """The action of the SDK's `FunctionResult.swml_transfer(final=True)`."""
    document = {"version": "1.0.0", "sections": {"main": [{"transfer": {"dest": url}}]}}
    return {"SWML": document, "transfer": "true"}


def test_a_transfer_goes_to_the_url_of_the_agent() -> None:
    result = call(function(handler={"transfer": "billing"}), {})
    assert result.answer == {"response": "Connecting you now.", "action": [transfer_to(str(url_of("billing")))]}
    assert (result.outcome, result.detail) == ("ok", "to billing")


def test_a_transfer_comes_after_its_own_reply_and_actions() -> None:
    handler = {"reply": "One moment.", "actions": [{"say": "Bye."}], "transfer": "billing"}
    prepared = function(handler=handler)
    expected = {"response": "One moment.", "action": [{"say": "Bye."}, transfer_to(str(url_of("billing")))]}
    assert call(prepared, {}).answer == expected
    assert call(prepared, {}).answer == expected  # the prepared actions have not grown


def test_a_transfer_to_an_agent_without_a_route_is_a_safe_line_and_an_error_in_the_log() -> None:
    result = call(function(handler={"reply": "One moment.", "actions": [{"say": "x"}], "transfer": "gone"}), {})
    assert result.answer == {"response": "I'm sorry, I can't connect you there right now."}
    assert (result.outcome, result.detail) == ("error", "gone has no route to transfer to")


# --- match ------------------------------------------------------------------------------------------------------------

MATCH = {
    "argument": "value",
    "cases": {
        "Sales": {"reply": "To sales."},
        " STRASSE ": {"reply": "To the street."},
        "true": {"reply": "Yes."},
        "7": {"reply": "Seven."},
        "none": {"reply": "Nothing, as you say."},
        "billing": {"transfer": "billing"},
    },
    "default": {"reply": "Nobody has ${args.value}."},
}


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        ("Sales", "To sales."),
        ("sales", "To sales."),
        ("  SALES\n", "To sales."),
        ("straße", "To the street."),
        (True, "Yes."),
        (7, "Seven."),
        ("None", "Nothing, as you say."),
        ("Billing", "Connecting you now."),
        ("sale", "Nobody has sale."),
        ("", "Nobody has ."),
        (None, "Nobody has ."),
        (["Sales"], 'Nobody has ["Sales"].'),
    ],
)
def test_a_match_looks_a_value_up_whatever_its_case(value: Any, reply: str) -> None:
    prepared = function(parameters={"value": {}}, handler={"match": MATCH})
    assert call(prepared, {"value": value}).answer["response"] == reply


def test_a_match_without_its_argument_is_the_default_and_not_the_case_none() -> None:
    prepared = function(parameters={"value": {"type": "string"}}, handler={"match": MATCH})
    assert call(prepared, {}).answer == {"response": "Nobody has ."}


# --- arguments are checked before anything else -----------------------------------------------------------------------

ORDER = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "description": "Prescription number"},
        "count": {"type": "integer", "minimum": 1},
        "size": {"enum": ["small", "large"], "description": "Size of the pack"},
        "home": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]},
    },
    "required": ["number"],
}
RIGHT = {"number": "1", "count": 2, "size": "small", "home": {"street": "Elm"}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "maxLength": 5}, "s3cret" * 50),
        ({"type": "string", "pattern": "^[0-9]+$"}, "s3cret" * 50),
        ({"enum": ["small", "large"]}, "s3cret" * 50),
        ({"type": "string"}, ["s3cret" * 50]),
        ({"anyOf": [{"type": "integer"}, {"required": ["other"], "type": "object"}]}, {"x": "y" * 180, "z": "s3cret"}),
    ],
)
def test_a_long_value_is_not_repeated_not_even_its_beginning(schema: Any, value: Any) -> None:
    result = call(function(parameters={"value": schema, "count": {"type": "integer"}}), {"value": value, "count": "x"})
    assert result.outcome == "invalid_arguments"
    assert "value is wrong: the value" in result.detail
    assert "count is wrong: the value is not of type" in result.detail
    assert "s3cre" not in result.detail
    assert "s3cre" not in result.answer["response"]


@pytest.mark.parametrize(
    ("wrong", "asked", "own"),
    [
        ({"number": ...}, "number (Prescription number) is missing", ""),
        ({"number": None}, "number (Prescription number) is missing", ""),
        ({"number": [5]}, "", 'number (Prescription number) is wrong: [5] is not of type "string"'),
        ({"count": "two"}, "", 'count is wrong: "two" is not of type "integer"'),
        ({"count": 0}, "count is wrong: 0 is less than the minimum of 1", ""),
        ({"count": "0"}, "count is wrong: 0 is less than the minimum of 1", ""),
        ({"size": "medium"}, 'size (Size of the pack) is wrong: "medium" is not one of "small" or "large"', ""),
        ({"home": {}}, "home.street is missing", ""),
        ({"home": "Elm Street"}, "", 'home is wrong: "Elm Street" is not of type "object"'),
        (
            {"number": ..., "count": "two"},
            "number (Prescription number) is missing",
            'count is wrong: "two" is not of type "integer"',
        ),
    ],
)
def test_the_caller_is_asked_for_what_only_they_know_and_the_model_corrects_its_own_mistakes(
    wrong: dict[str, Any], asked: str, own: str
) -> None:
    arguments = {name: value for name, value in {**RIGHT, **wrong}.items() if value is not ...}
    prepared = function(parameters=ORDER, handler={"reply": "Ordered ${args.number}."})
    assert call(prepared, RIGHT).answer == {"response": "Ordered 1."}
    result = call(prepared, arguments)
    assert set(result.answer) == {"response"}
    assert result.outcome == "invalid_arguments"
    assert result.detail == "; ".join(filter(None, (asked, own)))
    told = {
        (True, False): f"I can't do that yet: {asked}. Ask the caller, then call act again.",
        (False, True): f"That call was not right: {own}. Do not ask the caller: correct it, then call act again.",
        (True, True): f"I can't do that yet: {asked}. Ask the caller. This you correct yourself: {own}. "
        "Then call act again.",
    }
    assert result.answer["response"] == told[bool(asked), bool(own)]


def test_an_argument_too_many_is_named_where_the_schema_forbids_it() -> None:
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    detail = call(function(parameters=parameters), {"x": 1}).detail
    assert detail == "the arguments are wrong: Additional properties are not allowed ('x' was unexpected)"


def test_at_most_three_problems_are_said_at_a_time() -> None:
    names = ["a", "b", "c", "d", "e"]
    prepared = function(parameters={"type": "object", "properties": {}, "required": names})
    assert call(prepared, {}).detail == "a is missing; b is missing; c is missing"


def test_a_handler_never_runs_with_wrong_arguments() -> None:
    handler = {"reply": "x", "actions": [{"hangup": True}], "transfer": "billing"}
    prepared = function(parameters={"type": "object", "properties": {"a": {}}, "required": ["a"]}, handler=handler)
    asked = []
    result = prepared.call({"args": {}}, lambda name: asked.append(name))
    assert "action" not in result.answer
    assert asked == []


@pytest.mark.parametrize("levels", [260, 1000])
@pytest.mark.parametrize("schema", [{"type": "string"}, {"const": {}}, {"type": "array", "uniqueItems": True}])
def test_arguments_that_are_nested_too_deeply_are_wrong_arguments(levels: int, schema: dict[str, Any]) -> None:
    deep = nested(levels, 1)
    value = [deep, deep] if "uniqueItems" in schema else deep
    result = call(function(parameters={"x": schema}), {"x": value})
    assert (result.outcome, result.detail) == ("invalid_arguments", "the arguments are nested too deeply")


SCHEMAS_OF_THEMSELVES = """
from tests.agents.building import call, function
from tests.agents.strategies import nested
for schema in (
    {"properties": {"a": {"$ref": "#/properties/a"}}},
    {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
    {"properties": {"a": {"$ref": "#"}}, "allOf": [{"$ref": "#"}]},
):
    for arguments in ({}, {"a": {}}, nested(1000, {})):
        print(call(function(parameters={"type": "object", **schema}), arguments).outcome)
"""


def test_a_schema_that_refers_to_itself_does_not_end_the_process() -> None:
    run = subprocess.run([sys.executable, "-c", SCHEMAS_OF_THEMSELVES], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split()) == (0, ["ok", "ok", "invalid_arguments"] * 3), run.stderr


# --- where arguments are found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ({"argument": {"parsed": [{"a": 1}], "raw": '{"a":2}'}, "arguments": {"a": 3}}, {"a": 1}),
        ({"argument": {"parsed": [], "raw": '{"a":2}'}, "arguments": {"a": 3}}, {"a": 2}),
        ({"argument": {"raw": '{"a":2}'}}, {"a": 2}),
        ({"argument": {"parsed": [], "raw": "not JSON"}, "arguments": {"a": 3}}, {}),
        ({"argument": {"parsed": [], "raw": "[1]"}}, {}),
        ({"argument": {"parsed": ["x"], "raw": '{"a":2}'}}, {}),
        ({"argument": {"parsed": "x", "raw": 5}, "arguments": {"a": 3}}, {"a": 3}),
        ({"argument": "x", "arguments": {"a": 3}}, {"a": 3}),
        ({"arguments": [1]}, {}),
        ({}, {}),
    ],
)
def test_arguments_are_parsed_ones_else_raw_ones_else_flat_ones(body: Any, arguments: dict[str, Any]) -> None:
    assert arguments_of(body) == arguments


# --- whatever comes ---------------------------------------------------------------------------------------------------


@quick
@given(functions(), json_objects, json_objects, st.data())
def test_a_call_never_raises_and_its_answer_is_json(
    about: dict[str, Any], arguments: dict[str, Any], others: dict[str, Any], data: st.DataObject
) -> None:
    for name in about["parameters"]["properties"]:
        if data.draw(st.booleans()):
            arguments[name] = data.draw(json_values)
    prepared = function(**about)
    result = prepared.call(
        {"args": arguments, "global_data": {"a": others}, "meta_data": others, "call": others}, url_of
    )
    if result is None:
        assert prepared.webhook  # which has the answer
        return
    answer = orjson.loads(orjson.dumps(result.answer))
    assert isinstance(answer["response"], str)
    assert set(answer) <= {"response", "action"}
    assert result.outcome in ("ok", "invalid_arguments", "error", "refused")
