"""Servers of remote agents for tests, and what is asked of them in one line each."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from agents.remote.client import RemoteLimits
from agents.remote.runner import Remotes
from agents.remote.source import RemoteSource
from agents.remote.version import RemoteVersion
from agents.runners import Making, Served
from agents.sources import Found, FoundFunction
from agents.tokens import TokenKey
from agents.wire import AgentRequest, Answer
from tests.agents.building import request
from tests.agents.outbound.webhook_server import Behaviour, Peer, Server, answer

USER, PASSWORD = "up", "s3cr3t/p@ss"
UPSTREAM = f"{USER}:{PASSWORD}"
KEY = TokenKey("master", "booking-desk")
HERE = RemoteLimits(allowed_hosts=("127.0.0.1",))
OURS = "https://u:p@voice.example.com/clinic/booking"
SECRETS = (PASSWORD, "s3cr3t%2Fp%40ss", base64.b64encode(UPSTREAM.encode()).decode())

Route = Callable[[str, bytes], bytes] | bytes


def own(port: int, path: str) -> str:
    """A URL as the server writes it: with its credentials, which the SDK does not escape."""
    return f"http://{UPSTREAM}@127.0.0.1:{port}{path}"


def document(port: int, path: str = "/sales", **ai: Any) -> dict[str, Any]:
    """A document as the SDK writes it."""
    functions = [
        {"function": "price", "description": "What it costs", "parameters": {"type": "object", "properties": {}},
         "web_hook_url": own(port, f"{path}/swaig/?__token=T1")},
        {"function": "hours", "description": "When", "parameters": {"type": "object", "properties": {}}},
    ]  # fmt: skip
    swaig = {"functions": functions, "defaults": {"web_hook_url": own(port, f"{path}/swaig/")}}
    verb = {"ai": {"prompt": {"text": "You sell."}, "SWAIG": swaig, **ai}}
    return {"version": "1.0.0", "sections": {"main": [{"answer": {}}, verb]}}


def as_answer(value: Any, status: str = "200 OK", *headers: str) -> bytes:
    """JSON over HTTP."""
    return answer(value if isinstance(value, bytes) else orjson.dumps(value), status, *headers)


def routes(by_path: Mapping[str, Route]) -> Behaviour:
    """Answers by `METHOD /path` or `/path`; 404 for others. A function gets the query and the body."""

    async def behave(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            method, target, _ = asked.line.split()
            path, _, query = target.partition("?")
            found = by_path.get(f"{method} {path}", by_path.get(path, as_answer({"detail": "Not Found"}, "404 No")))
            await peer.send(found(query, asked.body) if callable(found) else found)

    return behave


def source(*urls: str, **words: Any) -> RemoteSource:
    """A source that was looked at."""
    found = Found(
        functions={"price": FoundFunction(), "hours": FoundFunction(secure=False)},
        mcp=True,
        **words.pop("found", {}),
    )
    return RemoteSource(url=urls[0], more_urls=list(urls[1:]), found=found, **words)


def made(remotes: Remotes, remote: RemoteSource, *, agent: str = "booking-desk", number: int = 1) -> RemoteVersion:
    """A version that answers."""
    return remotes.version(remote, Making(agent, "/clinic/booking", number, number, KEY))


def serve_all(remotes: Remotes, *versions: RemoteVersion) -> None:
    """These are live from now on."""
    remotes.follow([Served(version.agent, True, version, UPSTREAM) for version in versions])


def asked(sub_path: str = "", body: Any = None, **others: Any) -> AgentRequest:
    """A request to the agent; a POST if there is a body."""
    raw = b"" if body is None else orjson.dumps(body)
    return request(
        sub_path,
        "GET" if body is None else "POST",
        body,
        **{
            "raw": raw,
            "upstream": UPSTREAM,
            "headers": {b"content-type": b"application/json; charset=utf-8", b"authorization": b"Basic ours"},
            **others,
        },
    )


def call(function: str, **others: Any) -> AgentRequest:
    """A function's request."""
    return asked("swaig", {"function": function, "call_id": "C7", "argument": {"parsed": [{}]}}, **others)


def clean(answered: Answer, *servers: Server) -> Answer:
    """An answer in which nothing of the servers is to be seen."""
    text = answered.body.decode() + answered.location + answered.detail.partition(" ")[2]
    for secret in SECRETS:
        assert secret not in text
        assert secret not in answered.detail
    for server in servers:
        assert f"127.0.0.1:{server.port}" not in answered.body.decode() + answered.location
    return answered
