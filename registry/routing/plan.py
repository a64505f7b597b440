"""Plans: all that the table decides for requests whose heads are alike, worked out once.

Most requests are the usual ones: the document for a new call, and a function of the live version with its token. Of
these the whole function (exchange.py) answers the first; a plan is made of that and answers the others, for a third of
the time. It takes only what it knows to be the same: of anything unusual it answers nothing, does nothing, and the
whole function is asked. tests/registry/routing/test_plan.py holds both against each other.
"""

import hmac
import logging
import time
from typing import Any

import orjson

from agents.tokens import for_function
from agents.wire import Answer, AtOnce
from registry.log.recorder import NOTHING as NOTHING_SAID
from registry.log.recorder import CallFields, Said, Template
from registry.routing.agent_urls import AgentUrls
from registry.routing.context import Context
from registry.routing.digest import digest_of
from registry.routing.exchange import Exchange
from registry.routing.facts import NOTHING
from registry.routing.forwarded import FORWARDED, Headers
from registry.routing.http import Head
from registry.routing.record import event_of, kind_of
from registry.routing.table import RouteEntry, RoutingTable
from registry.routing.trace_headers import NO_MARKS

logger = logging.getLogger(__name__)
MAX_PLANS = 16_384  # about 1.5 kB each, for each function another one; then all are made anew
MAX_KEY = 1024  # characters; senders choose hosts, slashes at the end, and what they were forwarded for
CONTENT_TYPES = frozenset({None, b"application/json"})
MARKS = frozenset({b"x-request-id", b"traceparent"})  # of a request that has an id of its own
TOKEN = b"__token="
NO_USUAL_BODY = (orjson.JSONDecodeError, orjson.JSONEncodeError)  # no JSON, or nested some hundred levels deep

Key = tuple[Any, ...]


class Plans:
    """The plans of the current table, which go with it."""

    def __init__(self, context: Context):
        self.context = context
        self.proxied = bool(context.public_url.trusted_proxies)
        self.table: RoutingTable | None = None
        self.known: dict[Key, Plan] = {}
        self.made = 0  # of them, each function's counted

    def answer(self, table: RoutingTable | None, head: Head, headers: Headers, body: bytes) -> bytes | None:
        """The body of a good answer, which is recorded then; None if the whole function is to be asked."""
        if table is not self.table:
            return None
        plan = self.known.get(self.key(head, headers))
        if plan is None or not hmac.compare_digest(headers.get(b"authorization", b""), plan.authorization):
            return None
        if headers.get(b"content-type") not in CONTENT_TYPES or not MARKS.isdisjoint(headers):
            return None
        try:
            return plan.answer(head.query_string, body)
        except NO_USUAL_BODY:
            return None
        except Exception:  # the whole function knows what to say then
            logger.exception("Failed to answer %s by its plan", head.path[:200])
            return None

    def key(self, head: Head, headers: Headers) -> Key:
        """All that route, sub-path and sender depend on, besides the table."""
        forwarded = tuple(map(headers.get, FORWARDED)) if self.proxied else None
        return head.path, head.method, head.connection, headers.get(b"host"), forwarded

    def learn(self, table: RoutingTable, exchange: Exchange, answer: Answer) -> None:
        """Make a plan of what the whole function has just answered, if it was a usual request."""
        decision, route = exchange.decision, exchange.route
        if decision is None or route is None or answer.outcome != "ok" or answer.status != 200 or answer.detail:
            return
        agent = route.agent
        live, credentials = agent.live, agent.credentials
        if live is None or live.at_once is None or credentials is None or agent.signing_key or agent.paused is not None:
            return
        if exchange.method != "POST" or exchange.sender.refused_host or exchange.read_marks() is not NO_MARKS:
            return
        if decision.version is not live or decision.steps != (route.step, agent.live_step) or exchange.steps:
            return
        if table is not self.table or self.made >= MAX_PLANS:
            self.table, self.known, self.made = table, {}, 0
        key = self.key(exchange.head, exchange.headers)
        known = self.known.get(key)
        if known is None and len(repr(key)) > MAX_KEY:
            return
        if exchange.sub_path == "" and not exchange.query and known is None:
            self.known[key] = DocumentPlan(exchange, route, live.at_once, credentials.header, answer)
            self.made += 1
        elif exchange.sub_path == "swaig" and decision.claim == for_function(answer.function):
            plan = self.known[key] = known or FunctionPlan(exchange, route, live.at_once, credentials.header)
            assert isinstance(plan, FunctionPlan)
            self.made += plan.learn(exchange, answer)


class Plan:
    """What both sorts have: the agent, its URLs as the sender knows them, and who is told of an answer."""

    def __init__(self, exchange: Exchange, route: RouteEntry, version: AtOnce, authorization: bytes):
        self.authorization = authorization
        self.agent = route.agent
        self.version = version
        self.context = exchange.context
        self.urls = AgentUrls(exchange.sender, exchange.table, route)
        self.own, self.base = self.urls.own, self.urls.base

    def answer(self, query: bytes, body: bytes) -> bytes | None:
        """The body of a good answer; None, and nothing done, if this request is not one of the usual."""
        raise NotImplementedError

    def finish(
        self, kind: str, events: Template, started: int, call: CallFields, parsed: Any, said: Said = NOTHING_SAID
    ) -> None:
        """Record and count a good answer. `started`: of the clock that counts nanoseconds."""
        microseconds = (time.perf_counter_ns() - started) // 1000
        try:
            events.record(microseconds, call, parsed, said)
        except NO_USUAL_BODY:
            raise
        except Exception:  # the log may not cost a caller the answer
            logger.exception("Failed to record an answer of %s", self.agent.name)
        self.context.count(self.agent.name, kind, "ok", microseconds)


class DocumentPlan(Plan):
    """For a new call: the document, with its tokens."""

    def __init__(self, exchange: Exchange, route: RouteEntry, version: AtOnce, authorization: bytes, answer: Answer):
        super().__init__(exchange, route, version, authorization)
        self.events = exchange.context.recorder.template(event_of(exchange, answer, kind_of(exchange), 0))

    def answer(self, query: bytes, body: bytes) -> bytes | None:
        """The document for the call that the body names."""
        started = time.perf_counter_ns()
        parsed = orjson.loads(body)
        if query or parsed.__class__ is not dict or (call := parsed.get("call")).__class__ is not dict:
            return None
        call_id = parsed.get("call_id") or call.get("call_id")
        if not call_id or call_id.__class__ is not str:
            return None
        document = self.version.document(call_id, self.context.clock(), self.own, self.base)
        self.finish("swml", self.events, started, fields_of(call_id, call, parsed), parsed)
        return document


class FunctionPlan(Plan):
    """For a running call: functions of the live version, by a token of their own."""

    def __init__(self, exchange: Exchange, route: RouteEntry, version: AtOnce, authorization: bytes):
        super().__init__(exchange, route, version, authorization)
        self.number = route.agent.live.number if route.agent.live else 0
        self.functions: dict[str, tuple[bytes, Template]] = {}  # by name: the purpose of its token, its events

    def learn(self, exchange: Exchange, answer: Answer) -> bool:
        """Answer this function, too, from now on; whether that is new."""
        if answer.function in self.functions:
            return False
        event = event_of(exchange, answer, kind_of(exchange), 0)
        event.pop("digest", None)  # each answer has its own
        self.functions[answer.function] = for_function(answer.function), self.context.recorder.template(event)
        return True

    def answer(self, query: bytes, body: bytes) -> bytes | None:
        """What a function answers, if its token says that this call has it, and the live version."""
        started = time.perf_counter_ns()
        parsed = orjson.loads(body)
        if parsed.__class__ is not dict or not query.startswith(TOKEN):
            return None
        name, call_id, call = parsed.get("function"), parsed.get("call_id"), parsed.get("call", NOTHING)
        if (
            not isinstance(name, str)
            or (known := self.functions.get(name)) is None
            or not call_id
            or call_id.__class__ is not str
            or call.__class__ is not dict
        ):
            return None
        purpose, events = known
        token = query[len(TOKEN) :].decode("latin-1")  # what is escaped in it, or follows it, is no token's character
        if "conversation_id" in parsed or self.number != self.agent.key.version_of(
            token, purpose, (call_id,), self.context.clock()
        ):
            return None
        answer = self.version.called(name, parsed, self.urls.of)
        if answer is None or answer.outcome != "ok" or answer.detail:
            return None
        said = Said(answer.body, digest_of(answer, self.urls.sender, self.urls.route))
        self.finish("swaig", events, started, fields_of(call_id, call, parsed), parsed, said)
        return answer.body


def fields_of(call_id: str, call: dict[str, Any], body: dict[str, Any]) -> CallFields:
    """Which call it is, who calls, and whom."""
    return call_id, call.get("from") or body.get("caller_id_num"), call.get("to")
