"""One version of a remote agent, as a serving process answers for it."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from yarl import URL

from agents import mcp
from agents.argument_checks import ArgumentChecks
from agents.remote.answer import Answerer, is_document, status_problem
from agents.remote.client import NoReply, RemoteClient, Reply, signature
from agents.remote.endpoints import Endpoint, in_order
from agents.remote.places import Place, basic, place_of
from agents.remote.rewrite import AgentAt, Rewriter, Rewritten, nobody_at, without
from agents.remote.source import RemoteSource
from agents.safe_answers import apology_to
from agents.sdk_answers import refused
from agents.stored.functions import Result
from agents.tokens import FOR_MCP
from agents.wire import VERSION_MARK, AgentRequest, Answer, function_of

TRIES = 3  # endpoints among which the time for a document is shared out
BUSY = frozenset({502, 503, 504})  # of a document: somebody in front of the agent says that it cannot be asked
# Parameters of a query that are between the platform, or a client of MCP, and us.
OURS = frozenset({VERSION_MARK.encode()})
OURS_OF_MCP = OURS | {b"__token", b"token"}


class Around(Protocol):
    """What versions need of the process that they are in; `agents.remote.runner.Remotes`."""

    client: RemoteClient
    running: Counter[str]  # requests, by agent

    def agent_at(self, place: Place, path: str) -> str | None:
        """The agent that is registered for a path on a server."""
        ...


class Kept(NamedTuple):
    """The last good document, with marks for our URLs."""

    document: Rewritten
    at: float  # seconds since 1970


class Failure(NamedTuple):
    """Why no endpoint answered, and whether the server may be taken for down."""

    problem: str
    down: bool


class RemoteVersion:
    """Sends requests on to the agent's endpoints. Made by the listener, used in the event loop."""

    kind = RemoteSource.KIND
    by_mark = True
    at_once = None

    def __init__(self, number: int, agent: str, source: RemoteSource, endpoints: Sequence[Endpoint], around: Around):
        self.number = number
        self.agent = agent
        self.source = source
        self.mcp = source.found.mcp
        self.paths = source.paths
        self.checks = ArgumentChecks(source.found.functions if source.validate_arguments else {})
        self.endpoints = tuple(endpoints)
        self.around = around
        found = [place_of(url) for url in source.found.origins]
        self.places = frozenset([*(endpoint.place for endpoint in endpoints), *(place for place in found if place)])
        self.answerer: tuple[str, Answerer] | None = None  # for the upstream's credentials, which are the agent's
        self.kept: Kept | None = None

    async def answer(self, request: AgentRequest) -> Answer:
        """Answer a request to this agent, whatever its sub-path."""
        refused = self.refused(request)
        if refused is not None:
            return refused
        running, limit = self.around.running, self.around.client.limits.running
        if running[self.agent] >= limit:
            return self.failed(request, f"{limit} requests to this agent are running already")
        running[self.agent] += 1
        try:
            return await self.checks.answered(request, self.asked)
        finally:
            running[self.agent] -= 1
            if not running[self.agent]:
                del running[self.agent]

    def refused(self, request: AgentRequest) -> Answer | None:
        """What needs no server to be refused."""
        answer = refused(request)
        if answer is not None or request.method != "POST":
            return answer
        return self.refused_tool(request) if request.sub_path == "mcp" else None

    def refused_tool(self, request: AgentRequest) -> Answer | None:
        """A secure tool needs a token of ours over MCP: the SDK's server asks for none."""
        body = request.body
        if request.claim == FOR_MCP or not isinstance(body, dict) or body.get("method") != "tools/call":
            return None
        parameters = body.get("params")
        name = parameters.get("name") if isinstance(parameters, dict) else None
        if not isinstance(name, str):
            return None
        function = self.source.found.functions.get(name)
        if function is None:
            return mcp.failure(mcp.id_of(body), mcp.INVALID_PARAMS, f"Unknown tool: {name[:100]}")
        if not function.secure:
            return None
        return mcp.tool_result(mcp.id_of(body), Result({"response": mcp.HOW_TO_OPEN}, "denied", "no MCP token"), name)

    # --- asking the endpoints ----------------------------------------------------------------------------------------

    async def asked(self, request: AgentRequest) -> Answer:
        """What the endpoints say."""
        document = is_document(request)
        replied = await self.reply(request, document=document)
        if isinstance(replied, Failure):
            if document and replied.down and self.kept is not None:
                return self.stale(self.kept, request, replied.problem)
            return self.failed(request, replied.problem)
        endpoint, reply = replied
        answer, kept = self.answerer_for(request.onward.upstream).answer(request, reply, self.agent_at, endpoint.url)
        post = not document or request.method == "POST"
        self.judge(endpoint, reply, answer, document=document, post=post)
        if kept is not None and self.source.keep_last_document and not request.sub_path:
            self.kept = Kept(kept, request.now)
        if len(self.endpoints) > 1 and not answer.detail:
            return answer._replace(detail=f"by {endpoint.url}")
        return answer

    async def reply(self, request: AgentRequest, *, document: bool) -> tuple[Endpoint, Reply] | Failure:
        """The first reply: of the call's own endpoint, or of another one if that cannot be asked.

        Documents may be asked for twice. Anything else is sent on to another endpoint only if nobody has seen it.
        """
        endpoints = in_order(self.endpoints, request.call_id)
        if not endpoints:
            return Failure("; ".join(endpoint.trouble_since for endpoint in self.endpoints), down=True)
        seconds = self.source.document_seconds if document else self.source.seconds
        end = time.monotonic() + seconds
        problems = []
        for number, endpoint in enumerate(endpoints, 1):
            left = end - time.monotonic()
            if left <= 0:
                break
            share = left / min(len(endpoints) - number + 1, TRIES) if document else left
            try:
                reply = await self.ask(endpoint, request, seconds=share, document=document)
            except NoReply as error:
                problems.append(f"{endpoint.url} {error}")
                if error.answered:
                    if document:
                        endpoint.complain(str(error))
                    return Failure("; ".join(problems), down=False)
                endpoint.failed(str(error))
                if error.sent and not document:
                    break
                continue
            if document and reply.status in BUSY:
                problems.append(f"{endpoint.url} failed ({reply.status})")
                endpoint.failed(f"answers {reply.status}", answered=True)
                continue
            return endpoint, reply
        return Failure("; ".join(problems), down=True)

    async def ask(self, endpoint: Endpoint, request: AgentRequest, *, seconds: float, document: bool) -> Reply:
        """One endpoint's reply, or `NoReply`."""
        client = self.around.client
        limits = client.limits
        sub_path = f"/{request.sub_path}" if request.sub_path else ""
        url = endpoint.address + (sub_path or ("" if endpoint.path else "/"))
        query = without(request.sent.query_string, OURS_OF_MCP if request.sub_path == "mcp" else OURS)
        headers = dict(request.onward.headers())
        if request.onward.upstream:
            headers["Authorization"] = basic(request.onward.upstream)
        body = None
        target = URL(f"{url}?{query.decode('latin-1')}" if query else url, encoded=True)
        if request.method == "POST":
            body = request.sent.raw
            headers |= signature(request.onward.signing_key, target, body)
            headers["Content-Type"] = request.sent.headers.get(b"content-type", b"application/json").decode("latin-1")
        return await client.ask(
            self.agent,
            request.method,
            target,
            headers,
            body,
            seconds=seconds,
            limit=limits.document_bytes if document else limits.answer_bytes,
            private=endpoint.origin.private,
        )

    def judge(self, endpoint: Endpoint, reply: Reply, answer: Answer, *, document: bool, post: bool) -> None:
        """What an answer says of its endpoint."""
        if reply.status >= 500:
            endpoint.failed(f"answers {reply.status}", answered=True)
        elif reply.status == 401 or (document and reply.status in (403, 404)):
            endpoint.complain(status_problem(reply.status, post=post))
        elif answer.outcome != "error" or not document:
            endpoint.good()

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def answerer_for(self, upstream: str) -> Answerer:
        """Makes answers, and knows the credentials that must not be in them."""
        if self.answerer is None or self.answerer[0] != upstream:
            paths = [endpoint.path for endpoint in self.endpoints]
            self.answerer = upstream, Answerer(Rewriter(upstream, self.places, paths, self.number))
        return self.answerer[1]

    @property
    def agent_at(self) -> AgentAt:
        """Other agents on the same servers."""
        places = {endpoint.place for endpoint in self.endpoints}
        around = self.around
        if not places:
            return nobody_at

        def find(path: str) -> str | None:
            return next((name for place in places if (name := around.agent_at(place, path))), None)

        return find

    def stale(self, kept: Kept, request: AgentRequest, problem: str) -> Answer:
        """The last good document: functions whose tokens are of its own call will refuse to run."""
        at = time.strftime("%H:%M:%S", time.gmtime(kept.at))
        return Answer(200, kept.document.filled(request), "fallback", f"the last document, of {at} UTC: {problem}")

    def failed(self, request: AgentRequest, detail: str) -> Answer:
        """A safe answer."""
        return apology_to(request, detail)._replace(function=function_of(request))
