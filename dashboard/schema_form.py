"""A form made from a function's JSON Schema: its fields, what was typed, and the arguments that this means.

Empty fields are left out, also required ones: what a function says then is worth a try. What no field can hold is
typed as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PREFIX = "arg."  # of the fields' names: a parameter may be called as another field of the page
SIMPLE = ("string", "number", "integer", "boolean")
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "{} characters at least",
    "maxLength": "{} characters at most",
    "minItems": "{} at least",
    "maxItems": "{} at most",
    "pattern": "as {}",
    "format": "{}",
}
FALSE, TRUE = "false", "true"


@dataclass(frozen=True)
class Field:
    """A parameter. `kind`: string, number, integer, choice, lines (a list, a line an item) or json."""

    name: str
    kind: str
    required: bool
    description: str
    hints: str  # limits and default, in words
    choices: tuple[tuple[str, str], ...] = ()  # value as JSON, label
    items: str = ""  # of `lines`: the type of an item

    @property
    def key(self) -> str:
        """The name of its form field."""
        return f"{PREFIX}{self.name}"


class WrongValue(ValueError):  # noqa: N818 - reads as the form says it
    """A text that cannot be the value."""


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of an object's schema, in its order."""
    properties = schema.get("properties")
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    if not isinstance(properties, dict):
        return []
    return [
        field_of(name, about if isinstance(about, dict) else {}, name in names) for name, about in properties.items()
    ]


def field_of(name: str, about: Mapping[str, Any], required: bool) -> Field:
    """One field."""
    description, hints = str(about.get("description", "")), hints_of(about)
    choices = choices_of(about)
    if choices:
        return Field(name, "choice", required, description, hints, choices)
    kind = type_of(about)
    if kind in ("string", "number", "integer"):
        return Field(name, kind, required, description, hints)
    items = about.get("items")
    if kind == "array" and isinstance(items, dict) and (inner := type_of(items)) in SIMPLE:
        return Field(name, "lines", required, description, hints, items=inner)
    return Field(name, "json", required, description, hints)


def type_of(about: Mapping[str, Any]) -> str:
    """Its one type, null aside; "" if there are several or none."""
    given = about.get("type")
    types = [word for word in (given if isinstance(given, list) else [given]) if isinstance(word, str)]
    kinds = [word for word in types if word != "null"]
    return kinds[0] if len(kinds) == 1 and "$ref" not in about else ""


def choices_of(about: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What there is to choose from: an enum, a const, or yes and no."""
    values = about.get("enum", [about["const"]] if "const" in about else None)
    if isinstance(values, list) and values:
        return tuple((json.dumps(value), value if isinstance(value, str) else json.dumps(value)) for value in values)
    return ((TRUE, "true"), (FALSE, "false")) if type_of(about) == "boolean" else ()


def hints_of(about: Mapping[str, Any]) -> str:
    """Limits and default."""
    found = [words.format(about[word]) for word, words in LIMITS.items() if word in about]
    if "default" in about:
        found.append(f"default {json.dumps(about['default'], ensure_ascii=False)}")
    return ", ".join(found)


def typed_of(fields: list[Field], arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """What would have to be typed for these arguments; None if the form cannot say them."""
    by_name = {field.name: field for field in fields}
    if not set(arguments) <= set(by_name):
        return None
    typed = {name: text_of(by_name[name], value) for name, value in arguments.items()}
    for name, text in typed.items():
        try:
            if not text or value_of(by_name[name], text) != arguments[name]:
                return None
        except WrongValue:
            return None
    return typed


def text_of(field: Field, value: Any) -> str:
    """A value as text."""
    if field.kind == "lines" and isinstance(value, list):
        return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    if field.kind == "string" and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if field.kind == "json" else None)


def arguments_of(fields: list[Field], typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments that were typed, by name, and what is wrong with which."""
    arguments: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields:
        text = typed.get(field.name, "")
        if text.strip() == "" and not (field.kind == "string" and text):
            continue
        try:
            arguments[field.name] = value_of(field, text)
        except WrongValue as error:
            problems[field.name] = str(error)
    return arguments, problems


def value_of(field: Field, text: str) -> Any:
    """The value that a text means."""
    if field.kind == "lines":
        return [simple(field.items, line.strip()) for line in text.splitlines() if line.strip()]
    if field.kind == "choice":
        if text not in dict(field.choices):
            raise WrongValue("Choose one of the values.")
        return json.loads(text)
    return read_json(text) if field.kind == "json" else simple(field.kind, text)


def simple(kind: str, text: str) -> Any:
    """A string, number or truth."""
    if kind == "string":
        return text
    words = {"number": "A number, such as 2.5.", "integer": "A whole number.", "boolean": "true or false."}[kind]
    try:
        value = read_json(text)
    except WrongValue:
        raise WrongValue(words) from None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    right = (
        isinstance(value, bool)
        if kind == "boolean"
        else not isinstance(value, bool) and isinstance(value, (int, float))
    )
    if not right or (kind == "integer" and not whole):
        raise WrongValue(words)
    return value


def read_json(text: str) -> Any:
    """Any JSON."""

    def refuse(word: str) -> Any:
        raise WrongValue(f"{word} is no JSON.")

    try:
        value = json.loads(text, parse_constant=refuse)
        orjson.dumps(value)
        return value
    except orjson.JSONEncodeError:  # half a surrogate pair, a number of more than 64 bits
        raise WrongValue("This has a character or a number that cannot be sent.") from None
    except json.JSONDecodeError as error:
        raise WrongValue(f"This is no JSON: {error.msg}, line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError) as error:
        raise WrongValue(str(error) if isinstance(error, WrongValue) else "This cannot be read as JSON.") from None


def read_object(text: str) -> dict[str, Any]:
    """A JSON object; of nothing an empty one."""
    value = read_json(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise WrongValue("This must be a JSON object: {…}.")
    return value
