"""One request to an agent and what becomes of it: the checks, the decision, the answer."""

import time
from collections.abc import Coroutine, Mapping
from typing import Any

from agents import mcp
from agents.safe_answers import SAFE_DOCUMENT, apology
from agents.wire import NO_QUERY, AgentRequest, Answer, Onward, Sent, request_to
from registry.routing import answers
from registry.routing.access import authorised, has_signature, signed
from registry.routing.agent_urls import AgentUrls
from registry.routing.context import Context
from registry.routing.decide import CENTRAL_SIP, Decision, decide
from registry.routing.facts import Facts, facts_of
from registry.routing.forwarded import Headers
from registry.routing.http import BodyTooLarge, BodyTooSlow, Head, Receive, discard, parse_json, parse_query, read_body
from registry.routing.public_url import Sender
from registry.routing.table import RouteEntry, RoutingTable, Step
from registry.routing.trace_headers import NO_MARKS, Marks, new_id

DASHBOARD = "/dashboard/"
NO_CREDENTIALS = Step("credentials", "credentials missing", ok=False)
BAD_CREDENTIALS = Step("credentials", "credentials rejected", ok=False)
NO_SIGNATURE = Step("signature", "signature missing", ok=False)
BAD_SIGNATURE = Step("signature", "signature rejected", ok=False)
UNREAD = Facts("")  # of a request that was answered before it was read


class Exchange:
    """One request and what becomes of it."""

    # What most requests leave as it is.
    body = b""
    parsed: Any = None
    facts = UNREAD
    found: tuple[RouteEntry, str] | None = None  # what the table says of the path
    route: RouteEntry | None = None
    sub_path = ""
    whole = False  # whether its path began with that of PUBLIC_URL
    decision: Decision | None = None
    steps: tuple[Step, ...] = ()  # besides the decision's
    marks = NO_MARKS
    event_id = ""

    def __init__(self, context: Context, table: RoutingTable, head: Head, headers: Headers):
        self.started = time.perf_counter_ns()
        self.context = context
        self.table = table
        self.head = head
        self.headers = headers
        self.method, self.path, _, query, _, connection = head
        self.sender: Sender = context.public_url.sender(connection, headers)
        self.query: Mapping[str, str] = parse_query(query) if query else NO_QUERY

    def __str__(self) -> str:
        return f"{self.method} {self.path[:200]}"

    # --- the way of a request, step by step --------------------------------------------------------------------------

    def refusal(self) -> Answer | None:
        """What is answered before the body is read: what is nobody's, or refused. It never reaches an agent."""
        found = self.found = self.find()
        if self.path != CENTRAL_SIP:
            if found is None:
                self.decision = decide(self.table, Facts(self.path, self.method), 0)
                if self.path == "/" and b"text/html" in self.headers.get(b"accept", b""):
                    return Answer(
                        307, b"", "redirect", "a browser, to the dashboard", location=self.sender.path + DASHBOARD
                    )
                return Answer(404, answers.NOT_FOUND, "not_found")
            self.route, self.sub_path = found
        return self.refuse_early()

    def find(self) -> tuple[RouteEntry, str] | None:
        """What the table says of the path: as it stands, else without the path of PUBLIC_URL that it begins with."""
        if self.path == CENTRAL_SIP:
            return None
        found = self.table.find(self.path)
        if found is None and (inner := self.context.public_url.inner(self.path)):
            self.path, self.whole = inner, True
            found = self.table.find(inner) if inner != CENTRAL_SIP else None
        return found

    async def read(self, receive: Receive) -> Answer | None:
        """Read the body; the answer if it is too large or too slow."""
        if self.method != "POST":
            return None
        try:
            self.body = await read_body(receive, self.headers.get(b"content-length"), self.context.http)
        except BodyTooLarge as error:
            if error.unread:
                await discard(receive, self.context.http)
            return Answer(413, answers.TOO_LARGE, "invalid", "the body is too large")
        except BodyTooSlow:
            return Answer(408, answers.TOO_SLOW, "invalid", "the body timed out")
        return None

    def answer(self) -> Answer | Coroutine[Any, Any, Answer]:
        """From the body to the agent's answer, or to whatever has to be waited for."""
        if self.method == "POST":
            self.parsed = parse_json(self.body)
        now = self.context.clock()
        facts = self.facts = facts_of(self.path, self.method, self.sub_path, self.query, self.parsed)
        decision = self.decision = decide(self.table, facts, now, self.found)
        settled = self.refuse_late(decision) or self.settle(decision)
        if settled is not None:
            return settled
        assert decision.version is not None
        answer = decision.version.answer(self.request(decision, now))
        if decision.fallback:
            return as_fallback(answer) if isinstance(answer, Answer) else fallen_back(answer)
        return answer

    def refuse_early(self) -> Answer | None:
        """What can be refused before the body is read."""
        asked = self.route.agent if self.route else None  # whom POST /sip leads to is known only from its body
        post = self.method == "POST"
        if not post and (asked is None or self.method not in ("GET", "HEAD")):
            return Answer(405, answers.NOT_ALLOWED, "refused", allow="GET, HEAD, POST" if asked else "POST")
        headers = self.headers
        if post and asked and asked.signing_key and not has_signature(headers):
            self.steps = (NO_SIGNATURE,)
            return Answer(403, answers.FORBIDDEN, "refused")
        given = headers.get(b"authorization")
        if given is None or (asked and not authorised(given, asked.credentials)):
            self.steps = (NO_CREDENTIALS if given is None else BAD_CREDENTIALS,)
            return Answer(401, answers.UNAUTHORIZED, "refused")
        if post and b"application/json" not in headers.get(b"content-type", b"application/json").lower():
            return Answer(415, answers.WRONG_TYPE, "invalid", "the content type is not application/json")
        return None

    def refuse_late(self, decision: Decision) -> Answer | None:
        """What can be refused only now that the body is known: signatures, and the credentials of `POST /sip`."""
        if self.method != "POST":
            return None
        asked = self.route or decision.route
        if self.route is None:
            given = self.headers.get(b"authorization")
            allowed = authorised(given, self.context.fleet)
            if not allowed and not (asked and authorised(given, asked.agent.credentials)):
                self.steps = (BAD_CREDENTIALS,)
                return Answer(401, answers.UNAUTHORIZED, "refused")
        key = asked.agent.signing_key if asked else self.context.fleet_key
        if key and not signed(
            key, self.sender.url_of(self.head, whole=self.whole), self.query, self.body, self.headers
        ):
            self.steps = (BAD_SIGNATURE if has_signature(self.headers) else NO_SIGNATURE,)
            return Answer(403, answers.FORBIDDEN, "refused")
        return None

    def settle(self, decision: Decision) -> Answer | None:
        """What is answered without asking a version."""
        outcome, route = decision.outcome, decision.route
        if outcome == "agent":
            return None
        if outcome == "not_found":
            return Answer(404, answers.NOT_FOUND, "not_found")
        assert route is not None
        if outcome == "redirect":
            return Answer(307, b"", "redirect", f"to {route.path}", location=self.sender.path + route.path)
        if outcome == "paused":
            if decision.sub_path == "mcp":
                return mcp.paused(self.parsed, route.agent.name)
            return Answer(200, route.agent.paused or SAFE_DOCUMENT, "paused")
        return self.apology(route.agent.problem)

    def request(self, decision: Decision, now: float) -> AgentRequest:
        """What the version is asked that was decided on."""
        route, context = decision.route, self.context
        assert route is not None
        agent = route.agent
        return request_to(
            agent=agent.name,
            sub_path=decision.sub_path,
            method=self.method,
            body=self.parsed,
            call_id=self.facts.call_id,
            claim=decision.claim,
            now=now,
            sent=Sent(self.body, self.headers, self.head.query_string, self.query),
            urls=AgentUrls(self.sender, self.table, route),
            onward=Onward(context.webhooks, self.headers_onward, agent.upstream, agent.signing_key),
        )

    def apology(self, detail: str = "an error of ours, see the server's log") -> Answer:
        """What a caller hears if we fail."""
        if self.method == "POST" and self.sub_path == "mcp":
            return mcp.failed(self.parsed, detail)
        return apology(self.sub_path if self.method == "POST" else "", detail)

    # --- which request it is ------------------------------------------------------------------------------------------

    def read_marks(self) -> Marks:
        """What the request says of itself; most say nothing."""
        headers = self.headers
        if self.marks is NO_MARKS and (b"x-request-id" in headers or b"traceparent" in headers):
            self.marks = Marks.of(self.head.headers)
        return self.marks

    @property
    def request_id(self) -> str:
        """The id that its sender gave, else its event's, which is made when it is needed."""
        given = self.read_marks().request_id
        if not given and not self.event_id:
            self.event_id = new_id()
        return given or self.event_id

    def headers_onward(self) -> dict[str, str]:
        """The headers by which an author's server can tell which request it is asked for."""
        return self.read_marks().headers(self.request_id)


def as_fallback(answer: Answer) -> Answer:
    """A good answer as that of whoever takes what is nobody's."""
    return answer._replace(outcome="fallback") if answer.outcome == "ok" else answer


async def fallen_back(answer: Coroutine[Any, Any, Answer]) -> Answer:
    """The same of one that has to be waited for."""
    return as_fallback(await answer)
