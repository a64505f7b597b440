"""Arguments as models send them: what is converted, what is left alone, and that it is right after."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.stored.arguments import MAX_CONVERTED_BYTES, Fitted, fitted, is_right
from agents.stored.conversion import MAX_STEPS
from tests.agents.building import call, function
from tests.agents.strategies import json_values, nested, quick

INTEGER, NUMBER, STRING, BOOLEAN = ({"type": word} for word in ("integer", "number", "string", "boolean"))
SIZES = {"enum": ["small", "Large", "X-Large"]}


def fit(schema: Any, value: Any, **others: Any) -> Fitted:
    """What becomes of the argument `a`, which has this schema."""
    return fitted(orjson.dumps({"type": "object", "properties": {"a": schema}, **others}), {"a": value})


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is neither 1.0 nor true."""
    return orjson.dumps(one) == orjson.dumps(other)


@pytest.mark.parametrize(
    ("schema", "value", "made"),
    [
        (INTEGER, "3", 3),
        (INTEGER, " -3 ", -3),
        (INTEGER, "3.0", 3),
        (INTEGER, "3e2", 300),
        (NUMBER, "3", 3),
        (NUMBER, "3.5", 3.5),
        (NUMBER, "-0.25", -0.25),
        (BOOLEAN, "true", True),
        (BOOLEAN, "False", False),
        (BOOLEAN, "TRUE ", True),
        (STRING, 3, "3"),
        (STRING, 3.0, "3"),
        (STRING, 3.5, "3.5"),
        (STRING, True, "true"),
        (STRING, 5551234567, "5551234567"),
        (SIZES, "SMALL", "small"),
        (SIZES, "large", "Large"),
        (SIZES, " x-large", "X-Large"),
        ({"type": "string", "enum": ["1", "2"]}, 2, "2"),
        ({"enum": [1, 2]}, "2", 2),
        ({"const": "Yes"}, "yes", "Yes"),
        ({"enum": [True, False]}, "True", True),
        # inside lists and objects
        ({"type": "array", "items": INTEGER}, ["1", 2, "3"], [1, 2, 3]),
        ({"type": "array", "prefixItems": [INTEGER], "items": STRING}, ["1", 2], [1, "2"]),
        ({"type": "array", "items": SIZES}, ["SMALL"], ["small"]),
        ({"type": "object", "properties": {"b": {"type": "array", "items": BOOLEAN}}}, {"b": ["true"]}, {"b": [True]}),
        ({"type": "object", "additionalProperties": INTEGER}, {"x/y~z %": "1"}, {"x/y~z %": 1}),
        ({"type": "object", "patternProperties": {"^n_": INTEGER}}, {"n_a": "1", "b": "1"}, {"n_a": 1, "b": "1"}),
        ({"type": "object", "properties": {"b": INTEGER}}, {"b": None}, {}),
        ({"type": "object", "additionalProperties": False}, {"b": None}, {}),
        # what came as its JSON
        ({"type": "array", "items": INTEGER}, '[1, "2"]', [1, 2]),
        ({"type": "object", "properties": {"b": INTEGER}}, '{"b": "2"}', {"b": 2}),
        # alternatives that allow but one thing
        ({"type": ["integer", "null"]}, "3", 3),
        ({"type": ["integer", "number"]}, "3", 3),
        ({"type": ["integer", "boolean"]}, "true", True),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "3", 3),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, "B", "b"),
        ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]}, "B", "b"),
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "boolean"}]}, "3", 3),
        ({"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}, "3", 3),
        ({"allOf": [INTEGER, {"minimum": 1}]}, "3", 3),
        ({"$ref": "#/$defs/n"}, "3", 3),
        ({"$ref": "#/$defs/with%20space~1"}, "3", 3),
        ({"if": {"type": "string"}, "then": {"enum": ["a"]}}, "A", "a"),
    ],
)
def test_what_can_mean_one_thing_only_is_converted(schema: Any, value: Any, made: Any) -> None:
    before = orjson.dumps(value)
    found = fit(schema, value, **{"$defs": {"n": INTEGER, "with space/": INTEGER}})
    assert found.problems is None, str(found.problems)
    assert same(found.arguments, {"a": made})
    assert found.note.startswith("converted: a")
    assert orjson.dumps(value) == before, "what came is left alone: the log shows it"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INTEGER, "three"),
        (INTEGER, "3.5"),
        (INTEGER, 3.5),
        (INTEGER, "0042"),
        (INTEGER, "+15551234567"),
        (INTEGER, "1_000"),
        (INTEGER, "٣"),
        (INTEGER, "9" * 30),
        (INTEGER, True),
        (INTEGER, ""),
        (INTEGER, ["3"]),
        (NUMBER, "nan"),
        (NUMBER, "1e999"),
        (NUMBER, "inf"),
        (BOOLEAN, "yes"),
        (BOOLEAN, 1),
        (BOOLEAN, "1"),
        (STRING, ["x"]),
        (STRING, {}),
        (SIZES, "medium"),
        ({"enum": ["a", "A"]}, "á"),
        ({"enum": ["ab", "AB"]}, "Ab"),
        ({"enum": ["1", 1]}, "1 "),
        ({"type": "array", "items": INTEGER}, "1, 2"),
        ({"type": "array", "items": INTEGER}, '{"0": 1}'),
        ({"type": "array", "items": INTEGER}, "[" * 500),
        ({"type": "array", "items": INTEGER}, "[" * 20 + "]" * 20),
        ({"anyOf": [INTEGER, BOOLEAN]}, "x"),
        ({"anyOf": [{"type": "string", "pattern": "^x"}, BOOLEAN]}, 3),
        ({"type": ["array", "object"]}, "[[}"),
        ({"not": {}}, "3"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_left_to_the_model(schema: Any, value: Any) -> None:
    found = fit(schema, value)
    assert same(found.arguments, {"a": value})
    assert str(found.problems).startswith("a is wrong"), found


@pytest.mark.parametrize("name", ["foo", "https://example.com/schema", "urn:x:y", "", "#"])
@pytest.mark.parametrize("draft", ["draft/2020-12/schema", "draft/2019-09/schema", "draft-07/schema#"])
def test_a_schema_may_have_a_name_and_a_draft(name: str, draft: str) -> None:
    words = {"$id": name, "$schema": f"https://json-schema.org/{draft}", "$defs": {"n": INTEGER}}
    if "draft-07" in draft:
        words["$schema"] = f"http://json-schema.org/{draft}"
    assert fit({"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}, "3", **words).arguments == {"a": 3}


@pytest.mark.parametrize(
    "schema", [{"type": ["integer", "string"]}, {"anyOf": [INTEGER, STRING]}, {"oneOf": [STRING, INTEGER]}, {}]
)
def test_a_value_that_is_right_as_one_alternative_stays_when_another_argument_is_converted(schema: Any) -> None:
    parameters = {"type": "object", "properties": {"a": schema, "n": INTEGER}}
    found = fitted(orjson.dumps(parameters), {"a": "3", "n": "3"})
    assert found.arguments == {"a": "3", "n": 3}


@pytest.mark.parametrize(
    ("schema", "rest"),
    [
        (INTEGER, {}),
        ({"enum": ["x"]}, {}),
        ({"type": ["integer", "null"]}, {"a": None}),
        ({}, {"a": None}),
        ({"anyOf": [INTEGER, {"type": "null"}]}, {"a": None}),
        ({"$ref": "#/properties/n"}, {}),
    ],
)
def test_a_null_is_dropped_where_the_schema_does_not_allow_it(schema: Any, rest: Any) -> None:
    parameters = {"type": "object", "properties": {"a": schema, "n": INTEGER}, "required": ["n"]}
    found = fitted(orjson.dumps(parameters), {"a": None, "n": "1"})
    assert found.arguments == {**rest, "n": 1}


def test_a_null_for_what_is_required_is_missing() -> None:
    found = fit(INTEGER, None, required=["a"])
    assert found.problems is not None
    assert (found.problems.asked, found.problems.own) == (("a is missing",), ())


def test_only_what_is_truly_wrong_is_told() -> None:
    schema = {"type": "object", "properties": {"a": INTEGER, "b": {"type": "integer", "minimum": 5}, "c": STRING}}
    found = fitted(orjson.dumps(schema), {"a": "1", "b": "2", "c": None})
    assert str(found.problems) == "b is wrong: 2 is less than the minimum of 5"


def test_what_was_converted_is_said_without_the_values() -> None:
    properties = {"n": INTEGER, "b": BOOLEAN, "s": STRING, "e": SIZES, "l": {"type": "array", "items": INTEGER}}
    schema = orjson.dumps({"type": "object", "properties": {**properties, "o": STRING}})
    arguments = {"n": "3", "b": "TRUE", "s": 4711, "e": "LARGE", "l": [1, "2"], "o": None}
    assert fitted(schema, arguments).note == (
        "converted: n (text to integer), b (text to boolean), s (integer to text), e (spelling), "
        "l.1 (text to integer), o (null left out)"
    )
    many = fit({"type": "array", "items": INTEGER}, ["1"] * 20).note
    assert many.startswith("converted: a.0 (text to integer), ")
    assert many.endswith("a.7 (text to integer), and more")


def test_a_reply_is_filled_with_what_was_converted_and_the_event_says_so() -> None:
    handler = {"reply": "${args.n} of ${args.size}", "actions": [{"set_global_data": {"n": "${args.n}"}}]}
    prepared = function(parameters={"n": INTEGER, "size": SIZES}, handler=handler)
    result = call(prepared, {"n": "3", "size": "LARGE"})
    assert result.answer == {"response": "3 of Large", "action": [{"set_global_data": {"n": "3"}}]}
    assert (result.outcome, result.detail) == ("ok", "converted: n (text to integer), size (spelling)")
    moved = call(function(parameters={"n": INTEGER}, handler={"transfer": "billing"}), {"n": "3"})
    assert moved.detail == "converted: n (text to integer); to billing"


def test_large_arguments_are_checked_and_not_converted() -> None:
    items = ["1"] * (MAX_CONVERTED_BYTES // 4 + 1)
    assert str(fit({"type": "array", "items": INTEGER}, items).problems).startswith("a.0 is wrong")


def test_a_conversion_takes_so_many_steps_and_no_more() -> None:
    assert fit({"type": "array", "items": INTEGER}, ["1"] * (MAX_STEPS + 1)).problems is not None
    deep: dict[str, Any] = {"anyOf": [INTEGER, BOOLEAN]}
    for _ in range(8):  # more ways through it than there are steps
        deep = {"anyOf": [deep, deep]}
    assert fit(deep, "x").problems is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/properties/a"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/properties/a"}], "type": "integer"},
        {"anyOf": [{"$ref": "#/properties/a"}, {"type": "integer"}]},
        {"type": "array", "items": {"$ref": "#/properties/a"}},
    ],
)
def test_a_schema_that_refers_to_itself_ends(schema: Any) -> None:
    for value in ("3", [["3"]], {"a": {"a": "3"}}):
        fit(schema, value, properties={"a": schema, "n": INTEGER}, required=["n"])


# --- whatever schema, whatever value ----------------------------------------------------------------------------------

WORDS = ("integer", "number", "string", "boolean", "null", "array", "object")
MEMBERS = st.sampled_from(["a", "A", "b", "1", 1, 2.0, True, "true", None, [], {"x": 1}])
LEAVES = (
    st.booleans()
    | st.builds(lambda word: {"type": word}, st.sampled_from(WORDS))
    | st.builds(lambda words: {"type": words}, st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
    | st.builds(lambda members: {"enum": members}, st.lists(MEMBERS, min_size=1, max_size=3))
    | st.builds(lambda member: {"const": member}, MEMBERS)
    | st.sampled_from([{"$ref": "#/$defs/n"}, {"type": "integer", "minimum": 2}, {"type": "string", "maxLength": 1}])
)
NAMES = st.sampled_from(["a", "b", "a/b", "~%", ""])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from([*WORDS, ["object", "array"]]),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", ".*"]), inner, max_size=1),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "if": inner,
            "then": inner,
            "else": inner,
            "not": inner,
        },
    ),
    max_leaves=8,
)
SAID = st.recursive(
    st.sampled_from(["1", "2.0", "true", "A", "a", "x", "", "[1]", '{"a": "1"}', None, 1, 2.0, 2.5, True, "[" * 50])
    | json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@quick
@given(st.dictionaries(NAMES, SCHEMAS, max_size=3), st.lists(NAMES, max_size=2, unique=True), st.data())
def test_what_comes_out_is_right_or_what_came_and_the_second_time_changes_nothing(
    properties: Any, required: Any, data: st.DataObject
) -> None:
    parameters = {"type": "object", "properties": properties, "required": required, "$defs": {"n": INTEGER}}
    schema = orjson.dumps(parameters)
    arguments = data.draw(st.dictionaries(NAMES, SAID, max_size=3))
    try:
        before = orjson.dumps(arguments)
    except TypeError:  # nested too deeply
        before = b""
    right = is_right(schema, arguments)
    found = fitted(schema, arguments)
    assert not before or orjson.dumps(arguments) == before
    if right:
        assert found.arguments is arguments or found.problems is None
        prepared = function(parameters=parameters, handler={"webhook": "https://crm.example.com/hook"})
        values = {"args": arguments}
        assert prepared.call(values, lambda _name: None) is None
        assert values == {"args": arguments}
        assert values["args"] is arguments
    elif found.problems is None:
        assert is_right(schema, found.arguments)
        assert found.note
        again = function(parameters=parameters, handler={"webhook": "https://crm.example.com/hook"})
        values = {"args": found.arguments}
        assert again.call(values, lambda _name: None) is None
        assert values["args"] is found.arguments
    else:
        assert found.arguments is arguments
        assert str(found.problems)


def test_arguments_that_are_nested_too_deeply_are_the_models_own_mistake() -> None:
    found = fit(STRING, nested(1000, 1))
    assert found.problems is not None
    assert found.problems.own == ("the arguments are nested too deeply",)
