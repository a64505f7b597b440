"""Through the dispatcher: functions that an author's server answers, and MCP; checks, and rows in the log."""

import json
from typing import Any
from uuid import UUID

import orjson
import pytest

from agents.mcp import HOW_TO_OPEN
from agents.stored.version import StoredVersion
from agents.tokens import FOR_MCP, MCP_CALL, TokenKey
from tests.agents.stored.test_handlers import Server
from tests.client import NOW, Client
from tests.registry.building import build_agent, build_table

FUNCTIONS = {
    "look_up": {
        "description": "Look it up",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
        "handler": {"webhook": {"url": "https://crm.example.com/hook"}},
    },
    "open_hours": {"description": "Hours", "secure": False, "handler": {"reply": "From 8 to 6."}},
    "secret": {"description": "Secret", "handler": {"reply": "The code is 4711."}},
}
DEFINITION = {"prompt": {"text": "You help."}, "functions": FUNCTIONS}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def client(server: Server | None = None, *, mcp: bool = True, paused: str = "") -> Client:
    """A client for the agent `shop` at /shop."""
    definition = {**DEFINITION, **({"mcp": True} if mcp else {})}
    agent = build_agent("shop", versions={1: definition}, paused=paused)
    return Client(build_table({"/shop": agent}), webhooks=server)


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """A message that calls a tool."""
    return {**PING, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def token(days: int = 1, agent: str = "shop") -> str:
    """What `manage.py mcp` issues."""
    expires = int(NOW) + days * 24 * 60 * 60
    return TokenKey("master", agent).mint(0, expires, [FOR_MCP], MCP_CALL)[0].decode()


def test_a_webhook_answers_a_function_call_and_the_log_says_so() -> None:
    server = Server({"response": "It is open.", "action": [{"say": "Welcome."}]})
    asking = client(server)
    functions = asking.get("/shop?call_id=C1").ai["SWAIG"]["functions"]
    response = asking.swaig(functions[0]["web_hook_url"], "look_up", day="Monday")
    assert (response.status, response.json) == (200, server.says)
    event = response.event
    assert (event["kind"], event["function"], event["outcome"]) == ("swaig", "look_up", "ok")
    assert event["detail"] == "by webhook"
    assert event["response"] == server.says
    body = {"function": "look_up", "call_id": "C1", "argument": {"parsed": [{"day": "Monday"}]}}
    told = {"X-Request-ID": str(UUID(event["id"]))}
    assert server.asked == [("shop", "https://crm.example.com/hook", told, json.dumps(body).encode(), None)]


def test_a_failing_webhook_is_a_safe_line_and_an_error_in_the_log() -> None:
    asking = client(Server("answered 503"))
    url = asking.get("/shop?call_id=C1").ai["SWAIG"]["functions"][0]["web_hook_url"]
    response = asking.swaig(url, "look_up", day="Monday")
    assert response.json == {"response": "I'm sorry, something went wrong on our side."}
    assert (response.event["outcome"], response.event["detail"]) == (
        "error",
        "webhook: https://crm.example.com/hook answered 503",
    )


def test_mcp_is_there_only_if_the_definition_says_so() -> None:
    asking = client(mcp=False)
    response = asking.post("/shop/mcp", PING)
    assert (response.status, response.json) == (404, {"detail": "Not Found"})
    assert response.event["steps"][-1] == {"rule": "mcp", "detail": "this agent offers no MCP", "ok": False}
    assert client().get("/shop/mcp").status == 404, "as in the reference: POST only"
    assert client().post("/shop/mcp", PING, auth=None).status == 401


def test_mcp_answers_as_the_reference_and_is_a_row_of_its_own_kind() -> None:
    response = client().post("/shop/mcp", PING)
    assert (response.status, response.json) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
    assert (response.event["kind"], response.event["outcome"], response.event["agent"]) == ("mcp", "ok", "shop")
    called = client().post("/shop/mcp", tool("open_hours"))
    assert called.json["result"] == {"content": [{"type": "text", "text": "From 8 to 6."}], "isError": False}
    assert (called.event["function"], called.event["outcome"]) == ("open_hours", "ok")
    broken = client().post("/shop/mcp", content=b"{bad")
    assert broken.json["error"]["code"] == -32700
    assert broken.event["outcome"] == "invalid"
    silent = client().post("/shop/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (silent.status, silent.body) == (202, b"")


def test_a_secure_tool_opens_with_the_agents_own_token_only() -> None:
    asking = client()
    denied = asking.post("/shop/mcp", tool("secret")).json["result"]
    assert denied == {"content": [{"type": "text", "text": HOW_TO_OPEN}], "isError": True}
    hook = asking.get("/shop?call_id=mcp").ai["SWAIG"]["functions"][2]["web_hook_url"].partition("__token=")[2]
    for wrong in ("x", token(days=-1), token(agent="other"), hook, token()[:-1]):
        response = asking.post(f"/shop/mcp?__token={wrong}", tool("secret"))
        assert response.json["result"] == denied, wrong
        assert response.event["outcome"] == "denied"
    opened = asking.post(f"/shop/mcp?__token={token()}", tool("secret"))
    assert opened.json["result"] == {"content": [{"type": "text", "text": "The code is 4711."}], "isError": False}
    assert token() not in json.dumps(opened.event)
    swaig = {"function": "secret", "call_id": "mcp", "argument": {"parsed": [{}]}}
    assert asking.post(f"/shop/swaig?__token={token()}", swaig).event["outcome"] == "denied", "it opens MCP only"


def test_a_paused_agent_offers_no_tools_meanwhile() -> None:
    response = client(paused="We are closed.").post("/shop/mcp", tool("open_hours"))
    assert response.status == 200
    assert response.json["error"] == {"code": -32000, "message": "shop is paused"}
    assert response.event["outcome"] == "paused"


@pytest.mark.parametrize("body", [[], [PING], 5, None, "x"])
def test_a_message_that_is_no_object_is_an_error_of_the_protocol(body: Any) -> None:
    response = client().post("/shop/mcp", body)
    assert response.status == 200
    assert response.json["error"]["code"] == -32700


def test_a_tool_that_a_webhook_answers_gets_a_swaig_body() -> None:
    server = Server({"response": "It is open."})
    response = client(server).post(f"/shop/mcp?__token={token()}", tool("look_up", day="Monday"))
    assert response.json["result"]["content"] == [{"type": "text", "text": "It is open."}]
    asked = orjson.loads(server.asked[0][3])
    assert asked.pop("call_id").startswith("mcp-")
    assert asked == {"function": "look_up", "argument": {"parsed": [{"day": "Monday"}], "raw": '{"day":"Monday"}'}}


def test_a_bug_of_ours_is_an_error_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_arguments: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(StoredVersion, "answer", broken)
    for message_id, expected in ((7, 7), ("x", "x"), ([1], None)):
        response = client().post("/shop/mcp", {**PING, "id": message_id})
        error = {"code": -32603, "message": "Internal error"}
        assert (response.status, response.json) == (200, {"jsonrpc": "2.0", "id": expected, "error": error})
        assert (response.event["outcome"], response.event["kind"]) == ("error", "mcp")
        assert response.event["detail"] == "an error of ours, see the server's log"
