"""From the rows to the document: everything that is registered, without any secret."""

from collections.abc import Collection, Iterable

import orjson

from agents.kinds import kind_of
from agents.models import Agent
from registry.base.errors import Malformed
from registry.fleet.collector import without_collector
from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.fleet.present import PresentAgent, PresentName, PresentRoute, one_moment, read_definitions, read_present
from registry.models import SipMapping
from registry.reports.describe import as_written
from registry.routing.addresses import normalise_sip_username

PREFIX = "AGENT_SECRET_"  # what AGENT_SECRETS allows unless it is set


@without_collector
def export_fleet(names: Collection[str] | None = None) -> str:
    """The whole registry as YAML, or only these agents; the same bytes as long as nothing changes."""
    return export_document(names).as_yaml()


@without_collector
def export_document(names: Collection[str] | None = None) -> Document:
    """The whole registry, as of one moment. What is in the trash is not in it, nor what cannot answer.

    `names`: only these agents; the variables of their secrets are called as in the whole document.
    """
    with one_moment():
        registered = [agent for agent in read_present().values() if agent.registered]
        present = [agent for agent in registered if names is None or agent.name in names]
        definitions = read_definitions([agent.live for agent in present if agent.live is not None])
    variables = variable_stems(agent.name for agent in registered)
    agents: dict[str, FleetAgent] = {}
    left_out: dict[str, str] = {}
    for agent in present:
        try:
            definition = orjson.loads(definitions[agent.live or 0])
        except (KeyError, ValueError):
            left_out[agent.name] = "which has no live version" if agent.live is None else "whose definition is no JSON"
            continue
        if not agent.routes:
            left_out[agent.name] = "which has no route"
            continue
        agents[agent.name] = exported(agent, definition, variables[agent.name])
    return Document(agents, left_out)


def exported(agent: PresentAgent, definition: object, stem: str) -> FleetAgent:
    """An agent of the document."""
    return FleetAgent(
        agent.name,
        as_written(definition),
        tuple(exported_route(route) for route in agent.routes),
        agent.title,
        agent.tags,
        agent.state,
        agent.pause_message if agent.state == Agent.State.PAUSED else "",
        f"{stem}_CREDENTIALS" if agent.credentials else "",
        f"{stem}_SIGNING_KEY" if agent.signing_key else "",
        agent.paused_until,
        f"{stem}_UPSTREAM" if agent.upstream and kind_of(definition).has_upstream else "",
    )


def exported_route(route: PresentRoute) -> FleetRoute:
    """A route of the document."""
    chosen = {name.username: as_typed(name) for name in route.names if name.source == SipMapping.Source.MANUAL}
    automatic = tuple(name.username for name in route.names if name.source == SipMapping.Source.AUTO)
    return FleetRoute(route.path, enabled=route.enabled, default=route.default, sip=chosen, auto_sip=automatic)


def as_typed(name: PresentName) -> str:
    """A name as it was typed, unless that was too long to be kept whole."""
    try:
        whole = normalise_sip_username(name.typed) == name.username
    except Malformed:
        whole = False
    return name.typed if whole else name.username


def variable_stems(names: Iterable[str]) -> dict[str, str]:
    """What the variables of each agent's secrets begin with; a-b and a_b must not share them."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names):
        stem = first = PREFIX + name.upper().replace("-", "_")
        number = 2
        while stem in taken:
            stem, number = f"{first}_{number}", number + 1
        stems[name] = stem
        taken.add(stem)
    return stems
