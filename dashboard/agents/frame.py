"""What every tab of an agent's page shares: the agent, how it is doing, what leads to it, and the tabs."""

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest

from agents.models import Agent
from dashboard.agent_health import agents_in_trouble, present_troubles
from dashboard.sources.facts import functions_in
from registry.base.errors import NotFound
from registry.heartbeats import Everywhere, everywhere
from registry.models import RegistryChange, Route, SipMapping
from registry.reports.agent_list import nearest_agent
from registry.reports.traffic import standing
from registry.requests import public_base, public_path

# Name of the tab's URL, its word, and which of the counts stands beside it.
TABS = [
    ("agent", "Overview", ""),
    ("agent-definition", "Definition", ""),
    ("agent-document", "Document", ""),
    ("agent-functions", "Functions", "functions"),
    ("agent-routing", "Routing", "reach"),
    ("agent-versions", "Versions", "versions"),
    ("agent-log", "Log", ""),
    ("agent-history", "History", ""),
]
SECRETS = ("credentials", "signing_key", "upstream")


def agent_frame(request: HttpRequest, name: str, tab: str) -> dict[str, Any]:
    """What templates/pages/agent/base.html needs for a tab (the name of its URL, "" for none): seven queries.

    `NotFound` with the nearest name if there is no such agent. One in the trash is shown too, with a way back.
    """
    agent = find_agent(name)
    routes = list(agent.routes.all())
    names: list[SipMapping] = [mapping for route in routes for mapping in route.sip_mappings.all()]
    counts = {
        "functions": len(functions_in(agent.live.definition)) if agent.live else 0,
        "reach": len(routes) + len(names),
        "versions": agent.versions.count(),
    }
    return {
        **standing_of_agent(agent),
        "agent": agent,
        "routes": routes,
        "sip_names": names,
        "base": public_base(request),
        "swml_url": url_of_route(request, routes[0]) if routes else "",
        "reached": any(route.enabled for route in routes),
        "counts": counts,
        "tab": tab,
        "tabs": [(url, word, counts.get(key)) for url, word, key in TABS],
        "tab_word": next((word for url, word, _ in TABS if url == tab), ""),
        "here": "agents",
        "trashed": agent.state == Agent.State.TRASHED,
        "socket": public_path(f"/ws/page?rate=0&filter=agent:{quote(agent.name)}"),
    }


def find_agent(name: str) -> Agent:
    """An agent, also one in the trash, with live version, routes and SIP names; its secrets stay in the database."""
    agents = Agent.objects.select_related("live", "draft").defer(*SECRETS, "draft__definition")
    agent = agents.prefetch_related("routes__sip_mappings").filter(name=name).first()
    if agent is None:
        near = nearest_agent(name)
        hint = f" Did you mean {near}?" if near else ""
        raise NotFound(f"There is no agent {name[:100]}.{hint}")
    return agent


def standing_of_agent(agent: Agent) -> dict[str, Any]:
    """How an agent is doing in one word and why, and how far the newest revision has come if not everywhere."""
    progress: Everywhere = everywhere(RegistryChange.newest())
    serving = agent.current_state == Agent.State.SERVING
    return {
        "standing": standing(agent, present_troubles()).value,
        "trouble": agents_in_trouble().get(agent.name) if serving else None,
        "behind": None if progress.done else progress,
    }


def url_of_route(request: HttpRequest, route: Route) -> str:
    """Where the platform fetches an agent's document, without credentials."""
    return f"{public_base(request)}{route.path}"
