"""Functions of an agent's version, told for people: their arguments, and what answers them. No secret is among it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agents.definition import AgentDefinition, DataMapHandler, Function, MatchHandler, Outcome, WebhookHandler

VARIABLE = "env:"
SHOWN = 200  # characters of a reply


@dataclass(frozen=True)
class Parameter:
    """An argument, from the function's JSON Schema."""

    name: str
    type: str
    required: bool
    description: str
    limits: list[str]  # enum, minimum, pattern …, in words


@dataclass(frozen=True)
class Answerer:
    """A handler: its kind in one word, and what it does, line by line."""

    kind: str
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FunctionRow:
    """A function for people."""

    name: str
    description: str
    secure: bool
    active: bool
    parameters: list[Parameter]
    handler: Answerer


def function_rows(definition: AgentDefinition) -> list[FunctionRow]:
    """All of a definition's, in its order."""
    return [row_of(name, function) for name, function in definition.functions.items()]


def row_of(name: str, function: Function) -> FunctionRow:
    """One function."""
    return FunctionRow(
        name,
        function.description,
        function.secure,
        function.active is not False,
        parameters_of(function.parameters),
        answerer_of(function),
    )


def parameters_of(schema: Mapping[str, Any]) -> list[Parameter]:
    """The properties of a JSON Schema of an object."""
    required = schema.get("required", [])
    found = []
    for name, given in schema.get("properties", {}).items():
        about = given if isinstance(given, dict) else {}
        found.append(
            Parameter(name, type_of(about), name in required, str(about.get("description", "")), limits_of(about))
        )
    return found


def type_of(schema: Mapping[str, Any]) -> str:
    """A type in words: string, list of number, string or null."""
    given = schema.get("type")
    if isinstance(given, list):
        return " or ".join(map(str, given))
    if given == "array" and isinstance(schema.get("items"), dict):
        return f"list of {type_of(schema['items'])}"
    if given is None:
        return "one of several" if {"anyOf", "oneOf"} & set(schema) else "any"
    return str(given)


def limits_of(schema: Mapping[str, Any]) -> list[str]:
    """What a value must be besides its type."""
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "above {}",
        "exclusiveMaximum": "below {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {} items",
        "maxItems": "at most {} items",
        "pattern": "like {}",
        "format": "as {}",
        "const": "always {}",
        "default": "else {}",
    }
    found = [f"one of {', '.join(map(str, schema['enum']))}"] if isinstance(schema.get("enum"), list) else []
    return found + [text.format(schema[word]) for word, text in words.items() if word in schema]


def answerer_of(function: Function) -> Answerer:
    """What answers a function."""
    handler = function.handler
    if isinstance(handler, MatchHandler):
        match = handler.match
        cases = [f"{match.argument} is {value}: {said(outcome)}" for value, outcome in match.cases.items()]
        return Answerer("match", [*cases, f"else: {said(match.default)}"])
    if isinstance(handler, WebhookHandler):
        return Answerer("webhook", webhook_lines(handler))
    if isinstance(handler, DataMapHandler):
        return Answerer("data_map", ["Run by SignalWire itself; Switchboard does not see it.", data_map_line(handler)])
    return Answerer("transfer" if handler.transfer else "reply", [said(handler)])


def webhook_lines(handler: WebhookHandler) -> list[str]:
    """Where a webhook leads, without what it takes to get in there."""
    webhook = handler.webhook
    lines = [f"Asks {without_secrets(webhook.url)}" if webhook.url else "Asks the agent's own web_hook_url"]
    if webhook.direct:
        lines.append("SignalWire calls it directly; Switchboard does not see it.")
    else:
        lines.append(f"Gives up after {webhook.timeout or 10:g} s")
    if webhook.headers:
        lines.append(f"Sends the headers {', '.join(webhook.headers)}")
    return lines


def without_secrets(url: str) -> str:
    """A URL without user, password and query; a variable by its name."""
    if url.startswith(VARIABLE):
        return f"the URL in {url.removeprefix(VARIABLE)}"
    parts = urlsplit(url)
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def data_map_line(handler: DataMapHandler) -> str:
    """What a data_map consists of."""
    return f"It has {', '.join(handler.data_map)}."


def said(outcome: Outcome) -> str:
    """What an outcome says and does."""
    parts = []
    if outcome.reply is not None:
        parts.append(f"“{outcome.reply[:SHOWN]}{'…' if len(outcome.reply) > SHOWN else ''}”")
    parts += [f"action {next(iter(action))}" for action in outcome.actions]
    if outcome.transfer:
        parts.append(f"transfers to {outcome.transfer}")
    return ", ".join(parts)
