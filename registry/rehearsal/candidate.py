"""An agent that is not registered yet, as it would answer: decided by a table that has it, its document rendered."""

import time
from dataclasses import dataclass
from typing import Any, cast

import orjson

from agents.kinds import kind_of_source
from agents.runners import Making
from agents.sources import Source
from agents.tokens import TokenKey
from agents.wire import LocalVersion
from registry.environment import environment
from registry.log.masking import MASK
from registry.rehearsal.stage import Stage, table_of
from registry.routing.addresses import prefix_of
from registry.routing.decide import Decision, decide
from registry.routing.facts import Facts
from registry.routing.table import AgentEntry, RouteEntry, RoutingTable, Step


@dataclass(frozen=True)
class Simulated:
    """What would be. `document` has neither tokens nor variables; None for an agent that makes its own."""

    table: RoutingTable
    by_path: Decision
    by_name: Decision | None
    document: Any
    size: int  # bytes
    microseconds: int


def simulate(name: str, path: str, sip: list[str], definition: Source, stage: Stage | None, base: str) -> Simulated:
    """The answer of an agent that is not registered, at its route and for the first of its SIP names."""
    started = time.perf_counter_ns()
    key, kind = TokenKey("", name), kind_of_source(definition)
    version = kind.version(definition, Making(name, path, 1, 0, key), {}, dict.fromkeys(environment(), MASK))
    agent = AgentEntry(
        id=0,
        name=name,
        credentials=None,
        signing_key="",
        key=key,
        live=version,
        versions={1: version},
        paused=None,
        live_step=Step("version", "the first one, live at once"),
        by_mark=kind.by_mark,
    )
    step = Step("route", f"{path} belongs to {name}", path=path)
    route = RouteEntry(0, path, agent, step, prefix_of(path))
    served = table_of(stage)
    table = served.with_changes(served.revision, set(), [(route, sip, False)])
    by_path = decide(table, Facts(path), time.time())
    by_name = decide(table, Facts("/sip", dialled=sip[0]), time.time()) if sip else None
    if not kind.here:
        return Simulated(table, by_path, by_name, None, 0, (time.perf_counter_ns() - started) // 1000)
    text = cast("LocalVersion", version).shown(f"{base}{route.prefix}".encode(), base.encode(), MASK.encode())
    return Simulated(table, by_path, by_name, orjson.loads(text), len(text), (time.perf_counter_ns() - started) // 1000)
