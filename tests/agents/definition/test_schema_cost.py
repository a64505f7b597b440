"""Schemas whose alternatives multiply are refused when they are saved; what is accepted is checked in moments."""

from typing import Any

import pytest

from agents.definition.schema_cost import MAX_LOOKS, looks
from agents.stored.arguments import MAX_DEPTH, MAX_MESSAGE, TOO_DEEP
from agents.stored.checks import MULTIPLY
from tests.agents.building import call, function, with_function
from tests.agents.stored.test_checks import problems


def recursive(branches: int) -> dict[str, Any]:
    """A value that has itself inside, by so many alternatives."""
    inside = [
        {"properties": {"a": {"$ref": "#/properties/tree"}, "k": {"const": number}}} for number in range(branches)
    ]
    return {"type": "object", "properties": {"tree": {"anyOf": inside}}}


def by_definitions(levels: int) -> dict[str, Any]:
    """The same without a cycle: each of so many definitions has two ways to the next."""
    there = {"type": "object", "properties": {"a": {}}}
    definitions: dict[str, Any] = {f"d{levels}": {"type": "string"}}
    for level in range(levels):
        way = {**there, "properties": {"a": {"$ref": f"#/$defs/d{level + 1}"}}}
        definitions[f"d{level}"] = {"anyOf": [way, way]}
    return {"type": "object", "properties": {"tree": {"$ref": "#/$defs/d0"}}, "$defs": definitions}


@pytest.mark.parametrize("schema", [recursive(2), recursive(3), by_definitions(40)], ids=["two", "three", "defs"])
def test_alternatives_that_multiply_are_refused(schema: dict[str, Any]) -> None:
    assert looks(schema, MAX_DEPTH) > MAX_LOOKS
    assert problems(with_function(parameters=schema)) == {"functions.act.parameters": MULTIPLY}


@pytest.mark.parametrize(
    "schema",
    [
        recursive(1),
        by_definitions(6),
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
        {"type": "object", "properties": {f"p{n}": {"oneOf": [{"const": k} for k in range(50)]} for n in range(100)}},
        {"type": "object", "properties": {"a": {"$ref": "#anchor"}, "b": {"items": {"$ref": "#/gone/0"}}}},
    ],
)
def test_ordinary_schemas_are_not(schema: dict[str, Any]) -> None:
    assert looks(schema, MAX_DEPTH) <= MAX_LOOKS


def test_arguments_deeper_than_a_model_sends_are_wrong() -> None:
    prepared = function(parameters={"type": "object", "properties": {"a": {}}})
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    assert call(prepared, {"a": value}).outcome == "ok"
    assert call(prepared, {"a": [value]}).detail == TOO_DEEP


def test_many_wrong_values_are_one_short_problem() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    result = call(function(parameters=schema), {"a": [1] * 300_000})
    assert result.outcome == "invalid_arguments"
    assert result.detail.startswith("a.0 is wrong")
    assert ";" not in result.detail, "all of them were listed, which took 5 s"
    assert call(function(parameters=schema), {"a": [[], {}]}).detail.count(";") == 1
    result = call(function(parameters=schema), {"a": "x" * 1000})
    assert len(result.detail) < 2 * MAX_MESSAGE
