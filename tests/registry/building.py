"""Routing tables by hand, without a database."""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from agents.definition import AgentDefinition
from agents.stored.version import StoredVersion
from agents.swml.document import pause_document
from agents.tokens import TokenKey
from registry.base.yaml_in import read_fleet
from registry.routing.addresses import prefix_of
from registry.routing.table import AgentEntry, Credentials, RouteEntry, RoutingTable, Step

FLEET_FILE = Path(__file__).parent.parent / "fleet.yaml"


@cache
def fleet_definitions() -> dict[str, Any]:
    return {entry.name: entry.definition for entry in read_fleet(FLEET_FILE)}


def build_agent(
    name: str,
    *,
    number: int = 1,
    live: int | None = 1,
    versions: Mapping[int, Any] | None = None,
    paused: str = "",
    paused_until: float = math.inf,
    signing_key: str = "",
    credentials: tuple[str, str] | None = ("u", "p"),
) -> AgentEntry:
    """An agent; `versions` are definitions by number, `live` one of them or None for a broken agent."""
    key = TokenKey("master", name)
    definitions = versions or {1: fleet_definitions().get(name, {"prompt": {"text": f"I am {name}."}})}
    ready = {n: StoredVersion(n, AgentDefinition.read(definition), key, {}) for n, definition in definitions.items()}
    return AgentEntry(
        id=number,
        name=name,
        credentials=Credentials.of(*credentials) if credentials else None,
        signing_key=signing_key,
        key=key,
        live=ready[live] if live else None,
        versions=ready,
        paused=pause_document(paused) if paused else None,
        problem="" if live else "it has no live version",
        live_step=Step("version", f"version {live} is live", bool(live)),
        paused_until=paused_until,
        pause_over=Step("state", f"the pause of {name} is over"),
    )


def build_route(path: str, agent: AgentEntry, number: int | None = None) -> RouteEntry:
    step = Step("route", f"{path} belongs to {agent.name}", path=path)
    return RouteEntry(number or agent.id, path, agent, step, prefix_of(path))


def build_table(
    routes: Mapping[str, AgentEntry], sip: Mapping[str, str] | None = None, default: str = "", revision: int = 1
) -> RoutingTable:
    """A table: agents by route, routes by SIP name, the default route."""
    names: dict[str, list[str]] = {path: [] for path in routes}
    for username, path in (sip or {}).items():
        names[path].append(username)
    entries = [
        (build_route(path, agent, number), names[path], path == default)
        for number, (path, agent) in enumerate(routes.items(), start=1)
    ]
    return RoutingTable().with_changes(revision, set(), entries)


@cache
def fleet_table() -> RoutingTable:
    """The fleet of fleet.yaml at its routes, without a default route."""
    return build_table(
        {
            "/clinic/booking": build_agent("booking-desk", number=1),
            "/pharmacy": build_agent("pharmacy", number=2),
            "/info": build_agent("info-line", number=3),
        },
        {
            "appointments": "/clinic/booking",
            "booking-desk": "/clinic/booking",
            "refills": "/pharmacy",
            "info": "/info",
        },
    )
