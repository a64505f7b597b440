"""What the metrics and the routing log hear of a request and its answer."""

import time
from operator import attrgetter

from agents.wire import Answer
from registry.log.event import Event
from registry.log.query import TOKENS
from registry.log.recorder import MAX_FIELD, Excerpts, short
from registry.routing.access import authorised
from registry.routing.decide import CENTRAL_SIP
from registry.routing.digest import digest_of
from registry.routing.exchange import Exchange
from registry.routing.facts import CALL_KINDS
from registry.routing.table import RouteEntry, Step
from registry.routing.trace_headers import NO_MARKS

DOCUMENTS = frozenset({"swml", "sip"})  # kinds whose good answers are documents
AS_JSON = attrgetter("json")
ALWAYS = frozenset({"check_for_input", "debug_events"})  # kinds in any method


def record(exchange: Exchange, answer: Answer) -> None:
    """One row of the routing log, also for what was refused. Of a stranger's many, some are only counted."""
    route = route_of(exchange)
    kind = kind_of(exchange)
    microseconds = (time.perf_counter_ns() - exchange.started) // 1000
    exchange.context.count(route.agent.name if route else "", kind, answer.outcome, microseconds)
    if route is None and is_counted_only(exchange, answer):
        return
    event = event_of(exchange, answer, kind, microseconds)
    # A document can be had again at any time, from its version, and has secrets for the platform; others cannot.
    shown = b"" if kind in DOCUMENTS and answer.status == 200 else answer.body
    # What somebody sends who may not: a body of a megabyte for each wrong guess would be theirs to keep here.
    body, parsed = (b"", None) if answer.outcome == "refused" else (exchange.body, exchange.parsed)
    # Most have a token and nothing else.
    query = exchange.query
    query_string = exchange.head.query_string if query and not TOKENS.issuperset(query) else b""
    exchange.context.recorder.record(event, Excerpts(body, parsed, shown, query_string))


def event_of(exchange: Exchange, answer: Answer, kind: str, microseconds: int) -> Event:
    """The row, but for what the recorder says."""
    decision, facts, route = exchange.decision, exchange.facts, route_of(exchange)
    version = decision.version if decision else None
    event: Event = {
        "kind": kind,
        "method": exchange.method[:16],
        "path": exchange.path[:512],
        "source": exchange.sender.address,
        "route": route.path if route else "",
        "agent": route.agent.name if route else "",
        "version": version.number if version else None,
        "call_id": facts.call_id[:MAX_FIELD],
        "sip_user": decision.sip_user[:MAX_FIELD] if decision else "",
        "from": short(facts.caller),
        "to": short(facts.dialled),
        "function": answer.function[:MAX_FIELD],
        "status": answer.status,
        "outcome": answer.outcome,
        "detail": answer.detail,
        "steps": list(map(AS_JSON, steps_of(exchange))),
        "microseconds": microseconds,
    }
    marks = exchange.read_marks()
    if marks is not NO_MARKS:
        event["request_id"], event["trace_id"] = marks.request_id, marks.trace_id
    if exchange.event_id:
        event["id"] = exchange.event_id
    # What an agent said to a request that was read. All else cannot be replayed, so nothing is compared with it.
    if decision is not None and route is not None and answer.body and answer.outcome != "refused":
        event["digest"] = digest_of(answer, exchange.sender, route)
    return event


def route_of(exchange: Exchange) -> RouteEntry | None:
    """The route of whoever answers, else of whoever was asked."""
    return (exchange.decision.route if exchange.decision else None) or exchange.route


def kind_of(exchange: Exchange) -> str:
    """What sort of request it was."""
    sub_path = exchange.sub_path
    if exchange.route is None:
        return "sip" if exchange.path == CENTRAL_SIP else "unmatched"
    if not sub_path:
        return "swml"
    if sub_path == "sip" or sub_path in ALWAYS or (exchange.method == "POST" and sub_path in CALL_KINDS):
        return sub_path
    return "swml"  # the agent's own sub-paths, too: the SDK's routing callbacks answer with documents


def steps_of(exchange: Exchange) -> tuple[Step, ...]:
    """How it was decided, what came before or after that, and a host that was not believed."""
    decision, route, refused_host = exchange.decision, exchange.route, exchange.sender.refused_host
    steps = decision.steps if decision is not None else (route.step,) if route is not None else ()
    if exchange.steps:
        steps += exchange.steps
    if refused_host:
        host = refused_host.rpartition("@")[2]  # userinfo has no place there, yet may be sent
        steps += (Step("host", f"{host} is not in ALLOWED_HOSTS", ok=False),)
    return steps


def is_counted_only(exchange: Exchange, answer: Answer) -> bool:
    """Whether a request that leads to no agent has no row of its own: a scanner must not fill the disk."""
    context = exchange.context
    if context.strangers is None or answer.outcome != "not_found" or exchange.path == CENTRAL_SIP:
        return False
    given = exchange.headers.get(b"authorization")
    if given and (authorised(given, context.fleet) or context.strangers.knows(given, exchange.table)):
        return False
    return context.strangers.fold(exchange.sender.address, exchange.path)
