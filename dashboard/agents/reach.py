"""What leads to an agent, and where callers come out when it no longer does."""

from collections.abc import Collection
from dataclasses import dataclass

from agents.models import Agent
from registry.actions.lookups import default_route
from registry.models import Route
from registry.reports.activity import calls_of


@dataclass(frozen=True)
class Effect:
    """What happens when routes are removed."""

    paths: list[str]
    names: list[str]  # SIP names that go with them
    to: Route | None  # that takes the calls to these names from then on; None = they are refused
    loses_default: bool  # one of them is the default route
    last: bool  # the agent has no other route: it goes into the trash
    running: int  # calls of the agent that run


def effect_of_removing(agent: Agent, routes: Collection[Route]) -> Effect:
    """What removing these routes of an agent does: three queries."""
    default = default_route()
    gone = {route.pk for route in routes}
    return Effect(
        paths=[route.path for route in routes],
        names=[mapping.username for route in routes for mapping in route.sip_mappings.all()],
        to=None if default is None or default.pk in gone else default,
        loses_default=default is not None and default.pk in gone,
        last=not agent.routes.exclude(pk__in=gone).exists(),
        running=sum(calls_of(agent.name).values()),
    )
