"""An agent that is not registered yet, as it would answer: decided by a table that has it, its document rendered."""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from agents.definition import AgentDefinition
from agents.runners import ElsewhereVersion, Making
from agents.sources import AnySource
from agents.stored.version import StoredVersion
from agents.tokens import TokenKey
from registry.environment import environment
from registry.log.masking import MASK
from registry.rehearsal.stage import Stage, table_of
from registry.routing.addresses import prefix_of
from registry.routing.decide import Decision, Facts, decide
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


def simulate(name: str, path: str, sip: list[str], definition: AnySource, stage: Stage | None, base: str) -> Simulated:
    """The answer of an agent that is not registered, at its route and for the first of its SIP names."""
    started = time.perf_counter_ns()
    version: StoredVersion | ElsewhereVersion
    key = TokenKey("", name)
    if isinstance(definition, AgentDefinition):
        version = StoredVersion(1, definition, key, dict.fromkeys(environment(), MASK))
    else:
        version = ElsewhereVersion(definition, Making(name, path, 1, 0, key))
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
        kind="stored" if isinstance(definition, AgentDefinition) else definition.kind(),
    )
    step = Step("route", f"{path} belongs to {name}", path=path)
    route = RouteEntry(0, path, agent, step, prefix_of(path))
    served = table_of(stage)
    table = served.with_changes(served.revision, set(), [(route, sip, False)])
    by_path = decide(table, Facts(path), time.time())
    by_name = decide(table, Facts("/sip", dialled=sip[0]), time.time()) if sip else None
    if not isinstance(version, StoredVersion):
        return Simulated(table, by_path, by_name, None, 0, (time.perf_counter_ns() - started) // 1000)
    url = f"{base}{route.prefix}".encode()
    text = version.document.splice(url, base.encode(), [MASK.encode()] * len(version.document.purposes))
    return Simulated(table, by_path, by_name, orjson.loads(text), len(text), (time.perf_counter_ns() - started) // 1000)
