"""Agents that are built here: one prepared version of a definition answers for itself."""

import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson

from agents import mcp
from agents.definition import FUNCTION_NAME, AgentDefinition
from agents.errors import WebhookFailed
from agents.stored.arguments import NESTED, arguments_of, as_sent, asking_again, with_arguments
from agents.stored.functions import CONVERTED, SAFE_LINE, PreparedFunction, Result, noted
from agents.swml.document import PreparedDocument
from agents.tokens import FOR_POST_PROMPT, TOKEN_SECONDS, TokenKey, for_function
from agents.wire import MALFORMED, NO_PATHS, AgentRequest, Answer, AtOnce, body_fault, fault

CONVERSATION_ID = re.compile(r"[A-Za-z0-9._-]{1,256}\Z")
DENIED = orjson.dumps(
    {"response": "I'm sorry, the security token for this function is invalid or expired. I cannot execute this action."}
)


class StoredVersion:
    """One version of a stored agent, ready to answer."""

    __slots__ = ("functions", "key", "mcp", "number", "prepared", "safe_line")
    kind = AgentDefinition.KIND
    by_mark = False
    paths = NO_PATHS

    def __init__(self, number: int, definition: AgentDefinition, key: TokenKey, environment: Mapping[str, str]):
        """`environment`: the variables that definitions may refer to."""
        self.number = number
        self.key = key
        self.prepared = PreparedDocument(definition, environment)
        self.functions = {
            name: PreparedFunction(name, function, environment) for name, function in definition.functions.items()
        }
        self.safe_line = definition.safe_line or SAFE_LINE
        self.mcp = definition.mcp

    @property
    def at_once(self) -> AtOnce:
        """Itself: it asks nobody else, but for webhooks."""
        return self

    def answer(self, request: AgentRequest) -> Answer | Coroutine[Any, Any, Answer]:
        """Answer a request to this agent, whatever its sub-path."""
        sub_path = request.sub_path
        post = request.method == "POST"
        if sub_path:
            if sub_path == "swaig" and post:
                return self.swaig(request)
            if sub_path == "post_prompt" and post:
                return self.post_prompt(request)
            if sub_path == "mcp" and post:
                return self.tools(request)
            if sub_path == "check_for_input":
                return self.check_for_input(request)
            if sub_path == "debug_events":
                return self.debug_events(request)
        if post and (fault_answer := body_fault(request.body)):
            return fault_answer
        return self.swml(request)

    def swml(self, request: AgentRequest) -> Answer:
        """The document, with fresh tokens for this call; a request that names none gets tokens for one made up."""
        call_id, urls = request.call_id or secrets.token_urlsafe(16), request.urls
        document = self.document(call_id, request.now, urls.own, urls.base)
        digest = self.prepared.digest or self.prepared.digested(self.key)
        # By position: keywords take as long again.
        return Answer(200, document, "ok", "", "", "", "", digest)

    def document(self, call_id: str, now: float, url: bytes, base: bytes) -> bytes:
        """The document for a call. `url`: the agent's, with its credentials; `base`: the server's."""
        purposes = self.prepared.purposes
        tokens = self.key.mint(self.number, int(now) + TOKEN_SECONDS, purposes, call_id) if purposes else []
        return self.prepared.splice(url, base, tokens)

    def shown(self, url: bytes, base: bytes, mask: bytes) -> bytes:
        """The document at these addresses, with `mask` in the place of tokens."""
        return self.prepared.splice(url, base, [mask] * len(self.prepared.purposes))

    def swaig(self, request: AgentRequest) -> Answer | Coroutine[Any, Any, Answer]:
        """A function call, answered at once if it can be.

        Whatever the model can mend is a 200 whose `response` says so (docs/contract.md, 2.3).
        """
        body = request.body
        name = body.get("function") if isinstance(body, dict) else None
        if not name or not isinstance(name, str):
            return fault(400, "Missing function name")
        function = self.functions.get(name)
        if function is None:
            if not FUNCTION_NAME.match(name):
                return fault(400, f"Invalid function name format: '{name[:100]}'")
            detail = f"Function '{name}' not found"
            return Answer(200, orjson.dumps({"response": detail}), "not_found", detail, name)
        if function.secure and request.claim != for_function(name):
            return Answer(200, DENIED, "denied", "no valid token for this function and call", name)
        values = CallValues(body)
        result = function.call(values, request.urls.of)
        return self.answered(name, result) if result else self.from_webhook(function, request, values)

    def called(self, name: str, body: dict[str, Any], url_of: Callable[[str], str | None]) -> Answer | None:
        """What a function answers whose token is good; None if it has none such, or the author's server is asked."""
        function = self.functions.get(name)
        result = function.call(CallValues(body), url_of) if function else None
        return self.answered(name, result) if result else None

    def answered(self, name: str, result: Result) -> Answer:
        """A function's result as an answer."""
        return Answer(200, orjson.dumps(result.answer), result.outcome, result.detail, name)

    async def from_webhook(self, function: PreparedFunction, request: AgentRequest, values: "CallValues") -> Answer:
        """The answer of the author's server; if it fails, a safe line, and the reason for the log only."""
        return self.answered(function.name, await self.passed_on(function, request, values, request.sent.raw))

    async def passed_on(
        self, function: PreparedFunction, request: AgentRequest, values: "CallValues", raw: bytes
    ) -> Result:
        """What the author's server says to the request as it came, but for arguments that were converted."""
        note = values.get(CONVERTED, "")
        sent = as_sent(with_arguments(values.body, values["args"])) if note else raw
        if sent is None:
            return Result({"response": asking_again(function.name, NESTED)}, "invalid_arguments", str(NESTED))
        result = await self.asked(function, request, sent)
        return result._replace(detail=noted(note, result.detail)) if note else result

    async def asked(self, function: PreparedFunction, request: AgentRequest, body: bytes) -> Result:
        """What the author's server says to this body."""
        webhook = function.webhook
        assert webhook is not None
        if webhook.missing:
            detail = f"this server has no variable {', '.join(webhook.missing)}"
            return Result({"response": self.safe_line}, "error", detail)
        try:
            headers = {**request.onward.headers(), **webhook.headers}  # what the author says has the last word
            answer = await request.onward.webhooks.post(request.agent, webhook.url, headers, body, webhook.seconds)
        except WebhookFailed as error:
            return Result(
                {"response": self.safe_line}, "error", f"webhook: {error.problem if webhook.secret else error}"
            )
        return Result(answer, detail="by webhook")

    async def tools(self, request: AgentRequest) -> Answer:
        """The functions as MCP tools, for clients that are no telephone call."""

        async def run(function: PreparedFunction, body: dict[str, Any], raw: bytes) -> Result:
            values = CallValues(body)
            return function.call(values, request.urls.of) or await self.passed_on(function, request, values, raw)

        return await mcp.answer(request, self.functions, run)

    def post_prompt(self, request: AgentRequest) -> Answer:
        """The summary of a call that has ended; the routing log keeps it (docs/contract.md, 2.4)."""
        body = request.body if isinstance(request.body, dict) else {}
        in_url, in_body = request.sent.query.get("call_id"), body.get("call_id")
        if in_url and in_body and in_url != in_body:
            return fault(400, "The call_id in the URL and the body differ")
        if request.claim != FOR_POST_PROMPT:
            return fault(403, "Invalid or missing token", "denied")
        return Answer(200, b'{"success":true}')

    def check_for_input(self, request: AgentRequest) -> Answer:
        """Text input from outside: there never is any, as in the reference (docs/contract.md, 2.2)."""
        conversation: Any = request.sent.query.get("conversation_id")
        if request.method == "POST":
            if request.body is MALFORMED:
                return fault(400, "Invalid JSON in request body")
            conversation = request.body.get("conversation_id") if isinstance(request.body, dict) else None
        if conversation is None or conversation == "":
            return fault(400, "Missing conversation_id parameter")
        if not isinstance(conversation, str) or not CONVERSATION_ID.match(conversation):
            return fault(400, "Invalid conversation_id format")
        answer = {"status": "success", "conversation_id": conversation, "new_input": False, "messages": []}
        return Answer(200, orjson.dumps(answer))

    def debug_events(self, request: AgentRequest) -> Answer:
        """What the platform tells about a call while it runs; the routing log keeps it."""
        if request.method != "POST":
            return fault(405, "POST required")._replace(allow="POST")
        return body_fault(request.body) or Answer(200, b'{"status":"ok"}')


class CallValues(dict[str, Any]):
    """What the templates of replies and actions can name: the arguments, and what else is asked for when it is."""

    __slots__ = ("body",)

    def __init__(self, body: dict[str, Any]):
        self.body = body
        self["args"] = arguments_of(body)

    def __missing__(self, name: str) -> Any:
        body = self.body
        value = body.get(name) if name in ("global_data", "meta_data") else None
        if name == "call":
            call = body.get("call")
            call = call if isinstance(call, dict) else {}
            value = {
                "id": body.get("call_id"),
                "from": body.get("caller_id_num") or call.get("from"),
                "name": body.get("caller_id_name"),
                "to": call.get("to"),
            }
        self[name] = value
        return value
