"""Arguments of Python and remote agents' functions: checked and converted where the agent's source asks for that."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from agents import mcp
from agents.sources import FoundFunction
from agents.stored.arguments import (
    NESTED,
    Problems,
    arguments_of,
    as_sent,
    asking_again,
    fitted,
    is_right,
    validator_of,
    with_arguments,
)
from agents.stored.functions import Result, noted
from agents.wire import AgentRequest, Answer, function_of


class ArgumentChecks:
    """The functions of a Python or remote agent whose arguments are checked before they run."""

    __slots__ = ("schemas",)

    def __init__(self, functions: Mapping[str, FoundFunction]):
        self.schemas = {
            name: orjson.dumps(function.parameters) for name, function in functions.items() if is_usable(function)
        }

    async def answered(self, request: AgentRequest, ask: Callable[[AgentRequest], Awaitable[Answer]]) -> Answer:
        """What `ask` answers, with arguments as the schema says; else what the model is told of them.

        A request whose arguments are right, or that calls no function, goes on as it came, byte for byte.
        """
        called = self.called(request) if self.schemas and request.method == "POST" else None
        if called is None:
            return await ask(request)
        name, arguments = called
        schema = self.schemas.get(name)
        if schema is None or is_right(schema, arguments):
            return await ask(request)
        fit = fitted(schema, arguments)
        if fit.problems is not None:
            return refusal(request, name, fit.problems)
        body = with_fit(request, fit.arguments)
        if (raw := as_sent(body)) is None:
            return refusal(request, name, NESTED)
        answer = await ask(request._replace(body=body, sent=request.sent._replace(raw=raw)))
        return answer._replace(detail=noted(fit.note, answer.detail))

    def called(self, request: AgentRequest) -> tuple[str, dict[str, Any]] | None:
        """The function that a request calls, over SWAIG or MCP, and its arguments; None if it calls none."""
        body = request.body
        if function := function_of(request):
            return function, arguments_of(body)
        if request.sub_path != "mcp" or not isinstance(body, dict) or body.get("method") != "tools/call":
            return None
        if "id" not in body or body.get("jsonrpc") != "2.0":
            return None
        parameters = body.get("params")
        name = parameters.get("name") if isinstance(parameters, dict) else None
        arguments = (parameters.get("arguments") or {}) if isinstance(parameters, dict) else None
        return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def with_fit(request: AgentRequest, arguments: dict[str, Any]) -> dict[str, Any]:
    """The body of a call with other arguments."""
    body: dict[str, Any] = request.body
    if request.sub_path == "mcp":
        return {**body, "params": {**body["params"], "arguments": arguments}}
    return with_arguments(body, arguments)


def refusal(request: AgentRequest, name: str, problems: Problems) -> Answer:
    """What the model is told if the arguments are wrong, so that it can call again."""
    result = Result({"response": asking_again(name, problems)}, "invalid_arguments", str(problems))
    if request.sub_path == "mcp":
        return mcp.tool_result(mcp.id_of(request.body), result, name)
    return Answer(200, orjson.dumps(result.answer), result.outcome, result.detail, name)


def is_usable(function: FoundFunction) -> bool:
    """Whether its parameters are a JSON Schema of an object: nobody has checked that of an agent's own code."""
    try:
        validator_of(orjson.dumps(function.parameters))
    except (ValueError, TypeError):
        return False
    return isinstance(function.parameters.get("properties"), dict)
