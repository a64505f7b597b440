"""The tables of the Routing page: names and routes a page at a time, what is wrong with each, the effects of acts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from dashboard.shell import failing_agents
from registry.actions.effects import Effect, Unmatched
from registry.models import Route, SipMapping
from registry.reports.hits import Hits, hits_of_names, hits_of_routes

ROWS = 50  # of a page
HITS_OF = timedelta(hours=24)
OFFERED = 20  # routes or agents that are offered while one types


@dataclass(frozen=True)
class Row:
    """A SIP name, or a route, with what is wrong with it ("" = nothing)."""

    thing: Any
    hits: Hits
    tone: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Rows:
    """A page of a table. `after`: the key that the next page begins behind, "" if this is the last one."""

    rows: list[Row]
    after: str


def names_found(q: str, *, troubled_only: bool, after: str) -> Rows:
    """SIP names that a text is in: in the name, as it was typed, in the route or agent."""
    names = all_names()
    if q:
        names = names.filter(
            Q(username__has_text=q)
            | Q(typed__has_text=q)
            | Q(route__path__has_text=q)
            | Q(route__agent__name__has_text=q)
        )
    if troubled_only:
        names = names.filter(in_trouble("route__"))
    if after:
        names = names.filter(username__gt=after)
    found = list(names.order_by("username")[: ROWS + 1])
    shown = found[:ROWS]
    hits = hits_of_names([name.username for name in shown], day_ago())
    failing = failing_agents()
    rows = [Row(name, hits.get(name.username, Hits()), *trouble_of(name.route, failing)) for name in shown]
    return Rows(rows, shown[-1].username if len(found) > ROWS else "")


def routes_found(q: str, *, troubled_only: bool, after: str) -> Rows:
    """Routes that a text is in: in the path or the agent's name."""
    routes = all_routes()
    if q:
        routes = routes.filter(Q(path__has_text=q) | Q(agent__name__has_text=q))
    if troubled_only:
        routes = routes.filter(in_trouble(""))
    if after:
        routes = routes.filter(path__gt=after)
    found = list(routes.prefetch_related("sip_mappings").order_by("path")[: ROWS + 1])
    shown = found[:ROWS]
    alone = alone_of({route.agent.name for route in shown})
    hits = hits_of_routes([(route.path, route.agent.name) for route in shown], alone, day_ago())
    failing = failing_agents()
    rows = [Row(route, hits.get(route.path, Hits()), *trouble_of(route, failing)) for route in shown]
    return Rows(rows, shown[-1].path if len(found) > ROWS else "")


def all_names() -> QuerySet[SipMapping]:
    """With their routes and agents, but for secrets and definitions."""
    columns = ("path", "enabled", "default", "agent__name", "agent__state", "agent__live_id")
    own = ("username", "typed", "source", "created")
    return SipMapping.objects.select_related("route__agent").only(*own, *(f"route__{column}" for column in columns))


def all_routes() -> QuerySet[Route]:
    """The same of routes."""
    own = ("path", "enabled", "default", "created")
    return Route.objects.select_related("agent").only(*own, "agent__name", "agent__state", "agent__live_id")


def alone_of(agents: Collection[str]) -> set[str]:
    """Those of the agents that have one route only."""
    counts = Agent.objects.filter(name__in=agents).annotate(count=Count("routes")).values_list("name", "count")
    return {name for name, count in counts if count == 1}


def in_trouble(prefix: str) -> Q:
    """The condition that something is wrong with a route; `prefix` leads to it."""
    return (
        Q(**{f"{prefix}enabled": False})
        | Q(**{f"{prefix}agent__state": Agent.State.PAUSED})
        | Q(**{f"{prefix}agent__live": None})
        | Q(**{f"{prefix}agent__name__in": failing_agents()})
    )


def trouble_of(route: Route, failing: Collection[str]) -> tuple[str, str]:
    """Tone and words of what is wrong with a route, "" if nothing is."""
    if not route.enabled:
        return "bad", "Switched off"
    if route.agent.state == Agent.State.PAUSED:
        return "warn", "Agent is paused"
    if route.agent.live_id is None:
        return "bad", "Agent has no live version"
    return ("bad", "Agent is failing") if route.agent.name in failing else ("", "")


def counts() -> dict[str, int]:
    """How many there are, for the head of the page."""
    return {
        "routes": Route.objects.count(),
        "names": SipMapping.objects.count(),
        "troubled_names": SipMapping.objects.filter(in_trouble("route__")).count(),
        "troubled_routes": Route.objects.filter(in_trouble("")).count(),
    }


def day_ago() -> datetime:
    """Since when hits are counted."""
    return timezone.now() - HITS_OF


# --- effects, said before an act --------------------------------------------------------------------------------------


def where(unmatched: Unmatched) -> str:
    """Where calls to names that nobody has go: "the default route /main (front-desk)"."""
    return f"the default route {unmatched}" if unmatched.answers else "nobody: 404"


def lines_of(effect: Effect) -> list[str]:
    """What happens to callers when a route is unregistered or switched off."""
    count = len(effect.sip)
    lines = [f"Requests to {path} will get 404." for path in effect.routes]
    if count:
        names = "1 SIP name" if count == 1 else f"{count} SIP names"
        lines.append(f"{names} will reach {where(effect.unmatched)}.")
    if effect.loses_default:
        lines.append("It is the default route: calls to names that nobody has will reach nobody.")
    return lines


def offers(kind: str, text: str) -> list[tuple[str, str]]:
    """Routes or agents that a text is in, with what belongs to each, for a list to choose from."""
    if kind == "agent":
        agents = Agent.objects.exclude(state=Agent.State.TRASHED).filter(name__contains=text.lower())
        return list(agents.order_by("name").values_list("name", "title")[:OFFERED])
    routes = Route.objects.filter(Q(path__contains=text) | Q(agent__name__contains=text.lower()))
    return list(routes.order_by("path").values_list("path", "agent__name")[:OFFERED])
