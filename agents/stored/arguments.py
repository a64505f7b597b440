"""A function's arguments: where a request has them, and whether they are what its JSON Schema says."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from agents.definition import deeper_than, validator_for
from agents.sources import FoundFunction
from agents.wire import Answer

MAX_PROBLEMS = 3  # a model corrects a few mistakes at a time
MAX_MESSAGE = 200  # characters of one
ANY_VALUE = "the value"  # in a message that does not repeat it
# The validator collects every error before it gives the first: 300,000 wrong numbers held everybody up for 5 s.
MAX_LISTED_BYTES = 2048  # of arguments whose errors are listed; of larger ones the first is said
MAX_DEPTH = 16  # of arguments: a model sends few levels, and alternatives inside each other multiply with each
CONTAINERS = (dict, list)
TOO_DEEP = "the arguments are nested too deeply"
VALIDATORS = 4096  # compiled schemas that are kept, about 10 kB each


def problems_of(schema: bytes, arguments: dict[str, Any]) -> str:
    """What is missing or wrong by a JSON Schema, in a sentence that a model can act on; "" = nothing."""
    validator = validator_of(schema)
    for value in arguments.values():
        if value.__class__ in CONTAINERS and deeper_than(MAX_DEPTH, value):
            return TOO_DEEP
    try:
        return "" if validator.is_valid(arguments) else described(schema, arguments)
    except (TypeError, ValueError):  # the validator's "Recursion limit reached"
        return TOO_DEEP


def described(schema: bytes, arguments: dict[str, Any]) -> str:
    """The first problems of wrong arguments, each with the name and the description of its argument."""
    properties = orjson.loads(schema)["properties"]
    errors = first_errors(validator_of(schema), arguments)
    # A message that repeats a long value would be cut, and no log knows half a secret: it is said without values.
    if any(len(error.message) > MAX_MESSAGE for error in errors):
        errors = first_errors(validator_of(schema, discreet=True), arguments)
    found: list[str] = []
    for error in errors:
        path = [str(part) for part in error.instance_path]
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            path.append(str(kind.property))
            problem = "is missing"
        else:
            problem = ("is wrong: " if path else "are wrong: ") + error.message
        name = ".".join(path)[:MAX_MESSAGE]
        described = properties.get(name)
        words = described.get("description") if isinstance(described, dict) else None
        about = f"{name} ({words})" if words else name or "the arguments"
        found.append(f"{about} {problem[:MAX_MESSAGE]}")
    return "; ".join(found)


def asking_again(function: str, problems: str) -> str:
    """What the model is told, so that it asks the caller."""
    return f"I can't do that yet: {problems}. Ask the caller, then call {function} again."


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


class ArgumentChecks:
    """The functions of a Python or remote agent whose arguments are checked before they run."""

    __slots__ = ("schemas",)

    def __init__(self, functions: Mapping[str, FoundFunction]):
        self.schemas = {
            name: orjson.dumps(function.parameters) for name, function in functions.items() if is_usable(function)
        }

    def refusal(self, name: str, body: Mapping[str, Any]) -> Answer | None:
        """What the model is told if the arguments are wrong, so that it can ask again."""
        schema = self.schemas.get(name)
        problems = problems_of(schema, arguments_of(body)) if schema else ""
        if not problems:
            return None
        told = orjson.dumps({"response": asking_again(name, problems)})
        return Answer(200, told, "invalid_arguments", problems, name)


def is_usable(function: FoundFunction) -> bool:
    """Whether its parameters are a JSON Schema of an object: nobody has checked that of an agent's own code."""
    try:
        validator_of(orjson.dumps(function.parameters))
    except (ValueError, TypeError):
        return False
    return isinstance(function.parameters.get("properties"), dict)
