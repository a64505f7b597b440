"""Answers a worker's requests with the agent, by the SDK's own endpoints, without an HTTP server between them."""

import asyncio
import base64
import inspect
import json
import mmap
import time
from collections.abc import Callable, MutableSequence
from typing import Any, cast

from signalwire.core.agent_base import AgentBase
from starlette.requests import Request
from starlette.responses import Response

from . import notes, placeholders
from .build import DAY_SECONDS, Order
from .frames import BEGUN, SLOTS, STALE_SECONDS, Frames, Head, frame

PLACEHOLDER = base64.b64encode(f"{placeholders.USER}:{placeholders.PASSWORD}".encode())
AUTHORIZATION = (b"authorization", b"Basic " + PLACEHOLDER)
# What a proxy says is for the worker to judge; on the SDK it changes other people's calls (docs/contract.md, 3.2).
NOT_PASSED_ON = frozenset(
    {"authorization", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-original-host"}
)
LOCKED = "This tool is secure: ask the operator for this agent's MCP URL with a token (manage.py mcp)."

NOBODY_SEES = bytearray(SLOTS)

Endpoint = tuple[Callable[..., Any], tuple[str, ...]]


def adopt(agent: Any, order: Order) -> None:
    """Make an agent ours: at its registered route, with the worker's checks instead of its own."""
    agent.route = "" if order["route"] == "/" else order["route"]
    agent._basic_auth = (placeholders.USER, placeholders.PASSWORD)
    agent._proxy_url_base = f"http://{placeholders.HOST}"
    agent._proxy_url_base_from_env = True
    notes.quieten(agent)
    agent.signing_key = None  # the worker knows the URL that was signed
    sessions = agent._session_manager
    sessions.secret_key = order.get("secret", sessions.secret_key)
    if "token_expiry_secs" not in getattr(agent, "_explicit_init_args", ()):
        sessions.token_expiry_secs = DAY_SECONDS  # an hour would end the functions of a long call
    for function in agent._tool_registry._swaig_functions.values():
        notes.trace(function)
    own_url(agent)


def own_url(agent: Any) -> None:
    """`get_full_url` is the agent's own address, also behind a proxy: there the SDK's leaves out the route."""
    if type(agent).get_full_url is not AgentBase.get_full_url:
        return

    def get_full_url(include_auth: bool = False) -> str:
        userinfo = f"{placeholders.USER}:{placeholders.PASSWORD}@" if include_auth else ""
        return f"http://{userinfo}{placeholders.HOST}{agent.route}"

    agent.get_full_url = get_full_url


def endpoints_of(agent: Any) -> dict[tuple[str, str], Endpoint]:
    """The SDK's endpoints by method and sub-path, with the names of the arguments that each takes."""
    found: dict[tuple[str, str], Endpoint] = {}
    for route in agent.as_router().routes:
        endpoint = getattr(route, "endpoint", None)
        if endpoint is None:
            continue
        wanted = tuple(name for name in inspect.signature(endpoint).parameters if name in ("request", "response"))
        for method in route.methods:
            found.setdefault((method, route.path.strip("/")), (endpoint, wanted))
    return found


class AgentHost(asyncio.Protocol):
    """One agent and the worker that asks it."""

    def __init__(self, agent: Any, order: Order, about: Head, begun: MutableSequence[int] | mmap.mmap = NOBODY_SEES):
        """`begun`: where the worker sees which requests have begun."""
        self.agent = agent
        self.begun = begun
        self.route = agent.route
        self.endpoints = endpoints_of(agent)
        self.about = about  # what is said first
        self.frames = Frames(self.take)
        self.tasks: set[asyncio.Task[None]] = set()
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that we are ready."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.say({"ready": True, **self.about})

    def data_received(self, data: bytes) -> None:
        """Requests."""
        self.frames.feed(data)

    def connection_lost(self, _error: Exception | None) -> None:
        """The worker is gone, or needs us no longer."""
        self.over.set()

    def say(self, head: Head, body: bytes = b"") -> None:
        """Send a message."""
        self.transport.write(frame(head, body))

    def take(self, head: Head, body: bytes) -> None:
        """A request, or the question whether we can still hear."""
        if "m" not in head:
            self.say({"i": head["i"]})
            return
        if "a" in head:
            if time.monotonic() - head["a"] > STALE_SECONDS:
                self.say({"i": head["i"], "late": True})
                return
            self.begun[head["b"]] = BEGUN
        task = asyncio.get_running_loop().create_task(self.answer(head, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, head: Head, body: bytes) -> None:
        """Answer one request, whatever the agent's code does."""
        noted = notes.Notes()
        notes.current.set(noted)
        try:
            response = await self.respond(head, body)
            content = await body_of(response)
            said: Head = {"s": response.status_code}
            if location := response.headers.get("location"):
                said["l"] = location
        except BaseException as error:  # noqa: BLE001 - also sys.exit and what its tasks were cancelled for
            noted.take(error)
            said, content = {"s": 0}, b""
        if noted.detail:
            said |= {"d": noted.detail, "t": noted.trace}
        if noted.exhausted:
            said["x"] = True
        self.say({"i": head["i"], **said}, content)

    async def respond(self, head: Head, body: bytes) -> Response:
        """What the SDK's endpoint for this method and sub-path answers."""
        found = self.endpoints.get((head["m"], head["p"]))
        if found is None:
            return Response(b'{"detail":"Not Found"}', 404)
        if head["p"] == "mcp" and not head.get("o"):
            locked = self.locked(body)
            if locked is not None:
                return Response(json.dumps(locked))
        endpoint, wanted = found
        request = self.request(head, body)
        given = {"request": request, "response": Response()}
        answer: Response = await endpoint(**{name: given[name] for name in wanted})
        return answer

    def request(self, head: Head, body: bytes) -> Request:
        """The request as the SDK takes it."""
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in head["h"] if name not in NOT_PASSED_ON
        ]
        path = f"{self.route}/{head['p']}" if head["p"] else self.route or "/"
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": head["m"],
            "scheme": "http",
            "server": (placeholders.HOST, 80),
            "client": None,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": head["q"].encode("latin-1"),
            "headers": [*headers, AUTHORIZATION],
            "state": {},
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        return Request(scope, receive)

    def locked(self, body: bytes) -> dict[str, Any] | None:
        """The answer to a client that calls a secure tool without a token of the operator's."""
        try:
            asked = json.loads(body)
        except ValueError:
            return None
        parameters = asked.get("params") if isinstance(asked, dict) else None
        name = parameters.get("name") if isinstance(parameters, dict) else None
        if not isinstance(name, str) or asked.get("method") != "tools/call" or asked.get("jsonrpc") != "2.0":
            return None
        tool = self.agent._mcp_tools().get(name)
        if tool is None or not getattr(tool, "secure", True):
            return None
        result = {"content": [{"type": "text", "text": LOCKED}], "isError": True}
        return {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}


async def body_of(response: Response) -> bytes:
    """A response's bytes."""
    if hasattr(response, "body_iterator"):
        parts = [part async for part in response.body_iterator]
        return b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
    return bytes(response.body)
