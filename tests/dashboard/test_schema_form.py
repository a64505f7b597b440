"""The form made from a function's JSON Schema."""

from typing import Any

import pytest

from dashboard.schema_form import Field, WrongValue, arguments_of, fields_of, read_object, typed_of

SCHEMA = {
    "type": "object",
    "properties": {
        "product": {"type": "string", "description": "Which one", "maxLength": 20},
        "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 2},
        "price": {"type": "number"},
        "gift": {"type": "boolean"},
        "colour": {"enum": ["red", "blue", 3]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "counts": {"type": "array", "items": {"type": "integer"}},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    },
    "required": ["product"],
}
FIELDS = fields_of(SCHEMA)


def field(name: str) -> Field:
    return next(each for each in FIELDS if each.name == name)


def test_each_parameter_has_a_field_of_its_kind() -> None:
    assert {each.name: each.kind for each in FIELDS} == {
        "product": "string", "size": "integer", "price": "number", "gift": "choice", "colour": "choice",
        "tags": "lines", "counts": "lines", "address": "json", "either": "json",
    }  # fmt: skip
    assert [each.name for each in FIELDS if each.required] == ["product"]
    assert field("size").hints == "at least 1, at most 9, default 2"
    assert field("product").description == "Which one"
    assert field("colour").choices == (('"red"', "red"), ('"blue"', "blue"), ("3", "3"))


def test_what_is_typed_becomes_arguments_and_empty_fields_are_left_out() -> None:
    typed = {
        "product": " pump ", "size": "3", "price": "2.5", "gift": "false", "colour": "3",
        "tags": "a\n\nb ", "counts": "1\n2", "address": '{"city": "Bonn"}', "either": "",
    }  # fmt: skip
    arguments = {
        "product": " pump ", "size": 3, "price": 2.5, "gift": False, "colour": 3, "tags": ["a", "b"],
        "counts": [1, 2], "address": {"city": "Bonn"},
    }  # fmt: skip
    assert arguments_of(FIELDS, typed) == (arguments, {})
    again = typed_of(FIELDS, arguments)
    assert again is not None
    assert arguments_of(FIELDS, again) == (arguments, {})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("size", "2.5", "whole number"),
        ("size", "true", "whole number"),
        ("size", "a", "whole number"),
        ("price", "cheap", "A number"),
        ("price", "NaN1", "A number"),
        ("colour", '"green"', "Choose one"),
        ("counts", "1\nx", "whole number"),
        ("address", "{city", "no JSON"),
        ("address", "NaN", "no JSON"),
        ("address", "[" * 100_000, "JSON"),
    ],
)
def test_what_cannot_be_the_value_is_said(name: str, text: str, words: str) -> None:
    assert words in arguments_of(FIELDS, {name: text})[1][name]


@pytest.mark.parametrize(
    "arguments", [{"unknown": 1}, {"product": 5}, {"product": ""}, {"tags": "a"}, {"tags": [" a"]}]
)
def test_arguments_that_the_form_cannot_say_stay_json(arguments: dict[str, Any]) -> None:
    assert typed_of(FIELDS, arguments) is None


@pytest.mark.parametrize("schema", [{}, {"properties": None}, {"properties": {"a": True}, "required": "a"}])
def test_any_schema_gives_some_form(schema: dict[str, Any]) -> None:
    assert [each.kind for each in fields_of(schema)] in ([], ["json"])


def test_an_object_is_wanted() -> None:
    assert read_object(" ") == {}
    with pytest.raises(WrongValue, match="must be a JSON object"):
        read_object("[1]")
