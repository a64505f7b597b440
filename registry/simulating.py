"""An agent that is not registered yet, as it would answer: decided by a table that has it, its document rendered."""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from agents.definition import AgentDefinition
from agents.stored import StoredVersion
from agents.tokens import TokenKey
from registry import rehearsing
from registry.agent_secrets import environment
from registry.decide import Decision, Facts, decide
from registry.events.masking import MASK
from registry.rehearsing import Stage
from registry.table import AgentEntry, RouteEntry, RoutingTable, Step


@dataclass(frozen=True)
class Simulated:
    """What would be. `document` has neither tokens nor variables."""

    table: RoutingTable
    by_path: Decision
    by_name: Decision | None
    document: Any
    size: int  # bytes
    microseconds: int


def simulate(
    name: str, path: str, sip: list[str], definition: AgentDefinition, stage: Stage | None, base: str
) -> Simulated:
    """The answer of an agent that is not registered, at its route and for the first of its SIP names."""
    started = time.perf_counter_ns()
    version = StoredVersion(1, definition, TokenKey("", name), dict.fromkeys(environment(), MASK))
    agent = AgentEntry(
        id=0,
        name=name,
        credentials=None,
        signing_key="",
        key=version.key,
        live=version,
        versions={1: version},
        paused=None,
        live_step=Step("version", "the first one, live at once"),
    )
    route = RouteEntry(0, path, agent, Step("route", f"{path} belongs to {name}"), "" if path == "/" else path)
    served = rehearsing.table_of(stage)
    table = served.with_changes(served.revision, set(), [(route, sip, False)])
    by_path = decide(table, Facts(path), time.time())
    by_name = decide(table, Facts("/sip", dialled=sip[0]), time.time()) if sip else None
    url = f"{base}{route.prefix}".encode()
    text = version.document.splice(url, base.encode(), [MASK.encode()] * len(version.document.purposes))
    return Simulated(table, by_path, by_name, orjson.loads(text), len(text), (time.perf_counter_ns() - started) // 1000)
