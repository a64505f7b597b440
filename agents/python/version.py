"""One version of a Python agent: its requests go to a host, its answers come back as ours."""

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from agents.argument_checks import ArgumentChecks
from agents.python.link import HostGone, Reply, TooLate
from agents.python.rewrite import with_our_addresses
from agents.python.sdk_tokens import signed_anew
from agents.python.source import PythonSource
from agents.python.team import Team, Unavailable
from agents.safe_answers import apology_to
from agents.sdk_answers import judged, refused
from agents.tokens import FOR_MCP
from agents.wire import MALFORMED, VERSION_MARK, AgentRequest, Answer, fault, function_of

if TYPE_CHECKING:
    from agents.python.runner import Hosts

logger = logging.getLogger(__name__)

MARK = re.compile(rb"(^|&)%b=[^&]*" % VERSION_MARK.encode())
TOKEN = re.compile(r"((?:^|&)(?:__token|token)=)([^&]*)")
# Not for the agent: they are between us and whoever sent the request.
NOT_PASSED_ON = frozenset({b"connection", b"content-length", b"host", b"keep-alive", b"te", b"transfer-encoding"})
IN_CALL = frozenset({"swaig", "post_prompt", "check_for_input", "debug_events", "mcp"})


class PythonVersion:
    """Answers by its hosts."""

    __slots__ = ("agent", "checks", "hosts", "id", "mcp", "number", "paths", "route", "secret", "source")
    kind = PythonSource.KIND
    by_mark = True
    at_once = None

    def __init__(
        self,
        hosts: "Hosts",
        source: PythonSource,
        number: int,
        version_id: int,
        agent: str,
        route: str,
        secret: str,
    ):
        self.hosts = hosts
        self.source = source
        self.number = number
        self.id = version_id
        self.agent = agent
        self.route = route  # that its hosts believe to be at
        self.secret = secret  # of its function tokens
        self.mcp = source.found.mcp
        self.paths = source.paths
        self.checks = ArgumentChecks(source.found.functions if source.validate_arguments else {})

    async def answer(self, request: AgentRequest) -> Answer:
        """Answer a request to this agent, whatever its sub-path."""
        answer = refuse(request)
        return answer if answer is not None else await self.checks.answered(request, self.answered)

    async def answered(self, request: AgentRequest) -> Answer:
        """What its hosts answer to a request that may be put to them."""
        team = self.hosts.team_for(self)
        if team is None:
            return apology_to(request, "the agent's host has not been started")
        in_call = request.method == "POST" and request.sub_path in IN_CALL
        limits = self.hosts.limits
        seconds = limits.seconds if in_call else limits.document_seconds
        try:
            try:
                reply = await self.asked(team, request, seconds, changes=in_call)
            except Unavailable:
                instead = self.hosts.instead_of(team)
                if instead is None:
                    raise
                team = instead  # its own code is not to be had
                reply = await self.asked(team, request, seconds, changes=in_call)
        except (Unavailable, HostGone) as error:
            return self.failed(request, str(error))
        except TooLate:
            return self.failed(request, f"the agent did not answer within {seconds:g} seconds; its host is replaced")
        answer = self.told(request, reply)
        if team.version != self.number and not answer.detail:
            why = "cannot be built" if team.version < self.number else "runs no more"
            return answer._replace(detail=f"version {self.number} {why}: version {team.version} answered")
        return answer

    async def asked(self, team: Team, request: AgentRequest, seconds: float, *, changes: bool) -> Reply:
        """What a team's host says; of another version's it is a token of theirs, if the one that came is good."""
        head = head_of(request)
        if team.version != self.number and request.claim is not None:
            head["q"] = with_token_of(head["q"], team.order["secret"])
        return await team.ask(head, request.sent.raw, seconds, changes=changes)

    def told(self, request: AgentRequest, reply: Reply) -> Answer:
        """What a host said, with our addresses, and what the log says about it."""
        answer = self.judged(request, reply)
        if reply.trace and answer.outcome == "error":
            logger.error("Agent %s, %s: %s\n%s", self.agent, about(request), reply.detail, reply.trace)
        return answer

    def judged(self, request: AgentRequest, reply: Reply) -> Answer:
        """The answer to a reply."""
        if reply.status == 0 or reply.status >= 500:
            return self.failed(request, reply.detail or f"the agent answered {reply.status}")
        if 300 <= reply.status < 400:
            where = with_our_addresses(reply.location.encode(), request, self.route, self.number).decode("latin-1")
            if not where.isprintable() or not where:
                return self.failed(request, "its routing callback names a place that HTTP cannot carry")
            return Answer(307, b"", "redirect", f"to {where.rpartition('@')[2]}", location=where)
        body = with_our_addresses(reply.body, request, self.route, self.number)
        answer = judged(request, reply.status, body)
        if reply.detail and answer.outcome == "ok":
            return answer._replace(outcome="error", detail=reply.detail)  # the SDK went on without what had failed
        return answer._replace(detail=reply.detail) if reply.detail and answer.outcome == "error" else answer

    def failed(self, request: AgentRequest, detail: str) -> Answer:
        """A safe answer, and the function that it is for."""
        return apology_to(request, detail)._replace(function=function_of(request))


def refuse(request: AgentRequest) -> Answer | None:
    """What no agent is asked (docs/wire.md, "Where we differ"): bodies of which the SDK makes a 500, or nothing."""
    sub_path, body = request.sub_path, request.body
    if request.method != "POST":
        return fault(405, "POST required")._replace(allow="POST") if sub_path == "debug_events" else None
    if sub_path == "check_for_input" and body is not MALFORMED:
        given = body.get("conversation_id") if isinstance(body, dict) else None
        if given is not None and not isinstance(given, str):
            return fault(400, "Invalid conversation_id format")
        if not isinstance(body, dict):
            return fault(400, "Missing conversation_id parameter")
    return refused(request)


def head_of(request: AgentRequest) -> dict[str, Any]:
    """A request as hosts are told it."""
    # A GET of whatever sub-path is the document, with all that is configured per call (the SDK's /swaig forgets that).
    path = "" if request.method == "GET" and request.sub_path in ("swaig", "post_prompt") else request.sub_path
    query = request.sent.query_string
    if VERSION_MARK.encode() in query:
        query = MARK.sub(b"", query).lstrip(b"&")
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in request.sent.headers.items()
        if name not in NOT_PASSED_ON
    ]
    head = {"m": request.method, "p": path, "q": query.decode("latin-1"), "h": headers}
    return {**head, "o": True} if request.claim == FOR_MCP else head


def with_token_of(query: str, secret: str) -> str:
    """A query whose token is good, with the token as the version that answers instead would have made it."""

    def anew(found: re.Match[str]) -> str:
        return found[1] + quote(signed_anew(unquote(found[2]), secret))

    return TOKEN.sub(anew, query)


def about(request: AgentRequest) -> str:
    """A request in words, for the server's log."""
    return function_of(request) or request.sub_path or "document"
