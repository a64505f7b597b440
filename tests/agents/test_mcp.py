"""An agent's functions over the Model Context Protocol, as the reference answers, but secure ones only with a token."""

import re
from typing import Any

import orjson
import pytest

from agents.definition import AgentDefinition
from agents.mcp import HOW_TO_OPEN
from agents.outbound.client import request_headers
from agents.stored.arguments import MAX_DEPTH, TOO_DEEP
from agents.stored.version import StoredVersion
from agents.tokens import FOR_MCP
from agents.wire import MALFORMED
from tests.agents.building import ENVIRONMENT, KEY, answer, request
from tests.agents.stored.test_handlers import Server

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer"}}, "required": ["a"]}
FUNCTIONS = {
    "secure_fn": {"description": "secure", "parameters": SCHEMA, "handler": {"reply": "secure ${args.a}"}},
    "insecure_fn": {
        "description": "insecure",
        "parameters": SCHEMA,
        "secure": False,
        "handler": {"reply": "got ${args.a}", "actions": [{"hangup": True}]},
    },
    "external_fn": {"description": "ext", "handler": {"webhook": {"url": "https://ext.example.com", "direct": True}}},
    "weather": {"description": "w", "handler": {"data_map": {"output": {"response": "ok"}}}},
    "asked": {"description": "asked", "secure": False, "handler": {"webhook": "https://crm.example.com/hook"}},
}
AGENT = StoredVersion(
    7, AgentDefinition.read({"prompt": {"text": "x"}, "functions": FUNCTIONS, "mcp": True}), KEY, ENVIRONMENT
)


def rpc(body: Any, raw: bytes = b"", **others: Any) -> tuple[int, Any]:
    """Status and JSON of the answer to a message."""
    answered = answer(AGENT, request("mcp", "POST", body, raw=raw, **others))
    return answered.status, orjson.loads(answered.body) if answered.body else None


def message(method: str, **parameters: Any) -> dict[str, Any]:
    """A request with the id 1."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}


def result(method: str, parameters: dict[str, Any] | None = None, **others: Any) -> Any:
    """The result of a request."""
    status, reply = rpc(message(method, **(parameters or {})), **others)
    assert status == 200
    assert (reply["jsonrpc"], reply["id"]) == ("2.0", 1)
    return reply["result"]


def test_a_client_is_greeted_as_by_the_reference() -> None:
    assert result("initialize", {"protocolVersion": "2025-06-18", "clientInfo": {"name": "c"}}) == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "booking-desk", "version": "1.0.0"},
    }
    assert result("ping") == {}


def test_tools_are_the_functions_that_run_here() -> None:
    tools = result("tools/list")["tools"]
    assert [tool["name"] for tool in tools] == ["secure_fn", "insecure_fn", "asked"]
    assert tools[0] == {"name": "secure_fn", "description": "secure", "inputSchema": SCHEMA}
    assert tools[2]["inputSchema"] == {"type": "object", "properties": {}}


def test_a_tool_answers_with_the_text_of_its_response() -> None:
    called = result("tools/call", {"name": "insecure_fn", "arguments": {"a": "1"}})
    assert called == {"content": [{"type": "text", "text": "got 1"}], "isError": False}


def test_wrong_arguments_are_an_error_that_the_model_can_read() -> None:
    called = result("tools/call", {"name": "insecure_fn", "arguments": {"n": 5}})
    assert called["isError"] is True
    assert "a is missing" in called["content"][0]["text"]


def test_a_secure_tool_needs_a_token() -> None:
    parameters = {"name": "secure_fn", "arguments": {"a": "1"}}
    assert result("tools/call", parameters) == {"content": [{"type": "text", "text": HOW_TO_OPEN}], "isError": True}
    opened = result("tools/call", parameters, claim=FOR_MCP)
    assert opened == {"content": [{"type": "text", "text": "secure 1"}], "isError": False}


@pytest.mark.parametrize(
    ("says", "text", "is_error"),
    [
        ({"response": "Booked.", "action": [{"say": "x"}]}, "Booked.", False),
        ({"response": {"tool_result": "r", "tool_prompt": "p"}}, "r", False),
        ("answered 503", "I'm sorry, something went wrong on our side.", True),
    ],
)
def test_a_webhook_is_a_tool_as_well(says: Any, text: str, is_error: bool) -> None:
    server = Server(says)
    called = result("tools/call", {"name": "asked", "arguments": {"a": 1}}, webhooks=server)
    assert called == {"content": [{"type": "text", "text": text}], "isError": is_error}
    sent = orjson.loads(server.asked[0][3])
    assert re.fullmatch(r"mcp-[\w-]{16}", sent.pop("call_id"))
    assert sent == {"function": "asked", "argument": {"parsed": [{"a": 1}], "raw": '{"a":1}'}}


def test_two_equal_calls_are_two_for_a_webhook() -> None:
    server = Server({"response": "Ordered."})
    for _ in range(2):
        result("tools/call", {"name": "asked", "arguments": {"item": "pizza"}}, webhooks=server)
    keys = {request_headers(headers, body)["Idempotency-Key"] for _, _, headers, body, _ in server.asked}
    assert len(keys) == 2


@pytest.mark.parametrize("levels", [16, 17, 100, 251, 252, 400])
@pytest.mark.parametrize("name", ["asked", "insecure_fn"])
def test_arguments_are_nested_so_deep_and_no_deeper(name: str, levels: int) -> None:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    called = result(
        "tools/call", {"name": name, "arguments": {"a": "1", "b": value}}, webhooks=Server({"response": "y"})
    )
    assert called["isError"] == (levels > MAX_DEPTH)
    assert (TOO_DEEP in called["content"][0]["text"]) == (levels > MAX_DEPTH)


@pytest.mark.parametrize("strange", [[], {}, {"a": 1}])
def test_an_id_that_is_no_id_is_not_sent_back(strange: Any) -> None:
    deep = strange
    for _ in range(300):
        deep = [deep]
    for message_id in (strange, deep):
        assert rpc({**message("ping"), "id": message_id}) == (200, {"jsonrpc": "2.0", "id": None, "result": {}})


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (message("tools/call", name="zzz"), -32602, "Unknown tool: zzz"),
        (message("tools/call", name="weather"), -32602, "Unknown tool: weather"),
        (message("tools/call", name=["x"]), -32602, 'Unknown tool: ["x"]'),
        (message("tools/call", name="asked", arguments=[1]), -32602, "arguments must be an object"),
        ({**message("ping"), "params": [1]}, -32602, "params must be an object"),
        (message("resources/list"), -32601, "Method not found: resources/list"),
        ({**message("ping"), "method": None}, -32601, "Method not found: "),
        ({**message("ping"), "jsonrpc": "1.0"}, -32600, "Invalid JSON-RPC version"),
        ([message("ping")], -32700, "Parse error: the message must be one JSON object"),
        (None, -32700, "Parse error: the message must be one JSON object"),
    ],
)
def test_an_error_of_the_protocol_is_a_200_with_its_code(body: Any, code: int, text: str) -> None:
    status, reply = rpc(body)
    assert status == 200
    assert reply["error"] == {"code": code, "message": text}


def test_a_body_that_is_no_json_is_a_parse_error_in_the_words_of_the_reference() -> None:
    assert rpc(MALFORMED, b"{bad") == (200, {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32700,
            "message": "Parse error: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        },
    })  # fmt: skip


def test_a_notification_is_taken_and_not_answered() -> None:
    assert rpc({"jsonrpc": "2.0", "method": "notifications/initialized"}) == (202, None)


def test_a_tools_arguments_are_converted() -> None:
    called = result("tools/call", {"name": "insecure_fn", "arguments": {"a": 5, "n": None}})
    assert called == {"content": [{"type": "text", "text": "got 5"}], "isError": False}
