"""What callers notice of an act, to be said before it is done: one answer for pages, the admin and commands."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q

from agents.models import Agent
from registry.models import Route, SipMapping

NOBODY = "not_found"  # 404
HOW = {"agent": "", "paused": ", which is paused", "broken": ", which has no live version"}


@dataclass(frozen=True)
class Unmatched:
    """Where calls to SIP names that nobody has come out. `outcome` is what `decide` says of them."""

    outcome: str = NOBODY  # agent, paused, broken or not_found
    path: str = ""  # of the default route; "" = there is none
    agent: str = ""

    @property
    def answers(self) -> bool:
        """Whether an agent takes them. A default route that is switched off does not."""
        return self.outcome != NOBODY

    @property
    def how(self) -> str:
        """What else is to be said of who takes them."""
        return HOW.get(self.outcome, "")

    @property
    def is_off(self) -> bool:
        """Whether there is a default route, and it is switched off."""
        return bool(self.path) and not self.answers

    def __str__(self) -> str:
        return f"{self.path} ({self.agent}){self.how}" if self.answers else "nobody"


@dataclass(frozen=True)
class Effect:
    """What happens when routes are removed, or switched off: then their names stay bound, and no agent is trashed."""

    routes: list[str] = field(default_factory=list)  # that answer 404 from then on
    sip: list[str] = field(default_factory=list)  # names that lead there no longer
    unmatched: Unmatched = field(default_factory=Unmatched)  # who takes these then, and all others that nobody has
    loses_default: str = ""  # the default route, if it is one of them
    trashed: list[str] = field(default_factory=list)  # agents that have no other route


def effect_of_removing(routes: Collection[int]) -> Effect:
    """What removing or switching off these routes, by their ids, does."""
    return effect_on(Q(pk__in=routes))


def effect_of_unregistering(agents: Collection[str]) -> Effect:
    """What unregistering these agents, by name, does; in the trash are all that have a route now."""
    return effect_on(Q(agent__name__in=agents))


def unmatched() -> Unmatched:
    """Where calls to SIP names that nobody has come out now."""
    return landing_at(Route.objects.select_related("agent").filter(default=True).first())


def not_reached(agents: Collection[str]) -> list[str]:
    """Those of the agents that callers do not reach, for none of their routes is on: a pause changes nothing there."""
    known = Agent.objects.filter(name__in=agents).exclude(state=Agent.State.TRASHED)
    return list(known.exclude(routes__enabled=True).order_by("name").values_list("name", flat=True))


# --- what they have in common ----------------------------------------------------------------------------------------


def effect_on(touched: Q) -> Effect:
    """What happens when the routes go for which this holds. One query: of them, the default, their agents' others."""
    names = SipMapping.objects.filter(route=OuterRef("pk")).order_by("username").values("username")
    concerned = Route.objects.select_related("agent").filter(
        touched | Q(default=True) | Q(agent__in=Route.objects.filter(touched).values("agent"))
    )
    rows = concerned.annotate(goes=ExpressionWrapper(touched, BooleanField()), names=ArraySubquery(names))
    ordered = list(rows.order_by("path"))
    going, staying = [route for route in ordered if route.goes], [route for route in ordered if not route.goes]
    others = {route.agent_id for route in staying}
    return Effect(
        routes=[route.path for route in going],
        sip=sorted(name for route in going for name in route.names),
        unmatched=landing_at(next((route for route in staying if route.default), None)),
        loses_default=next((route.path for route in going if route.default), ""),
        trashed=sorted({route.agent.name for route in going if route.agent_id not in others}),
    )


def landing_at(default: Route | None) -> Unmatched:
    """Where calls to names that nobody has come out with this default route; a route that is off is not served."""
    if default is None:
        return Unmatched()
    agent = default.agent
    outcome = "agent" if agent.live_id else "broken"
    if agent.current_state == Agent.State.PAUSED:
        outcome = "paused"
    return Unmatched(outcome if default.enabled else NOBODY, default.path, agent.name)
