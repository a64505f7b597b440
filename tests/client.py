"""Drives the raw dispatcher in-process: a scope, a receive and a send, and the event that it recorded."""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from django.conf import settings

from agents.wire import Webhooks
from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.models import RegistryChange
from registry.routing.context import Context, not_counted
from registry.routing.dispatcher import Dispatcher
from registry.routing.http import Head, Http
from registry.routing.http import Response as HttpResponse
from registry.routing.public_url import PublicUrl
from registry.routing.table import Credentials, RoutingTable, Tables
from registry.serving.loader import Loader
from tests.agents.building import NoWebhooks

NOW = 1_800_000_000.0
NOTHING = object()
HTTP = Http(settings.MAX_BODY_BYTES)


def load_table() -> RoutingTable:
    """All that the database has now, also inside a test's transaction, where `Loader.next` cannot be."""
    return Loader().load(RoutingTable(), RegistryChange.newest(), None)


def basic(user: str, password: str, *, scheme: str = "Basic") -> str:
    """An Authorization header."""
    return f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode()


class MemorySpool:
    """A spool that only remembers."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        self.lines.append(line)


class Response(NamedTuple):
    """What came back, and the routing event (None if there was none)."""

    status: int
    headers: dict[str, str]
    body: bytes
    event: dict[str, Any] | None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ai(self) -> Any:
        """The document's `ai` verb."""
        return next(verb["ai"] for verb in self.json["sections"]["main"] if "ai" in verb)


TOKEN = re.compile(rb"\b[0-9a-f]{48}\b")


def same(body: bytes) -> bytes:
    """A body in which all tokens are alike: those for a call that is made up are others each time."""
    return TOKEN.sub(b"TOKEN", body)


def same_event(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what is another one's each time."""
    return {name: value for name, value in event.items() if name not in ("id", "microseconds")}


class Client:
    """Asks a dispatcher as a server would."""

    def __init__(
        self,
        table: RoutingTable | None,
        *,
        public_url: PublicUrl | None = None,
        fleet: tuple[str, str] | None = None,
        fleet_key: str = "",
        webhooks: Webhooks | None = None,
        clock: Callable[[], float] = lambda: NOW,
        http: Http = HTTP,
    ):
        self.tables = Tables()
        self.tables.current = table
        self.spool = MemorySpool()
        self.received = 0  # bytes of the last request's body that the dispatcher took
        context = Context(
            Recorder(self.spool, "test", Masker(settings.MASKED_KEYS)),
            public_url or PublicUrl("", ["voice.example.com", "localhost"], []),
            webhooks or NoWebhooks(),
            http,
            fleet=Credentials.of(*fleet) if fleet else None,
            fleet_key=fleet_key,
            clock=clock,
        )
        self.dispatcher = Dispatcher(self.tables, context)
        # Each request is also asked the other way, which has a log of its own; authors are asked once only.
        self.lane = Dispatcher(self.tables, context) if webhooks is None else None
        self.lane_spool = MemorySpool()

    def reload(self) -> None:
        """Serve what the database has now."""
        self.tables.current = load_table()

    def get(self, path: str, **options: Any) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = NOTHING, **options: Any) -> Response:
        """POST a value as JSON; `content=` for bytes, `parts=` for a list of chunks and pauses in seconds."""
        if body is not NOTHING:
            options["content"] = json.dumps(body).encode()
        return self.request("POST", path, **options)

    def swaig(self, url: str, function: str, call_id: str | None = "C1", **arguments: Any) -> Response:
        """Call a function at a web_hook_url of a document."""
        path = "/" + url.partition("://")[2].partition("/")[2]
        body = {"function": function, "call_id": call_id, "argument": {"parsed": [arguments]}}
        return self.post(path, body)

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        parts: Sequence[bytes | float] | None = None,
        auth: str | None = basic("u", "p"),
        headers: Mapping[str, str | bytes] | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> Response:
        """One request; `path` may have a query."""
        path, _, query = path.partition("?")
        given: dict[str, str | bytes] = {"host": "voice.example.com", **(headers or {})}
        if auth is not None:
            given.setdefault("authorization", auth)
        raw = [(n.lower().encode(), v if isinstance(v, bytes) else v.encode("latin-1")) for n, v in given.items()]
        whole_scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path, safe="/~").encode(),
            "query_string": query.encode("latin-1"),
            "headers": raw,
            "client": ("192.0.2.7", 4711),
            "server": ("10.0.0.1", 8000),
            **(scope or {}),
        }
        response = asyncio.run(self.exchange(whole_scope, list(parts) if parts is not None else [content]))
        if self.lane and parts is None and method in ("GET", "POST") and response.status != 413:
            for _ in range(2):  # if a plan is made of the first one, it answers the second
                self.compare(self.lane, response, Head.of(whole_scope), content)
        return response

    def compare(self, lane: Dispatcher, expected: Response, head: Head, content: bytes) -> None:
        """Ask as the lane does (config/protocol.py); the answer and its event must be the same."""
        context = lane.context
        kept = context.recorder, context.strangers, context.count
        lines = len(self.lane_spool.lines)
        masker = getattr(context.recorder, "masker", None) or Masker(settings.MASKED_KEYS)
        context.recorder = Recorder(self.lane_spool, "test", masker)
        context.strangers, context.count = None, not_counted
        try:
            answered = lane.answer_now(head, content)
            status, headers, body = answered if isinstance(answered, HttpResponse) else asyncio.run(answered)
        finally:
            context.recorder, context.strangers, context.count = kept
        assert (status, same(body)) == (expected.status, same(expected.body))
        named = {name.decode(): value.decode() for name, value in headers} | {"content-length": str(len(body))}
        assert named == expected.headers
        if expected.event is not None:
            [event] = map(json.loads, self.lane_spool.lines[lines:])
            assert same_event(event) == same_event(expected.event)

    async def exchange(self, scope: dict[str, Any], parts: list[bytes | float]) -> Response:
        self.received = 0
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if parts and isinstance(parts[0], float):
                await asyncio.sleep(parts.pop(0))
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            assert isinstance(part, bytes)
            self.received += len(part)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        lines = len(self.spool.lines)
        await self.dispatcher(scope, receive, send)
        recorded = self.spool.lines[lines:]
        assert len(recorded) <= 1, "a request is one event"
        event = json.loads(recorded[0]) if recorded else None
        if not sent:
            return Response(0, {}, b"", event)
        start, body = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Response(start["status"], headers, body["body"], event)
