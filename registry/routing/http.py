"""HTTP as the dispatcher needs it: bodies with a limit, queries, JSON, and an answer's bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson

from agents.wire import MALFORMED, NO_QUERY
from registry.routing.forwarded import address_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Awaitable[None]]

Headers = tuple[tuple[bytes, bytes], ...]
AnyHeaders = Iterable[tuple[bytes, bytes]]

BODY_SECONDS = 30  # how long a client may take to send its body
DISCARDED = 16  # times the limit: what is still taken of a body that is too large
DISCARD_SECONDS = 2
SURELY_SHALLOW = 200  # brackets; the platform's requests have about 10
MAX_PARAMETERS = 100  # in a query; ours has two

# The reference sends these with every answer.
SECURITY_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
HTTPS_ONLY: Headers = ((b"strict-transport-security", b"max-age=31536000; includeSubDomains"),)
JSON: Headers = ((b"content-type", b"application/json"),)


class Connection(NamedTuple):
    """How a request came in."""

    client: str = ""  # the address of whoever opened the connection; "" if that is not known
    scheme: str = "http"
    server: tuple[str, int | None] = ("127.0.0.1", None)  # where it was opened to: address and port

    @classmethod
    def of(cls, scope: Scope) -> "Connection":
        """What ASGI says of it."""
        client = scope.get("client")
        host, port = scope.get("server") or ("127.0.0.1", None)
        return cls(address_of(client[0]) if client else "", scope.get("scheme", "http"), (host, port))


class Head(NamedTuple):
    """A request without its body, whatever server received it."""

    method: str
    path: str  # decoded
    raw_path: bytes  # as it came
    query_string: bytes
    headers: Sequence[tuple[bytes, bytes]]  # names in lower case, in the order in which they came
    connection: Connection

    @classmethod
    def of(cls, scope: Scope) -> "Head":
        """The head as ASGI has it."""
        path: str = scope["path"]
        raw_path: bytes = scope.get("raw_path") or path.encode()
        return cls(scope["method"], path, raw_path, scope["query_string"], scope["headers"], Connection.of(scope))


class Response(NamedTuple):
    """An answer as HTTP has it; `content-length` is not among the headers yet."""

    status: int
    headers: AnyHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Http:
    """How this installation speaks HTTP: what a body may have, and the headers of every answer.

    `https_only`: browsers are told to come by HTTPS alone.
    """

    body_bytes: int
    body_seconds: float = BODY_SECONDS
    https_only: bool = False
    security_headers: Headers = field(init=False)
    json_headers: Headers = field(init=False)

    def __post_init__(self) -> None:
        headers = SECURITY_HEADERS + (HTTPS_ONLY if self.https_only else ())
        object.__setattr__(self, "security_headers", headers)
        object.__setattr__(self, "json_headers", JSON + headers)


class BodyTooLarge(Exception):  # noqa: N818 - an answer, not a fault of ours
    """More than the limit; `unread`: some of it is still coming."""

    def __init__(self, *, unread: bool):
        self.unread = unread
        super().__init__()


class BodyTooSlow(Exception):  # noqa: N818
    """Not there in time."""


class ClientGone(Exception):  # noqa: N818
    """The connection was closed before the body had come."""


async def read_body(receive: Receive, declared: bytes | None, http: Http) -> bytes:
    """The body, within the limits of `http`. `declared`: Content-Length."""
    digits = declared.lstrip(b"0") if declared else b""
    if digits.isdigit() and (len(digits) > 18 or int(digits) > http.body_bytes):
        raise BodyTooLarge(unread=True)
    reading = receive()
    try:
        waiting = reading.send(None)
    except StopIteration as done:
        # It had come with the headers, as small bodies do: no timer is needed, which would cost 6 µs.
        message = done.value
        if not message.get("more_body", False):
            return whole(message.get("body", b""), message, http)
        return await read_rest(receive, http, message)
    return await read_rest(receive, http, None, Started(reading, waiting))


async def read_rest(
    receive: Receive, http: Http, message: Message | None, started: Awaitable[Message] | None = None
) -> bytes:
    """The body after its first part, or from a first part that has been asked for already."""
    try:
        async with asyncio.timeout(http.body_seconds):
            message = message or await (started or receive())
            parts = [message.get("body", b"")]
            size = len(parts[0])
            while message.get("more_body", False) and size <= http.body_bytes:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
    except TimeoutError:
        raise BodyTooSlow from None
    return whole(b"".join(parts), message, http)


async def discard(receive: Receive, http: Http) -> None:
    """Take what is still coming of a refused body, within limits: a client that is cut off never reads the answer."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            size = 0
            message: Message = {"more_body": True}
            while message.get("more_body", False) and size < DISCARDED * http.body_bytes:
                message = await receive()
                size += len(message.get("body", b""))
    except TimeoutError:
        pass


def whole(body: bytes, message: Message, http: Http) -> bytes:
    """The body if it is complete and not too large; `message` is the last one that came."""
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > http.body_bytes:
        raise BodyTooLarge(unread=bool(message.get("more_body", False)))
    return body


class Started:
    """A coroutine that has been started by hand and waits for something: awaiting this goes on from there."""

    def __init__(self, coroutine: Coroutine[Any, Any, Message], waiting: Any):
        self.coroutine = coroutine
        self.waiting = waiting

    def __await__(self) -> Generator[Any, Any, Message]:
        """Wait for what it waits for, then for the rest of it."""
        try:
            yield self.waiting
        except BaseException:
            self.coroutine.close()
            raise
        return (yield from self.coroutine.__await__())


def parse_json(body: bytes) -> Any:
    """The JSON value, None for an empty body, MALFORMED for anything else and for absurd nesting. Never raises.

    Half surrogate pairs, which speech recognisers are known to send, are replaced instead of refused.
    """
    if not body:
        return None
    try:
        value = orjson.loads(body)
    except ValueError:
        value = parse_leniently(body)
    if body.count(b"[") + body.count(b"{") > SURELY_SHALLOW and is_too_deep(value):
        return MALFORMED
    return value


def parse_leniently(body: bytes) -> Any:
    """The value of a text with half surrogate pairs, which are replaced; MALFORMED if it is no JSON all the same."""
    try:
        lenient = json.dumps(json.loads(body.decode()), ensure_ascii=False, allow_nan=False)
        return orjson.loads(lenient.encode(errors="replace"))
    except (ValueError, RecursionError):
        return MALFORMED


def is_too_deep(value: Any) -> bool:
    """Whether orjson, which reads 1,024 levels, could not write the value again: it writes 254."""
    try:
        orjson.dumps(value, default=str)  # MALFORMED is no JSON, and not deep
    except orjson.JSONEncodeError:
        return True
    return False


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


async def respond(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]], *, head: bool = False
) -> None:
    """Send an answer whole; `head`: without its body, as HEAD wants it."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if head else body})
