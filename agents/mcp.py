"""An agent's functions as tools of the Model Context Protocol: JSON-RPC 2.0 over POST, without sessions or streams.

Source: https://modelcontextprotocol.io/specification/2025-06-18 and, where it says less, docs/contract.md, 2.7. Actions
(SWAIG's `action`) mean something on a call only, so a tool's result is the text of the response.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from agents.definition import deeper_than
from agents.definition.templates import spoken
from agents.stored.arguments import MAX_DEPTH, TOO_DEEP
from agents.stored.functions import PreparedFunction, Result
from agents.tokens import FOR_MCP
from agents.wire import MALFORMED, AgentRequest, Answer

PROTOCOL = "2025-06-18"
SERVER_VERSION = "1.0.0"
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, REFUSED = -32700, -32600, -32601, -32602, -32000
FAILED = -32603
HOW_TO_OPEN = "This tool is secure: ask the operator for this agent's MCP URL with a token (manage.py mcp)."

Run = Callable[[PreparedFunction, dict[str, Any], bytes], Awaitable[Result]]


async def answer(request: AgentRequest, functions: Mapping[str, PreparedFunction], run: Run) -> Answer:
    """One JSON-RPC message. `run` calls a function with a SWAIG body, given parsed and as bytes."""
    body = request.body
    if not isinstance(body, dict):
        return failure(None, PARSE_ERROR, f"Parse error: {parse_error(request)}")
    message_id, method, parameters = id_of(body), body.get("method"), body.get("params") or {}
    if body.get("jsonrpc") != "2.0":
        return failure(message_id, INVALID_REQUEST, "Invalid JSON-RPC version")
    if "id" not in body:  # a notification, or an answer of the client: nothing is said to it
        return Answer(202, b"")
    if not isinstance(parameters, dict):
        return failure(message_id, INVALID_PARAMS, "params must be an object")
    if method == "initialize":
        about = {"name": request.agent, "version": SERVER_VERSION}
        return success(message_id, {"protocolVersion": PROTOCOL, "capabilities": {"tools": {}}, "serverInfo": about})
    if method in ("ping", "notifications/initialized"):
        return success(message_id, {})
    tools = {name: function for name, function in functions.items() if not function.elsewhere}
    if method == "tools/list":
        return success(message_id, {"tools": [listed(function) for function in tools.values()]})
    if method != "tools/call":
        return failure(message_id, NO_METHOD, f"Method not found: {spoken(method)[:100]}")
    name, arguments = parameters.get("name"), parameters.get("arguments") or {}
    function = tools.get(name) if isinstance(name, str) else None
    if function is None:
        return failure(message_id, INVALID_PARAMS, f"Unknown tool: {spoken(name)[:100]}")
    if not isinstance(arguments, dict):
        return failure(message_id, INVALID_PARAMS, "arguments must be an object")
    return await call(message_id, function, arguments, request, run)


async def call(
    message_id: Any, function: PreparedFunction, arguments: dict[str, Any], request: AgentRequest, run: Run
) -> Answer:
    """Run a tool. What goes wrong in it is a result that the model reads, not an error of the protocol."""
    if function.secure and request.claim != FOR_MCP:
        result = Result({"response": HOW_TO_OPEN}, "denied", "no MCP token")
    elif deeper_than(MAX_DEPTH + 1, arguments):  # as for a call; and what writes JSON gives up at 254 levels
        result = Result({"response": f"I can't do that: {TOO_DEEP}."}, "invalid_arguments", TOO_DEEP)
    else:
        text = orjson.dumps(arguments).decode()
        body = {
            "function": function.name,
            # Its own for each message: two equal orders are two, for the server and for its Idempotency-Key.
            "call_id": f"mcp-{secrets.token_urlsafe(12)}",
            "argument": {"parsed": [arguments], "raw": text},
        }
        result = await run(function, body, orjson.dumps(body))
    return tool_result(message_id, result, function.name)


def tool_result(message_id: Any, result: Result, function: str) -> Answer:
    """What a tool's result is over MCP."""
    response = result.answer["response"]
    if isinstance(response, dict):
        response = response.get("tool_result")
    content = {"content": [{"type": "text", "text": spoken(response)}], "isError": result.outcome != "ok"}
    return success(message_id, content)._replace(outcome=result.outcome, detail=result.detail, function=function)


def listed(function: PreparedFunction) -> dict[str, Any]:
    """A tool as tools/list shows it."""
    return {
        "name": function.name,
        "description": function.description,
        "inputSchema": orjson.Fragment(function.schema),
    }


def success(message_id: Any, result: dict[str, Any]) -> Answer:
    """An answer to a request."""
    return Answer(200, orjson.dumps({"jsonrpc": "2.0", "id": message_id, "result": result}))


def failure(message_id: Any, code: int, message: str, outcome: str = "invalid") -> Answer:
    """An error of the protocol; HTTP knows nothing of it."""
    error = {"code": code, "message": message}
    return Answer(200, orjson.dumps({"jsonrpc": "2.0", "id": message_id, "error": error}), outcome, message)


def paused(body: Any, agent: str) -> Answer:
    """What a client hears while the agent is paused."""
    return failure(id_of(body), REFUSED, f"{agent} is paused", "paused")


def failed(body: Any, detail: str) -> Answer:
    """What a client hears if we fail; `detail` is for the log."""
    return failure(id_of(body), FAILED, "Internal error", "error")._replace(detail=detail)


def id_of(body: Any) -> Any:
    """The id of a message, null if it has none that JSON-RPC allows: a text or a number."""
    message_id = body.get("id") if isinstance(body, dict) else None
    return None if isinstance(message_id, (dict, list)) else message_id


def parse_error(request: AgentRequest) -> str:
    """What is wrong with a body that is no JSON object, in the words of Python's parser, as the reference says it."""
    if request.body is not MALFORMED:
        return "the message must be one JSON object"
    try:
        json.loads(request.sent.raw)
    except (ValueError, RecursionError) as error:
        return str(error)
    return "the message is nested too deeply"
