"""What is sent to a remote agent's server, and what becomes of its answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from agents.remote.client import RemoteLimits
from agents.remote.runner import Remotes
from agents.safe_answers import SAFE_DOCUMENT
from agents.stored.functions import SAFE_LINE, UNREACHABLE_REPLY
from agents.tokens import FOR_MCP
from agents.wire import MALFORMED, Answer
from tests.agents.building import ai_of
from tests.agents.outbound.webhook_server import after_request, answer, hang, serve
from tests.agents.remote.building import (
    HERE,
    OURS,
    UPSTREAM,
    as_answer,
    asked,
    call,
    clean,
    document,
    made,
    own,
    routes,
    serve_all,
    source,
)

SAID = {"response": "nine to five"}
DENIED = "I'm sorry, the security token for this function is invalid or expired. I cannot execute this action."
JSON_RPC = {"jsonrpc": "2.0", "id": 1}


@pytest.fixture
async def remotes() -> AsyncIterator[Remotes]:
    """A runner that may reach this machine."""
    runner = Remotes(HERE)
    yield runner
    await runner.close()


async def one_answer(remotes: Remotes, path: str, data: Any, request: Any, **words: Any) -> Answer:
    """What becomes of one answer of a server."""
    async with serve(routes({path: data if isinstance(data, bytes) else as_answer(data)})) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales", **words))
        serve_all(remotes, version)
        return clean(await version.answer(request), server)


def line_of(answered: Answer) -> Any:
    return orjson.loads(answered.body)["response"]


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_request_goes_on_with_the_servers_credentials_and_nothing_of_the_senders(remotes: Remotes) -> None:
    async with serve(routes({"/sales/swaig": as_answer(SAID)})) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales"), number=2)
        given = {
            b"cookie": b"c=1",
            b"x-forwarded-host": b"us",
            b"authorization": b"Basic ours",
            b"content-type": b"application/json",
        }
        request = call(
            "hours",
            headers=given,
            query_string=b"__token=T%20&__version=2&x=1",
            headers_onward=lambda: {"X-Request-ID": "R1", "traceparent": "00-1-2-01"},
        )
        request = request._replace(sent=request.sent._replace(raw=b'{"function":  "hours"}'))
        assert await version.answer(request) == Answer(200, orjson.dumps(SAID), function="hours")
        (sent,) = server.requests
    assert sent.line == "POST /sales/swaig?__token=T%20&x=1 HTTP/1.1"
    assert sent.body == b'{"function":  "hours"}'
    assert sent.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "Basic dXA6czNjcjN0L3BAc3M=",
        "content-type": "application/json",
        "content-length": "22",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "Switchboard",
        "x-request-id": "R1",
        "traceparent": "00-1-2-01",
    }


async def test_each_sub_path_is_asked_for_where_it_is(remotes: Remotes) -> None:
    async with serve(routes({})) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales"))
        root = made(remotes, source(f"http://127.0.0.1:{server.port}"), agent="root")
        for request in (
            asked(),
            asked("", {"call": {}}),
            asked("debug"),
            asked("post_prompt", {}),
            asked("check_for_input", query_string=b"conversation_id=1"),
            asked("debug_events", {"a": 1}),
            asked("mcp", {**JSON_RPC, "method": "ping"}, query_string=b"__token=ours"),
        ):
            await version.answer(request)
        await root.answer(asked(upstream=""))
        lines = [request.line.removesuffix(" HTTP/1.1") for request in server.requests]
        assert "authorization" not in server.requests[-1].headers
    assert lines == [
        "GET /sales",
        "POST /sales",
        "GET /sales/debug",
        "POST /sales/post_prompt",
        "GET /sales/check_for_input?conversation_id=1",
        "POST /sales/debug_events",
        "POST /sales/mcp",
        "GET /",
    ]


async def test_a_path_is_sent_encoded(remotes: Remotes) -> None:
    async with serve(routes({})) as server:
        for path in ("/caf\u00e9", "/caf%C3%A9"):
            version = made(remotes, source(f"http://127.0.0.1:{server.port}{path}"), agent=path)
            await version.answer(asked("debug", query_string=b"a=%20+"))
        assert {request.line for request in server.requests} == {"GET /caf%C3%A9/debug?a=%20+ HTTP/1.1"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked("", [])._replace(body=[]), 400),
        (asked("debug_events", {})._replace(body=MALFORMED), 400),
        (asked("swaig", {"function": 5}), 400),
        (asked("swaig", {})._replace(body=MALFORMED), 400),
    ],
)
async def test_what_cannot_be_a_request_is_not_sent(remotes: Remotes, request_: Any, status: int) -> None:
    async with serve(routes({})) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales"))
        answered = await version.answer(request_)
        assert (answered.status, answered.outcome, server.requests) == (status, "invalid", [])


# --- documents --------------------------------------------------------------------------------------------------------


async def test_a_document_is_ours(remotes: Remotes) -> None:
    async with serve(routes({})) as placeless:
        port = placeless.port
    found = document(port, "", post_prompt_url=own(3000, "/post_prompt/?__token=T2"))
    answered = await one_answer(remotes, "GET /sales", found, asked(), found={"origins": ["http://127.0.0.1:3000"]})
    ai = ai_of(orjson.loads(answered.body))
    assert ai["post_prompt_url"] == f"{OURS}/post_prompt/?__token=T2"
    assert ai["SWAIG"]["defaults"]["web_hook_url"] == f"{OURS}/swaig/"
    assert ai["SWAIG"]["functions"][0]["web_hook_url"] == f"{OURS}/swaig/?__token=T1"
    assert (answered.status, answered.outcome, answered.detail) == (200, "ok", "")


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (as_answer(b"<html>"), "not a SWML document"),
        (as_answer({"error": "Invalid route"}), "not a SWML document"),
        (as_answer({"detail": "x"}, "401 Unauthorized"), "rejected our credentials (401)"),
        (as_answer({"detail": "x"}, "403 Forbidden"), "refused the request (403)"),
        (as_answer({"detail": "x"}, "404 Not Found"), "has no agent at this path (404)"),
        (as_answer({"error": UPSTREAM}, "500 No"), "failed (500)"),
        (as_answer({"version": "1", "sections": {"main": [{"x": f"{UPSTREAM}@"}]}}), "cannot be replaced"),
        (as_answer({"x": "y" * 600_000}), "answered more than"),
        (answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "compressed"),
    ],
)
async def test_a_caller_hears_an_apology_instead_of_a_bad_document(remotes: Remotes, data: bytes, detail: str) -> None:
    answered = await one_answer(remotes, "POST /sales", data, asked("", {"call": {"call_id": "C7"}}))
    assert (answered.status, answered.body, answered.outcome) == (200, SAFE_DOCUMENT, "error")
    assert detail in answered.detail


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("nine to five", "ok"),
        (DENIED, "denied"),
        ("Function 'hours' not found", "not_found"),
    ],
)
async def test_a_functions_answer_says_what_became_of_it(remotes: Remotes, said: str, outcome: str) -> None:
    answered = await one_answer(remotes, "/sales/swaig", {"response": said}, call("hours"))
    assert (answered.status, line_of(answered), answered.outcome, answered.function) == (200, said, outcome, "hours")


async def test_what_an_exception_says_is_for_the_log(remotes: Remotes) -> None:
    text = f"Error executing function 'hours': no connection to http://{UPSTREAM}@127.0.0.1:9/sales/x"
    answered = await one_answer(remotes, "/sales/swaig", {"response": text}, call("hours"))
    assert (line_of(answered), answered.outcome) == (SAFE_LINE, "error")
    assert answered.detail == "no connection to /sales/x"


async def test_transfers_lead_to_agents_that_are_here(remotes: Remotes) -> None:
    def moving(dest: str) -> bytes:
        return as_answer({"response": "Bye", "action": [{"SWML": {"transfer": {"dest": dest}}}]})

    dests: list[str] = []
    async with serve(routes({"/sales/swaig": lambda _query, _body: moving(dests[-1])})) as server:
        base = f"http://127.0.0.1:{server.port}"
        version = made(remotes, source(f"{base}/sales"))
        serve_all(remotes, version, made(remotes, source(f"{base}/billing"), agent="billing"))
        for dest, ours in (
            (f"{base}/billing", "https://u:p@voice.example.com/billing"),
            (own(server.port, "/billing/"), "https://u:p@voice.example.com/billing"),
            (f"{base}/sales", OURS),
            ("https://elsewhere.example/x", "https://elsewhere.example/x"),
            ("sip:a@b.example", "sip:a@b.example"),
        ):
            dests.append(dest)
            answered = clean(await version.answer(call("hours")), server)
            assert orjson.loads(answered.body)["action"][0]["SWML"]["transfer"]["dest"] == ours
        dests.append(f"{base}/vip")
        answered = clean(await version.answer(call("hours")), server)
    assert line_of(answered) == UNREACHABLE_REPLY
    assert (answered.outcome, answered.detail.rpartition(" ")[2]) == ("error", "/vip")


async def test_an_address_that_is_only_told_costs_no_answer(remotes: Remotes) -> None:
    told: list[str] = []
    async with serve(routes({"/sales/swaig": lambda _query, _body: as_answer({"response": told[-1]})})) as server:
        base = f"http://127.0.0.1:{server.port}"
        version = made(remotes, source(f"{base}/sales"))
        serve_all(remotes, version)
        told.append(f"Our prices are at {base}/prices.")
        answered = clean(await version.answer(call("hours")), server)
    assert answered.outcome == "ok"
    assert line_of(answered) == "Our prices are at https://voice.example.com/prices."


@pytest.mark.parametrize(
    "data",
    [
        as_answer(b"Internal Server Error", "500 No"),
        as_answer({"detail": "x"}, "401 No"),
        as_answer({"error": "Unauthorized"}, "403 No"),
        as_answer({"detail": "x"}, "404 No"),
        as_answer([1]),
        as_answer(b"plain"),
        as_answer(b"", "307 Moved", "Location: /sales/swaig/"),
        as_answer({"response": f"call {UPSTREAM}@"}),
        as_answer({"response": "y" * 300_000}),
        b"not http\r\n\r\n",
    ],
)
async def test_a_caller_hears_a_safe_line_instead_of_a_bad_answer(remotes: Remotes, data: bytes) -> None:
    answered = await one_answer(remotes, "/sales/swaig", data, call("hours"))
    assert (answered.status, line_of(answered), answered.outcome) == (200, SAFE_LINE, "error")
    assert answered.function == "hours"
    assert answered.detail


@pytest.mark.parametrize(
    ("sub_path", "status", "body", "outcome"),
    [
        ("post_prompt", "200 OK", {"success": True}, "ok"),
        ("post_prompt", "403 No", {"error": "Invalid or missing token"}, "denied"),
        ("post_prompt", "400 No", {"error": "The call_id in the URL and the body differ"}, "invalid"),
        ("check_for_input", "400 No", {"error": "Invalid conversation_id format"}, "invalid"),
        ("swaig", "400 No", {"error": "Invalid function name format: 'a-b'"}, "invalid"),
    ],
)
async def test_what_a_server_says_of_the_request_goes_back(
    remotes: Remotes, sub_path: str, status: str, body: Any, outcome: str
) -> None:
    request = call("hours")._replace(sub_path=sub_path)
    answered = await one_answer(remotes, f"/sales/{sub_path}", as_answer(body, status), request)
    assert (answered.status, orjson.loads(answered.body)) == (int(status[:3]), body)
    assert (answered.outcome, answered.detail) == (outcome, body.get("error", ""))


async def test_other_requests_of_a_call_fail_with_503(remotes: Remotes) -> None:
    answered = await one_answer(remotes, "/none", {}, asked("post_prompt", {}))
    assert (answered.status, answered.outcome) == (503, "error")
    assert answered.body == b'{"error":"Temporarily unavailable"}'


# --- MCP --------------------------------------------------------------------------------------------------------------


async def test_secure_tools_need_our_token(remotes: Remotes) -> None:
    result = {**JSON_RPC, "result": {"content": []}}

    def tool(name: str, **others: Any) -> Any:
        return asked("mcp", {**JSON_RPC, "method": "tools/call", "params": {"name": name}}, **others)

    async with serve(routes({"/sales/mcp": as_answer(result)})) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales"))
        denied = await version.answer(tool("price"))
        unknown = await version.answer(tool("nothing"))
        assert not server.requests
        assert orjson.loads((await version.answer(tool("price", claim=FOR_MCP))).body) == result
        assert orjson.loads((await version.answer(tool("hours"))).body) == result
    assert (denied.outcome, denied.function) == ("denied", "price")
    assert orjson.loads(unknown.body)["error"] == {"code": -32602, "message": "Unknown tool: nothing"}


async def test_a_tools_exception_is_for_the_log(remotes: Remotes) -> None:
    failed = {**JSON_RPC, "result": {"content": [{"type": "text", "text": "Error: no database"}], "isError": True}}
    message = {**JSON_RPC, "method": "tools/call", "params": {"name": "hours"}}
    answered = await one_answer(remotes, "/sales/mcp", failed, asked("mcp", message))
    assert orjson.loads(answered.body)["result"]["content"][0]["text"] == SAFE_LINE
    assert (answered.outcome, answered.detail, answered.function) == ("error", "no database", "hours")


async def test_an_mcp_client_hears_of_a_failure_in_its_own_protocol(remotes: Remotes) -> None:
    answered = await one_answer(remotes, "/none", {}, asked("mcp", {**JSON_RPC, "method": "tools/list"}))
    assert orjson.loads(answered.body)["error"]["code"] == -32603
    assert answered.outcome == "error"


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "ours", "outcome"),
    [
        ("/billing", "/billing", "redirect"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x", "redirect"),
        ("/nobody", "", "error"),
        ("/sales/", "", "error"),
        ("", "", "error"),
    ],
)
async def test_a_routing_callback_leads_to_agents_that_are_here(
    remotes: Remotes, location: str, ours: str, outcome: str
) -> None:
    moved = as_answer(b"", "307 Moved", *([f"Location: {location}"] if location else []))
    async with serve(routes({"POST /sales": moved})) as server:
        base = f"http://127.0.0.1:{server.port}"
        version = made(remotes, source(f"{base}/sales"))
        serve_all(remotes, version, made(remotes, source(f"{base}/billing"), agent="billing"))
        answered = clean(await version.answer(asked("", {"call": {}})), server)
    assert (answered.location, answered.outcome) == (ours, outcome)
    assert answered.status == (307 if ours else 200)


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_time_runs_out(remotes: Remotes) -> None:
    async with serve(after_request(hang)) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales", seconds=0.05, document_seconds=0.04))
        assert "timed out after 0.05 seconds" in (await version.answer(call("hours"))).detail
        assert "timed out after 0.04 seconds" in (await version.answer(asked())).detail


async def test_requests_at_once_are_limited_per_agent() -> None:
    remotes = Remotes(RemoteLimits(running=1, allowed_hosts=("127.0.0.1",)))
    async with serve(after_request(hang)) as server:
        version = made(remotes, source(f"http://127.0.0.1:{server.port}/sales"))
        first = asyncio.create_task(version.answer(call("hours")))
        await server.arrived.get()
        second = await version.answer(call("hours"))
        assert (line_of(second), second.outcome) == (SAFE_LINE, "error")
        assert "1 requests to this agent are running already" in second.detail
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert not remotes.running
    await remotes.close()


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("private", "address", "detail"),
    [
        (False, "127.0.0.1", "is at 127.0.0.1, which is not a public address"),
        (True, "169.254.169.254", "is at 169.254.169.254, which is not a public address"),
        (True, "127.0.0.1", ""),
    ],
)
async def test_a_name_that_moves_inside_is_not_followed_there(private: bool, address: str, detail: str) -> None:
    remotes = Remotes(RemoteLimits(), resolve=lambda _host: [address])
    async with serve(routes({"/sales/swaig": as_answer(SAID)})) as server:
        remote = source(f"http://agents.example.com:{server.port}/sales", found={"private": private})
        answered = await made(remotes, remote).answer(call("hours"))
        assert len(server.requests) == (0 if detail else 1)
    assert detail in answered.detail
    assert answered.outcome == ("error" if detail else "ok")
    await remotes.close()
