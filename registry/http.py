"""HTTP as the dispatcher needs it: bodies with a limit, queries, JSON, and an answer's bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_plus

import orjson
from django.conf import settings

from agents.wire import MALFORMED

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_PARAMETERS = 100  # in a query; ours has two
NO_QUERY: Mapping[str, str] = {}

# The reference sends these with every answer (CONTRACT.md, 1.2).
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
]
if settings.SWML_SSL_ENABLED:
    SECURITY_HEADERS.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
JSON_HEADERS = [(b"content-type", b"application/json"), *SECURITY_HEADERS]

Headers = list[tuple[bytes, bytes]]


class BodyTooLarge(Exception):  # noqa: N818 - an answer, not a fault of ours
    """More than MAX_BODY_BYTES."""


class BodyTooSlow(Exception):  # noqa: N818
    """Not there within BODY_SECONDS."""


class ClientGone(Exception):  # noqa: N818
    """The connection was closed before the body had come."""


async def read_body(receive: Receive, declared: bytes | None) -> bytes:
    """The body, at most `settings.MAX_BODY_BYTES`, within `settings.BODY_SECONDS`. `declared`: Content-Length."""
    if declared is not None and declared.isdigit() and (len(declared) > 18 or int(declared) > settings.MAX_BODY_BYTES):
        raise BodyTooLarge
    try:
        async with asyncio.timeout(settings.BODY_SECONDS):
            message = await receive()
            body: bytes = message.get("body", b"")
            while message.get("more_body", False) and len(body) <= settings.MAX_BODY_BYTES:
                message = await receive()
                body += message.get("body", b"")
    except TimeoutError:
        raise BodyTooSlow from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > settings.MAX_BODY_BYTES:
        raise BodyTooLarge
    return body


def parse_json(body: bytes) -> Any:
    """The JSON value, None for an empty body, MALFORMED for anything else. Never raises.

    Half surrogate pairs, which speech recognisers are known to send, are replaced instead of refused.
    """
    if not body:
        return None
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        lenient = json.dumps(json.loads(body.decode()), ensure_ascii=False, allow_nan=False)
        return orjson.loads(lenient.encode(errors="replace"))
    except (ValueError, RecursionError):
        return MALFORMED


def parse_query(query: bytes) -> Mapping[str, str]:
    """The parameters; of one that is given twice, the last."""
    if not query:
        return NO_QUERY
    parameters: dict[str, str] = {}
    for pair in query.decode("latin-1").split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name, errors="replace"), unquote_plus(value, errors="replace")
        parameters[name] = value
    return parameters


async def respond(send: Send, status: int, body: bytes, headers: Headers, *, head: bool = False) -> None:
    """Send an answer whole; `head`: without its body, as HEAD wants it."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if head else body})
