"""What an answer of the SDK means: a refused token, an unknown function, an exception that must not be read aloud."""

from typing import Any

import orjson

from agents import mcp
from agents.safe_answers import apology_to
from agents.stored.functions import SAFE_LINE
from agents.wire import AgentRequest, Answer, body_fault, fault, function_of

DENIED = "I'm sorry, the security token for this function is invalid or expired. I cannot execute this action."
FAILED = "Error executing function '"  # what signalwire.core.mixins.tool_mixin says before an exception's text
OUTCOMES = {400: "invalid", 403: "denied", 404: "not_found", 405: "invalid", 413: "invalid", 415: "invalid"}


def refused(request: AgentRequest) -> Answer | None:
    """What no SDK agent is sent (docs/wire.md, "Where we differ"): bodies of which it makes a 500, or nothing."""
    if request.method != "POST":
        return None
    if request.sub_path == "swaig":
        return None if function_of(request) else fault(400, "Missing function name")
    return None if request.sub_path in ("post_prompt", "check_for_input", "mcp") else body_fault(request.body)


def judged(request: AgentRequest, status: int, body: bytes) -> Answer:
    """The answer to pass on, with its outcome for the routing log. An exception's text becomes a safe line."""
    if request.method == "POST" and request.sub_path == "swaig":
        return of_function(request, status, body)
    if request.method == "POST" and request.sub_path == "mcp":
        return of_mcp(request, status, body)
    allow = "POST" if status == 405 else ""
    return Answer(status, body, OUTCOMES.get(status, "ok"), said(body) if status >= 400 else "", allow=allow)


def of_function(request: AgentRequest, status: int, body: bytes) -> Answer:
    """A function's answer."""
    name = function_of(request)
    value = parsed(body)
    if not isinstance(value, dict):
        return apology_to(request, "it answered something that is no JSON object")._replace(function=name)
    if status >= 400:
        return Answer(status, body, OUTCOMES.get(status, "invalid"), said(body), name)
    response = value.get("response")
    if response == DENIED:
        return Answer(status, body, "denied", "no valid token for this function and call", name)
    if response == f"Function '{name}' not found":
        return Answer(status, body, "not_found", response, name)
    if isinstance(response, str) and response.startswith(FAILED) and "action" not in value:
        return apology_to(request, response.partition("': ")[2])._replace(function=name)
    return Answer(status, body, function=name)


def of_mcp(request: AgentRequest, status: int, body: bytes) -> Answer:
    """An answer to a client of the Model Context Protocol: errors and failed tools are seen, texts stay."""
    asked = request.body if isinstance(request.body, dict) else {}
    parameters = asked.get("params")
    name = parameters.get("name") if isinstance(parameters, dict) else ""
    name = name if isinstance(name, str) and asked.get("method") == "tools/call" else ""
    value = parsed(body)
    value = value if isinstance(value, dict) else {}
    error, result = value.get("error"), value.get("result")
    if isinstance(error, dict):
        return Answer(status, body, "invalid", str(error.get("message", "")), name)
    if isinstance(result, dict) and result.get("isError"):
        return failed_tool(asked, result, name)
    return Answer(status, body, OUTCOMES.get(status, "ok"), function=name)


def failed_tool(asked: dict[str, Any], result: dict[str, Any], name: str) -> Answer:
    """A tool that has failed, without its exception's text, or was refused."""
    content = result.get("content")
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    text = str(first.get("text", ""))
    if text == mcp.HOW_TO_OPEN:
        answer, outcome, detail = text, "denied", "no MCP token"
    else:
        answer, outcome, detail = SAFE_LINE, "error", text.removeprefix("Error: ")
    told = {"content": [{"type": "text", "text": answer}], "isError": True}
    return mcp.success(mcp.id_of(asked), told)._replace(outcome=outcome, detail=detail, function=name)


def parsed(body: bytes) -> Any:
    """The JSON value of an answer, None if it is none."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def said(body: bytes) -> str:
    """What an error says."""
    value = parsed(body)
    text = value.get("error", value.get("detail", "")) if isinstance(value, dict) else ""
    return text if isinstance(text, str) else ""
