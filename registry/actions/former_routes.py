"""Routes that are no more, as the trash and an undo keep them: with their SIP names, so that they can be made again."""

import json
from collections.abc import Iterable
from typing import Any, Protocol

from agents.models import Agent
from registry.actions.lookups import default_route, refuse_taken_route
from registry.actions.transaction import Change
from registry.base.errors import Malformed
from registry.base.text import check_storable
from registry.models import Route, SipMapping
from registry.routing.addresses import MAX_TYPED, normalise_route, normalise_sip_username

NO_ROUTE = "this does not say what the route was"


class HasReach(Protocol):
    """What is noted of a route."""

    @property
    def path(self) -> str:
        """Its path."""

    @property
    def enabled(self) -> bool:
        """Whether it is on."""

    @property
    def default(self) -> bool:
        """Whether it takes the calls to names that nobody has."""


class HasName(Protocol):
    """What is noted of a SIP name."""

    @property
    def username(self) -> str:
        """As names are compared."""

    @property
    def typed(self) -> str:
        """As somebody typed it."""

    @property
    def source(self) -> str:
        """Who chose it."""


def former_route(route: HasReach, names: Iterable[HasName]) -> dict[str, Any]:
    """A route and its names as a trashed agent keeps them."""
    sip = [{"username": name.username, "typed": name.typed, "source": name.source} for name in names]
    return {"path": route.path, "enabled": route.enabled, "default": route.default, "sip": sip}


def former_of(text: str) -> Any:
    """What an undo's form has kept of a route, as `restore_route` takes it; `Malformed` if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(NO_ROUTE) from None


def check_former(former: Any) -> dict[str, Any]:
    """What is said to have been a route, in the form of `former_route`; `Malformed` if it is none."""
    try:
        path, names = normalise_route(former["path"]), list(former["sip"])
        sip = [
            {
                "username": normalise_sip_username(name["username"]),
                "typed": str(name["typed"])[:MAX_TYPED],
                "source": SipMapping.Source(name["source"]).value,
            }
            for name in names
        ]
        for mapping in sip:
            check_storable("SIP name", mapping["typed"])
        return {"path": path, "enabled": bool(former["enabled"]), "default": bool(former["default"]), "sip": sip}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Malformed(NO_ROUTE) from None


def make_former_route(agent: Agent, former: dict[str, Any], change: Change) -> None:
    """Register a route that an agent had, with those of its names that nobody has now."""
    refuse_taken_route(former["path"], "")
    default = former["default"] and default_route() is None
    route = Route.objects.create(path=former["path"], agent=agent, enabled=former["enabled"], default=default)
    for mapping in former["sip"]:
        owner = SipMapping.objects.filter(username=mapping["username"]).first()
        if owner is None:
            SipMapping.objects.create(route=route, **mapping)
            change.sip.append(mapping["username"])
        else:
            change.skipped[mapping["username"]] = owner.route.agent.name
