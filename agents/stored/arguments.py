"""A function's arguments: where a request has them, and whether they are what its JSON Schema says."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import jsonschema_rs
import orjson
from jsonschema_rs import ValidationErrorKind as Kind

from agents.definition import deeper_than, validator_for
from agents.stored.conversion import Conversion

MAX_PROBLEMS = 3  # a model corrects a few mistakes at a time
MAX_MESSAGE = 200  # characters of one
ANY_VALUE = "the value"  # in a message that does not repeat it
# The validator collects every error before it gives the first: 300,000 wrong numbers held everybody up for 5 s.
MAX_LISTED_BYTES = 2048  # of arguments whose errors are listed; of larger ones the first is said
MAX_DEPTH = 16  # of arguments: a model sends few levels, and alternatives inside each other multiply with each
# More are not converted, only checked: that is Python's work, a µs for each value, and no model says so much.
MAX_CONVERTED_BYTES = 16_384
MAX_NOTED = 8  # conversions that the log names
CONTAINERS = (dict, list)
WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", list: "list", dict: "object"}
# What is wrong with the way in which a value was sent, not with what the caller wants.
OWN_MISTAKES = (
    Kind.Type,
    Kind.Constant,
    Kind.Format,
    Kind.FalseSchema,
    Kind.AdditionalItems,
    Kind.AdditionalProperties,
    Kind.UnevaluatedItems,
    Kind.UnevaluatedProperties,
    Kind.PropertyNames,
    Kind.ContentEncoding,
    Kind.ContentMediaType,
)
ALTERNATIVES = (Kind.AnyOf, Kind.OneOfNotValid)
TOO_DEEP = "the arguments are nested too deeply"
VALIDATORS = 4096  # compiled schemas that are kept, about 10 kB each


class Problems(NamedTuple):
    """What is wrong with arguments that could not be made right."""

    asked: tuple[str, ...] = ()  # only the caller knows it: what is missing, out of range, none of those on offer
    own: tuple[str, ...] = ()  # the model's own mistakes: another type, an argument that there is not

    def __str__(self) -> str:
        """All of them, for the log."""
        return "; ".join(self.asked + self.own)


class Fitted(NamedTuple):
    """Arguments made fit for their function, as far as that can be done."""

    arguments: dict[str, Any]
    note: str = ""  # what was converted, for the log: names and types, no values
    problems: Problems | None = None


NESTED = Problems(own=(TOO_DEEP,))


def is_right(schema: bytes, arguments: dict[str, Any]) -> bool:
    """Whether arguments are what a JSON Schema says: all that is asked of those of most calls."""
    validator = validator_of(schema)
    for value in arguments.values():
        if value.__class__ in CONTAINERS and deeper_than(MAX_DEPTH, value):
            return False
    try:
        return validator.is_valid(arguments)
    except (TypeError, ValueError):  # the validator's "Recursion limit reached"
        return False


def fitted(schema: bytes, arguments: dict[str, Any]) -> Fitted:
    """Arguments that are not right, converted if that makes them so; else with what is wrong with them."""
    if deeper_than(MAX_DEPTH + 1, arguments):
        return Fitted(arguments, problems=NESTED)
    try:
        return converted(schema, arguments)
    except (TypeError, ValueError):
        return Fitted(arguments, problems=NESTED)


def converted(schema: bytes, arguments: dict[str, Any]) -> Fitted:
    """The same of arguments that can be walked through."""
    made = arguments
    if len(orjson.dumps(arguments)) <= MAX_CONVERTED_BYTES:
        made = Conversion(schema).of(arguments)
    if made is not arguments and is_right(schema, made):
        return Fitted(made, note_of(arguments, made))
    return Fitted(arguments, problems=described(schema, made))


def note_of(arguments: dict[str, Any], made: dict[str, Any]) -> str:
    """What was converted, in words for the log."""
    changes = list(islice(changes_in(arguments, made), MAX_NOTED + 1))
    more = [", and more"] if len(changes) > MAX_NOTED else []
    return "converted: " + "".join([", ".join(changes[:MAX_NOTED]), *more])


def changes_in(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Each argument that is another one after a conversion, and what became of it."""
    if before is after:
        return
    if before.__class__ is after.__class__ and before.__class__ in CONTAINERS:
        for name, item in before.items() if isinstance(before, dict) else enumerate(before):
            where = f"{path}.{name}" if path else str(name)[:MAX_MESSAGE]
            if isinstance(before, dict) and name not in after:
                yield f"{where[:MAX_MESSAGE]} (null left out)"
            else:
                yield from changes_in(item, after[name], where)
    elif before.__class__ is after.__class__:
        yield f"{path[:MAX_MESSAGE]} (spelling)"
    else:
        yield f"{path[:MAX_MESSAGE]} ({WORDS[before.__class__]} to {WORDS[after.__class__]})"
        # What came as its JSON is converted in itself: its elements have no earlier form to be compared with.


def described(schema: bytes, arguments: dict[str, Any]) -> Problems:
    """The first problems of wrong arguments, each with the name and the description of its argument."""
    properties = orjson.loads(schema)["properties"]
    errors = first_errors(validator_of(schema), arguments)
    # A message that repeats a long value would be cut, and no log knows half a secret: it is said without values.
    if any(len(error.message) > MAX_MESSAGE for error in errors):
        errors = first_errors(validator_of(schema, discreet=True), arguments)
    asked: list[str] = []
    own: list[str] = []
    for error in errors:
        path = [str(part) for part in error.instance_path]
        kind = error.kind
        if isinstance(kind, Kind.Required):
            path.append(str(kind.property))
            problem = "is missing"
        else:
            problem = ("is wrong: " if path else "are wrong: ") + error.message
        name = ".".join(path)[:MAX_MESSAGE]
        described = properties.get(name)
        words = described.get("description") if isinstance(described, dict) else None
        about = f"{name} ({words})" if words else name or "the arguments"
        (own if is_own_mistake(error) else asked).append(f"{about} {problem[:MAX_MESSAGE]}")
    return Problems(tuple(asked), tuple(own))


def is_own_mistake(error: jsonschema_rs.ValidationError) -> bool:
    """Whether the model can mend it by itself; what only the caller can know is none of its mistakes."""
    kind = error.kind
    if isinstance(kind, ALTERNATIVES):
        reasons = [reason for branch in kind.context for reason in branch]
        return bool(reasons) and all(is_own_mistake(reason) for reason in reasons)
    return isinstance(kind, OWN_MISTAKES)


def asking_again(function: str, problems: Problems) -> str:
    """What the model is told, so that it asks the caller for what only they know, and mends the rest by itself."""
    asked, own = "; ".join(problems.asked), "; ".join(problems.own)
    if not own:
        return f"I can't do that yet: {asked}. Ask the caller, then call {function} again."
    if not asked:
        return f"That call was not right: {own}. Do not ask the caller: correct it, then call {function} again."
    return (
        f"I can't do that yet: {asked}. Ask the caller. This you correct yourself: {own}. Then call {function} again."
    )


def first_errors(validator: jsonschema_rs.Validator, arguments: dict[str, Any]) -> list[jsonschema_rs.ValidationError]:
    """The first things that are wrong with arguments; only one of them if they are large."""
    if len(orjson.dumps(arguments)) <= MAX_LISTED_BYTES:
        return list(islice(validator.iter_errors(arguments), MAX_PROBLEMS))
    try:
        validator.validate(arguments)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


@lru_cache(maxsize=VALIDATORS)
def validator_of(schema: bytes, *, discreet: bool = False) -> jsonschema_rs.Validator:
    """The compiled form of a JSON Schema; made at its first use, shared by equal ones.

    `discreet`: its messages do not repeat the values that are wrong.
    """
    return validator_for(orjson.loads(schema), mask=ANY_VALUE if discreet else None)


def arguments_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """A function's arguments: `argument.parsed[0]`, else `argument.raw`, else `arguments` (docs/contract.md, 2.3)."""
    argument = body.get("argument")
    found: Any = None
    if isinstance(argument, dict):
        parsed = argument.get("parsed")
        if isinstance(parsed, list) and parsed:
            found = parsed[0]
        elif isinstance(raw := argument.get("raw"), str) and raw:
            try:
                found = orjson.loads(raw)
            except ValueError:
                found = {}
    if found is None:
        found = body.get("arguments")
    return found if isinstance(found, dict) else {}


def with_arguments(body: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """A function's request with other arguments, in the place that `arguments_of` reads; what `raw` says stays."""
    argument = body.get("argument")
    parsed = argument.get("parsed") if isinstance(argument, dict) else None
    if isinstance(argument, dict) and (parsed or (isinstance(raw := argument.get("raw"), str) and raw)):
        others = parsed[1:] if isinstance(parsed, list) else []
        return {**body, "argument": {**argument, "parsed": [arguments, *others]}}
    return {**body, "arguments": arguments}


def as_sent(body: dict[str, Any]) -> bytes | None:
    """A request's body as bytes; None if it is nested too deeply to be written."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return None
