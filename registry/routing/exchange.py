"""One request to an agent and what becomes of it: the checks, the decision, the answer, the row in the log."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents import mcp
from agents.safe_answers import SAFE_DOCUMENT, apology
from agents.wire import VERSION_MARK, AgentRequest, Answer, Webhooks
from registry.log.group_commit import GroupSync
from registry.log.recorder import MAX_FIELD, Excerpts, Recorder, short
from registry.routing import answers
from registry.routing.access import authorised, has_signature, signed
from registry.routing.decide import CENTRAL_SIP, Decision, Facts, decide
from registry.routing.http import (
    BodyTooLarge,
    BodyTooSlow,
    Http,
    Receive,
    Scope,
    discard,
    parse_json,
    parse_query,
    read_body,
)
from registry.routing.public_url import PublicUrl, Sender
from registry.routing.strangers import Strangers
from registry.routing.table import Credentials, RouteEntry, RoutingTable, Step
from registry.routing.trace_headers import NO_MARKS, Marks, new_id

DASHBOARD = "/dashboard/"
DOCUMENTS = frozenset({"swml", "sip"})  # kinds whose good answers are documents
IN_CALL = frozenset({"swaig", "post_prompt"})  # sub-paths that a running call asks for
CALL_KINDS = IN_CALL | {"mcp"}
NO_CREDENTIALS = Step("credentials", "credentials missing", ok=False)
BAD_CREDENTIALS = Step("credentials", "credentials rejected", ok=False)
NO_SIGNATURE = Step("signature", "signature missing", ok=False)
BAD_SIGNATURE = Step("signature", "signature rejected", ok=False)

NO_CALL: dict[str, Any] = {}

Headers = Mapping[bytes, bytes]


def not_counted(_agent: str, _kind: str, _outcome: str, _microseconds: int) -> None:
    """For whoever keeps no metrics."""


@dataclass(slots=True)
class Context:
    """What all exchanges share.

    `fleet`: the credentials of `POST /sip`, None if the fleet has none. `fleet_key`: the signing key for requests that
    lead to no agent. `webhooks`: asks authors' servers. `clock`: seconds since 1970. `strangers`: counts requests to
    nobody's paths, None if each is a row. `sync`: makes answers wait for the disk, None if they do not. `count`: is
    told agent, kind, outcome and microseconds of every request.
    """

    recorder: Recorder
    public_url: PublicUrl
    webhooks: Webhooks
    http: Http
    fleet: Credentials | None = None
    fleet_key: str = ""
    clock: Callable[[], float] = time.time
    strangers: Strangers | None = None
    sync: GroupSync | None = None
    count: Callable[[str, str, str, int], None] = not_counted


class Exchange:
    """One request and what becomes of it."""

    # What most requests leave as it is.
    body = b""
    parsed: Any = None
    call_id = ""
    caller: Any = None
    dialled: Any = None
    route: RouteEntry | None = None
    sub_path = ""
    decision: Decision | None = None
    steps: tuple[Step, ...] = ()  # besides the decision's
    marks = NO_MARKS
    event_id = ""

    def __init__(self, context: Context, table: RoutingTable, scope: Scope):
        self.started = time.perf_counter_ns()
        self.context = context
        self.table = table
        self.scope = scope
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.headers: Headers = dict(scope["headers"])
        self.sender: Sender = context.public_url.sender(scope, self.headers)
        self.query: Mapping[str, str] = parse_query(scope["query_string"])

    # --- the way of a request, step by step --------------------------------------------------------------------------

    async def answer(self, receive: Receive) -> Answer:
        """From the cheap checks to the agent's answer. What is refused here never reaches an agent."""
        found = None
        if self.path != CENTRAL_SIP:
            found = self.table.find(self.path)
            if found is None:
                self.decision = decide(self.table, Facts(self.path, self.method), 0)
                if self.path == "/" and b"text/html" in self.headers.get(b"accept", b""):
                    return Answer(307, b"", "redirect", "a browser, to the dashboard", location=DASHBOARD)
                return Answer(404, answers.NOT_FOUND, "not_found")
            self.route, self.sub_path = found
        refused = self.refuse_early()
        if refused is not None:
            return refused
        if self.method == "POST":
            try:
                self.body = await read_body(receive, self.headers.get(b"content-length"), self.context.http)
            except BodyTooLarge as error:
                if error.unread:
                    await discard(receive, self.context.http)
                return Answer(413, answers.TOO_LARGE, "invalid", "the body is too large")
            except BodyTooSlow:
                return Answer(408, answers.TOO_SLOW, "invalid", "the body timed out")
            self.parsed = parse_json(self.body)
        now = self.context.clock()
        decision = self.decision = decide(self.table, self.facts(), now, found)
        return self.refuse_late(decision) or await self.carry_out(decision, now)

    def refuse_early(self) -> Answer | None:
        """What can be refused before the body is read."""
        central = self.route is None
        if self.method != "POST" and (central or self.method not in ("GET", "HEAD")):
            return Answer(405, answers.NOT_ALLOWED, "refused", allow="POST" if central else "GET, HEAD, POST")
        post = self.method == "POST"
        key = self.route.agent.signing_key if self.route else ""
        if post and key and not has_signature(self.headers):
            self.steps = (NO_SIGNATURE,)
            return Answer(403, answers.FORBIDDEN, "refused")
        given = self.headers.get(b"authorization")
        # Whose credentials POST /sip needs is known only from its body.
        if given is None or (self.route and not authorised(given, self.route.agent.credentials)):
            self.steps = (NO_CREDENTIALS if given is None else BAD_CREDENTIALS,)
            return Answer(401, answers.UNAUTHORIZED, "refused")
        if post and b"application/json" not in self.headers.get(b"content-type", b"application/json").lower():
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
        if key and not signed(key, self.url(), self.query, self.body, self.headers):
            self.steps = (BAD_SIGNATURE if has_signature(self.headers) else NO_SIGNATURE,)
            return Answer(403, answers.FORBIDDEN, "refused")
        return None

    async def carry_out(self, decision: Decision, now: float) -> Answer:
        """What was decided."""
        if decision.outcome == "not_found":
            return Answer(404, answers.NOT_FOUND, "not_found")
        route, version = decision.route, decision.version
        assert route is not None
        if decision.outcome == "redirect":
            return Answer(307, b"", "redirect", f"to {route.path}", location=route.path)
        if decision.outcome == "paused":
            if decision.sub_path == "mcp":
                return mcp.paused(self.parsed, route.agent.name)
            return Answer(200, route.agent.paused or SAFE_DOCUMENT, "paused")
        if version is None:
            return self.apology(route.agent.problem)
        request = AgentRequest(
            "" if decision.sub_path == "sip" else decision.sub_path,
            "POST" if self.method == "POST" else "GET",
            route.agent.name,
            self.query,
            self.body,
            self.parsed,
            self.call_id,
            decision.claim,
            self.agent_url(route).encode(),
            self.sender.base.encode(),
            self.url_of,
            now,
            self.context.webhooks,
            self.headers_onward,
            self.headers,
            self.scope["query_string"],
            self.url_at,
            route.agent.upstream,
            route.agent.signing_key,
        )
        answer = await version.answer(request)
        if decision.fallback and answer.outcome == "ok":
            return answer._replace(outcome="fallback")
        return answer

    def apology(self, detail: str = "an error of ours, see the server's log") -> Answer:
        """What a caller hears if we fail."""
        if self.method == "POST" and self.sub_path == "mcp":
            return mcp.failed(self.parsed, detail)
        return apology(self.sub_path if self.method == "POST" else "", detail)

    # --- what a request says ------------------------------------------------------------------------------------------

    def facts(self) -> Facts:
        """The facts for the decision; the call's id and parties are noted on the way."""
        query, body = self.query, self.parsed
        method = "POST" if self.method == "POST" else "GET"
        if not isinstance(body, dict):
            self.call_id = query.get("call_id", "")
            return Facts(self.path, method)
        call = body.get("call")
        if not isinstance(call, dict):
            call = NO_CALL
        self.caller = call.get("from") or body.get("caller_id_num")
        self.dialled = dialled = call.get("to")
        in_body, conversation, in_url = body.get("call_id"), body.get("conversation_id"), query.get("call_id")
        if self.sub_path in IN_CALL:
            self.call_id = first_text(in_body, conversation, call.get("call_id"), in_url)
        else:
            self.call_id = first_text(in_body, call.get("call_id"), in_url, conversation)
        if self.sub_path == "swaig":
            ids = (in_body, conversation)  # a token may be for these; SWAIG's body alone counts (CONTRACT.md, 2.5)
        elif self.sub_path == "post_prompt":
            ids = (in_body or in_url, conversation)  # CONTRACT.md, 2.4
        elif self.sub_path == "mcp":
            return Facts(self.path, method, token=query.get("__token") or query.get("token", ""))
        else:
            return Facts(self.path, method, dialled)
        token = query.get("__token") or query.get("token", "")
        texts = tuple([text for text in ids if isinstance(text, str) and text])
        mark = query.get(VERSION_MARK, "")
        if mark and not (mark.isascii() and mark.isdigit() and len(mark) < 10):
            mark = ""
        return Facts(self.path, method, None, body.get("function"), token, texts, mark)

    def url(self) -> str:
        """The URL of this request as its sender knows it."""
        path = self.scope.get("raw_path") or self.path.encode()
        query = self.scope["query_string"]
        return self.sender.base + (path + b"?" + query if query else path).decode("latin-1")

    def agent_url(self, route: RouteEntry) -> str:
        """The public URL of an agent with its credentials; no slash at its end."""
        credentials = route.agent.credentials
        return f"{self.sender.scheme}{credentials.userinfo if credentials else ''}{self.sender.host}{route.prefix}"

    def url_of(self, name: str) -> str | None:
        """The same for another agent by name; None if it has no route."""
        route = self.table.agents.get(name)
        return (self.agent_url(route) or None) if route else None

    def url_at(self, path: str) -> str | None:
        """The same for whoever is at a route."""
        route = self.table.routes.get(path)
        return (self.agent_url(route) or None) if route else None

    # --- which request it is, and what the log says of it -------------------------------------------------------------

    def read_marks(self) -> Marks:
        """What the request says of itself; most say nothing."""
        headers = self.headers
        if self.marks is NO_MARKS and (b"x-request-id" in headers or b"traceparent" in headers):
            self.marks = Marks.of(self.scope["headers"])
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

    def record(self, answer: Answer) -> None:
        """One row of the routing log, also for what was refused. Of a stranger's many, some are only counted."""
        decision = self.decision
        route = self.route
        steps: Sequence[Step] = ()
        version = None
        sip_user = ""
        if decision is not None:
            route = decision.route or route
            steps, version, sip_user = decision.steps, decision.version, decision.sip_user
        elif route is not None:
            steps = (route.step,)
        kind = self.kind()
        agent = route.agent.name if route else ""
        microseconds = (time.perf_counter_ns() - self.started) // 1000
        self.context.count(agent, kind, answer.outcome, microseconds)
        marks = self.read_marks()
        if route is None and self.is_counted_only(answer):
            return
        if self.sender.refused_host:
            refused_host = self.sender.refused_host.rpartition("@")[2]  # userinfo has no place there, yet may be sent
            self.steps += (Step("host", f"{refused_host} is not in ALLOWED_HOSTS", ok=False),)
        event = {
            "kind": kind,
            "method": self.method[:16],
            "path": self.path[:512],
            "source": self.sender.address,
            "route": route.path if route else "",
            "agent": agent,
            "version": version.number if version else None,
            "call_id": self.call_id[:MAX_FIELD],
            "sip_user": sip_user[:MAX_FIELD],
            "from": short(self.caller),
            "to": short(self.dialled),
            "function": answer.function[:MAX_FIELD],
            "status": answer.status,
            "outcome": answer.outcome,
            "detail": answer.detail,
            "steps": [step.json for step in (*steps, *self.steps)],
            "microseconds": microseconds,
        }
        if marks is not NO_MARKS:
            event["request_id"], event["trace_id"] = marks.request_id, marks.trace_id
        if self.event_id:
            event["id"] = self.event_id
        # A document can be had again at any time, from its version, and has secrets for the platform; others cannot.
        shown = b"" if kind in DOCUMENTS and answer.status == 200 else answer.body
        # What somebody sends who may not: a body of a megabyte for each wrong guess would be theirs to keep here.
        body, parsed = (b"", None) if answer.outcome == "refused" else (self.body, self.parsed)
        self.context.recorder.record(event, Excerpts(body, parsed, shown))

    def is_counted_only(self, answer: Answer) -> bool:
        """Whether a request that leads to no agent has no row of its own: a scanner must not fill the disk."""
        strangers = self.context.strangers
        if strangers is None or answer.outcome != "not_found" or self.path == CENTRAL_SIP:
            return False
        given = self.headers.get(b"authorization")
        if given and (authorised(given, self.context.fleet) or strangers.knows(given, self.table)):
            return False
        return strangers.fold(self.sender.address, self.path)

    def kind(self) -> str:
        """What sort of request it was."""
        if self.path == CENTRAL_SIP or self.sub_path == "sip":
            return "sip"
        if self.route is None:
            return "unmatched"
        sub_path = self.sub_path
        if sub_path in ("check_for_input", "debug_events") or (self.method == "POST" and sub_path in CALL_KINDS):
            return sub_path
        return "swml"  # the agent's own sub-paths, too: the SDK's routing callbacks answer with documents


def first_text(*values: Any) -> str:
    """The first of these that is a text and not empty."""
    for value in values:
        if isinstance(value, str) and value:
            return value
    return ""
