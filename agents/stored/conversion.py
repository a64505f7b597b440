"""A function's arguments as models send them, made what its JSON Schema says where that can mean one thing only.

Models write 3 as "3", true as "True", a list as its JSON, and null for what they leave out. Nothing here decides
whether arguments are right: the validator does, of what comes out (arguments.py).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs
import orjson

from agents.definition import deeper_than
from agents.definition.templates import spoken

# A budget for one call: a list of 1,900 texts that are to be numbers takes 10 ms, and what is beyond it stays as it is.
MAX_STEPS = 2048
MAX_LEVELS = 64  # of schemas inside each other: one that refers to itself has no end
MAX_TEXT_DEPTH = 15  # levels of a list or an object that came as its JSON
TRIAL = 2  # steps that one of several alternatives costs: it is validated by itself
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?\Z")  # JSON's (RFC 8259, 6)
MAX_DIGITS = 32  # of a text that becomes a number
WHOLE = 2**53  # up to which a float is exactly one integer
INTEGERS = range(-(2**63), 2**64)  # what our JSON can say
SCALARS = (str, int, float, bool)
ROOT = "urn:switchboard:arguments"
ALTERNATIVES = ("anyOf", "oneOf")
DROPPED = object()
VALIDATORS = 4096


class Conversion:
    """One conversion of arguments by one schema. What is as the schema says comes out as the same object."""

    def __init__(self, schema: bytes):
        self.schema = schema
        self.root = orjson.loads(schema)
        self.steps = MAX_STEPS
        self.level = 0

    def of(self, arguments: dict[str, Any]) -> Any:
        """The arguments, converted where they can be; they themselves are left alone."""
        return self.by(self.root, "", arguments)

    def by(self, schema: Any, at: str, value: Any) -> Any:
        """A value by the schema that stands at a JSON pointer."""
        self.steps -= 1
        if self.steps < 0 or self.level == MAX_LEVELS or not isinstance(schema, dict):
            return value
        self.level += 1
        try:
            return self.by_parts(schema, at, self.by_itself(schema, at, value))
        finally:
            self.level -= 1

    def by_itself(self, schema: dict[str, Any], at: str, value: Any) -> Any:
        """A value by what the schema says itself: type, enum, properties, items."""
        wanted = schema.get("type")
        members = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(members, list):
            value = as_member(value, members)
        elif wanted is not None:
            types = wanted if isinstance(wanted, list) else [wanted]
            value = value if has_type(value, types) else alone(value, [as_type(value, each) for each in types])
        if isinstance(value, dict):
            return self.object(schema, at, value)
        return self.list(schema, at, value) if isinstance(value, list) else value

    def by_parts(self, schema: dict[str, Any], at: str, value: Any) -> Any:
        """A value by the schemas that this one is put together of."""
        if isinstance(reference := schema.get("$ref"), str) and (found := self.referred(reference)) is not None:
            value = self.by(*found, value)
        for number, part in enumerate(listed(schema, "allOf")):
            value = self.by(part, f"{at}/allOf/{number}", value)
        for word in ALTERNATIVES:
            if options := listed(schema, word):
                value = self.chosen([(option, f"{at}/{word}/{number}") for number, option in enumerate(options)], value)
        return self.conditional(schema, at, value) if "if" in schema else value

    def chosen(self, options: list[tuple[Any, str]], value: Any) -> Any:
        """A value by alternatives: what all of them make of it that can make anything right of it."""
        self.steps -= TRIAL * len(options)
        if self.steps < 0 or any(self.is_right(at, value) for _, at in options):
            return value
        found = [(at, self.by(option, at, value)) for option, at in options]
        return alone(value, [made for at, made in found if made is not value and self.is_right(at, made)])

    def conditional(self, schema: dict[str, Any], at: str, value: Any) -> Any:
        """A value by `then` or `else`."""
        self.steps -= TRIAL
        word = "then" if self.is_right(f"{at}/if", value) else "else"
        return self.by(schema[word], f"{at}/{word}", value) if word in schema else value

    def object(self, schema: dict[str, Any], at: str, value: dict[str, Any]) -> dict[str, Any]:
        """An object: what it has, each by its own schema. A null that is not allowed was meant to be nothing."""
        made = {}
        for name, item in value.items():
            new = item
            for part, where in self.parts(schema, at, name):
                if new is None and not self.is_right(where, None):
                    new = DROPPED
                    break
                new = self.by(part, where, new)
            if new is not DROPPED:
                made[name] = new
        same = len(made) == len(value) and all(made[name] is item for name, item in value.items())
        return value if same else made

    def parts(self, schema: dict[str, Any], at: str, name: str) -> Iterator[tuple[Any, str]]:
        """The schemas for what an object has by this name."""
        others = True
        properties = schema.get("properties")
        if isinstance(properties, dict) and name in properties:
            others = False
            yield properties[name], f"{at}/properties/{escaped(name)}"
        patterns = schema.get("patternProperties")
        for pattern, part in patterns.items() if isinstance(patterns, dict) else ():
            if matches(pattern, name):
                others = False
                yield part, f"{at}/patternProperties/{escaped(pattern)}"
        if others and "additionalProperties" in schema:
            yield schema["additionalProperties"], f"{at}/additionalProperties"

    def list(self, schema: dict[str, Any], at: str, value: list[Any]) -> list[Any]:
        """A list, each element by its own schema."""
        items, first = schema.get("items"), "prefixItems"
        rest = "items"
        if isinstance(items, list):  # as up to draft 2019-09
            first, rest = "items", "additionalItems"
        parts = listed(schema, first)
        made = [
            self.by(parts[number], f"{at}/{first}/{number}", item)
            if number < len(parts)
            else self.by(schema.get(rest), f"{at}/{rest}", item)
            for number, item in enumerate(value)
        ]
        return value if all(new is old for new, old in zip(made, value, strict=True)) else made

    def referred(self, reference: str) -> tuple[Any, str] | None:
        """The schema that a reference inside this one names, and its pointer."""
        pointer = unquote(reference.removeprefix("#"))
        if not reference.startswith("#") or (pointer and not pointer.startswith("/")):
            return None
        found, where = self.root, ""
        for word in pointer.split("/")[1:]:
            key = word.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and key.isascii() and int(key[:9]) < len(found):
                found = found[int(key[:9])]
            else:
                return None
            where += f"/{escaped(key)}"
        return found, where

    def is_right(self, at: str, value: Any) -> bool:
        """Whether a value is as the schema at a pointer says. One that cannot be had by itself changes nothing."""
        self.steps -= 1
        if self.steps < 0:
            return True
        try:
            return part_validator(self.schema, at).is_valid(value)
        except (ValueError, TypeError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
            return True


# --- one value --------------------------------------------------------------------------------------------------------


def as_type(value: Any, wanted: Any) -> Any:
    """A value as another type of JSON Schema, if it can mean one thing only; else itself."""
    if wanted == "string":
        return spoken(value) if isinstance(value, (bool, int, float)) else value
    if isinstance(value, str):
        return read(value.strip(), wanted, value)
    if wanted == "integer" and isinstance(value, float):  # which only draft 4 tells apart
        return int(value) if value.is_integer() and abs(value) <= WHOLE else value
    return value


def read(text: str, wanted: Any, value: str) -> Any:
    """A text read as the type that is wanted, `value` if it does not say that."""
    if wanted == "boolean":
        return {"true": True, "false": False}.get(text.lower(), value)
    if wanted in ("integer", "number"):
        number = number_in(text)
        if number is None or (wanted == "integer" and isinstance(number, float)):
            return value
        return number
    if (wanted == "array" and text.startswith("[")) or (wanted == "object" and text.startswith("{")):
        try:
            found = orjson.loads(text)
        except ValueError:
            return value
        return value if deeper_than(MAX_TEXT_DEPTH, found) else found
    return value


def number_in(text: str) -> int | float | None:
    """The number that a text is, an integer if it is whole; None if it is none, or none that can be kept exactly."""
    if len(text) > MAX_DIGITS or not NUMBER.match(text):
        return None
    if text.lstrip("-").isdigit():
        number = int(text)
        return number if number in INTEGERS else None
    exact = float(text)
    if exact.is_integer():
        return int(exact) if abs(exact) <= WHOLE else None
    return exact if abs(exact) <= WHOLE else None


def as_member(value: Any, members: list[Any]) -> Any:
    """The member of an enum that a value is but for its case or its type; itself if it is one, or could be two."""
    if value.__class__ not in SCALARS:
        return value
    wanted = spoken(value).strip().casefold()
    found = [each for each in members if each.__class__ in SCALARS and spoken(each).strip().casefold() == wanted]
    if any(each.__class__ is value.__class__ and each == value for each in found):
        return value
    return alone(value, found)


def alone(value: Any, found: list[Any]) -> Any:
    """What was found, if it is but one thing and another one; else the value."""
    different = {orjson.dumps(each): each for each in found if each is not value}
    return next(iter(different.values())) if len(different) == 1 else value


def has_type(value: Any, wanted: list[Any]) -> bool:
    """Whether a value is of one of JSON Schema's types. A whole float counts as an integer: the validator decides."""
    return any(
        (word == "string" and isinstance(value, str))
        or (word == "boolean" and isinstance(value, bool))
        or (word == "null" and value is None)
        or (word == "object" and isinstance(value, dict))
        or (word == "array" and isinstance(value, list))
        or (word == "integer" and isinstance(value, int) and not isinstance(value, bool))
        or (word == "number" and isinstance(value, (int, float)) and not isinstance(value, bool))
        for word in wanted
    )


# --- parts of schemas -------------------------------------------------------------------------------------------------


def listed(schema: dict[str, Any], word: str) -> list[Any]:
    """The list that a schema has by this word; an empty one if it has none."""
    found = schema.get(word)
    return found if isinstance(found, list) else []


def escaped(name: str) -> str:
    """A name as a part of a JSON pointer in a URL's fragment (RFC 6901, 6)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


@lru_cache(maxsize=VALIDATORS)
def part_validator(schema: bytes, at: str) -> jsonschema_rs.Validator:
    """The compiled form of what stands at a pointer; what it refers to is looked for in the whole."""
    root = orjson.loads(schema)
    if ":" not in str(root.get("$id", ":")):  # relative to nothing; the whole can do without, a part of it cannot
        del root["$id"]
    registry = jsonschema_rs.Registry([(ROOT, root)])
    return jsonschema_rs.validator_for({"$ref": f"{ROOT}#{at}"}, registry=registry, offline=True)


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern, as the validator understands patterns."""
    try:
        return pattern_validator(pattern).is_valid({name: None})
    except (ValueError, TypeError):
        return False


@lru_cache(maxsize=VALIDATORS)
def pattern_validator(pattern: str) -> jsonschema_rs.Validator:
    """Says of an object whether all its names match."""
    return jsonschema_rs.validator_for({"propertyNames": {"pattern": pattern}})
