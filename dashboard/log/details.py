"""What the drawer says of one event: its facts, its bodies, and what can be done with them."""

import shlex
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from django.http import HttpRequest
from django.urls import reverse

from dashboard.code_lines import pretty
from dashboard.zones import moment_of
from registry.log.filters import condition_text
from registry.requests import public_base


class Body(NamedTuple):
    """An excerpt. `whole`: it is JSON; else the beginning of something longer, or no JSON."""

    text: str
    whole: bool


def details(request: HttpRequest, event: dict[str, Any]) -> dict[str, Any]:
    """What the template of the drawer needs besides the event."""
    return {
        "event": event,
        "at": moment_of(event["time"]),
        "request_body": body_of(event["request"]),
        "response_body": body_of(event["response"]),
        "curl": curl(request, event),
        "replay": replay(event),
        "same_call": log_of("call", event["call_id"]) if event["call_id"] else "",
        "same_trace": log_of("trace", event["trace_id"]) if event["trace_id"] else "",
        "same_answer": log_of("digest", event["digest"]) if event["digest"] else "",
        "known_as": event["request_id"] or event["id"],
    }


def body_of(value: Any) -> Body | None:
    """A body as people read it."""
    if value is None:
        return None
    if isinstance(value, str):
        return Body(value, whole=False)
    return Body(pretty(value), whole=True)


def curl(request: HttpRequest, event: dict[str, Any]) -> str:
    """The request once more, as a command; who runs it puts in the credentials."""
    words = ["curl", "-u", "USER:PASSWORD"]
    if event["method"] not in ("GET", ""):
        words += ["-X", event["method"]]
    if event["request"] is not None:
        body = event["request"] if isinstance(event["request"], str) else orjson.dumps(event["request"]).decode()
        words += ["-H", "Content-Type: application/json", "--data-raw", body]
    query = f"?{event['query']}" if event["query"] else ""
    address = f"{public_base(request)}{event['path']}{query}"
    return " ".join(shlex.quote(word) for word in [*words, address])


def replay(event: dict[str, Any]) -> str:
    """The address of the Test page with this filled in; "" if there is no agent to try."""
    if not event["agent"]:
        return ""
    words = {"agent": event["agent"], "from": event["from"], "to": event["to"], "function": event["function"]}
    if event["function"] and (given := arguments(event["request"])) is not None:
        words["arguments"] = orjson.dumps(given).decode()
    return f"{reverse('dashboard:test')}?{urlencode({word: value for word, value in words.items() if value})}"


def arguments(body: Any) -> Any:
    """What a function was called with (`argument.parsed[0]`, docs/contract.md, 2.3); None if nothing says so."""
    given = body.get("argument") if isinstance(body, dict) else None
    parsed = given.get("parsed") if isinstance(given, dict) else None
    return parsed[0] if isinstance(parsed, list) and parsed else None


def log_of(word: str, value: str) -> str:
    """The live log of what has this value."""
    return f"{reverse('dashboard:log')}?{urlencode({'filter': condition_text(word, value)})}"
