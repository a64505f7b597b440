"""Which SIP names and routes a document's agents get, and what somebody else has already."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.fleet.present import PresentAgent
from registry.models import SipMapping
from registry.routing.addresses import automatic_usernames


@dataclass
class Reach:
    """What leads to agents: who has which route and SIP name, and the default route. Values are owners' words."""

    routes: dict[str, str] = field(default_factory=dict)
    sip: dict[str, str] = field(default_factory=dict)
    default: str = ""

    @classmethod
    def of(cls, agents: Iterable[PresentAgent]) -> "Reach":
        """What leads to agents that stay as they are."""
        reach = cls()
        for agent in agents:
            owner = f"agent {agent.name}, which is not in the document"
            for route in agent.routes:
                reach.routes[route.path] = owner
                reach.sip |= {name.username: owner for name in route.names}
                reach.default = f"{route.path} of {owner}" if route.default else reach.default
        return reach


def conflicts_of(agents: Iterable[FleetAgent], staying: Reach) -> dict[str, str]:
    """What a document wants and somebody else has, in it or beside it; by path."""
    found: dict[str, str] = {}
    reach = Reach(dict(staying.routes), dict(staying.sip), staying.default)
    for agent, route in routes_of(agents):
        where = f"agents.{agent.name}.routes.{route.path}"
        if owner := reach.routes.get(route.path):
            found[where] = f"is taken by {owner}"
        owner = f"agent {agent.name}"
        reach.routes.setdefault(route.path, owner)
        for key, names in (("sip", tuple(route.sip)), ("auto_sip", route.auto_sip)):
            for number, username in enumerate(names):
                if username in reach.sip:
                    found[f"{where}.{key}[{number}]"] = f"{username} belongs to {reach.sip[username]}"
                reach.sip.setdefault(username, f"{owner} at {route.path}")
        if route.default and reach.default:
            found[f"{where}.default"] = f"there is one default route at most, and it is {reach.default}"
        if route.default:
            reach.default = reach.default or f"{route.path} of {owner}"
    return found


def with_automatic_names(
    document: Document, present: Mapping[str, PresentAgent], staying: Reach
) -> tuple[dict[str, FleetAgent], list[str]]:
    """The agents with the names that `auto_sip: true` means, and warnings about those that others have.

    Whoever has such a name now keeps it; the others come in the order of the document.
    """
    taken = dict(staying.sip)
    for agent, route in routes_of(document.agents.values()):
        for username in (*route.sip, *route.auto_sip):
            taken.setdefault(username, f"agent {agent.name}")
    claims = [
        (agent, route, username)
        for agent, route in routes_of(document.agents.values())
        if route.all_auto_sip
        for username in automatic_usernames(agent.name, route.path)
        if username not in route.sip
    ]
    held = {
        (agent.name, route.path, name.username)
        for agent in present.values()
        for route in agent.routes
        for name in route.names
        if name.source == SipMapping.Source.AUTO
    }
    claims.sort(key=lambda claim: (claim[0].name, claim[1].path, claim[2]) not in held)
    got: dict[tuple[str, str], list[str]] = {}
    warnings = []
    for agent, route, username in claims:
        if username in taken:
            if taken[username] != f"agent {agent.name}":
                words = f"the automatic SIP name {username} of {agent.name} is skipped: {taken[username]} has it"
                warnings.append(words)
        else:
            taken[username] = f"agent {agent.name}"
            got.setdefault((agent.name, route.path), []).append(username)
    agents = {}
    for name, agent in document.agents.items():
        routes = tuple(
            replace(route, auto_sip=tuple(sorted(got.get((name, route.path), []))), all_auto_sip=False)
            if route.all_auto_sip
            else route
            for route in agent.routes
        )
        agents[name] = replace(agent, routes=routes)
    return agents, warnings


def routes_of(agents: Iterable[FleetAgent]) -> Iterator[tuple[FleetAgent, FleetRoute]]:
    """Every route, with its agent."""
    for agent in agents:
        for route in agent.routes:
            yield agent, route
