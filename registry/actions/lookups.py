"""What actions look up before they change it, and the words for what is not there."""

from agents.models import Agent
from registry.base.errors import Conflict, NotFound
from registry.base.text import is_storable
from registry.models import Route
from registry.routing.addresses import normalise_route


def get_agent(name: str, *, changing: bool = True) -> Agent:
    """An agent that is not in the trash; `NotFound` says where a trashed one is. `changing`: its row is locked."""
    agents = (
        Agent.objects.select_for_update(of=("self",)) if changing else Agent.objects.select_related("live", "draft")
    )
    agent = agents.filter(name=name).first() if is_storable(name) else None
    if agent is None:
        raise NotFound(f"there is no agent {name!r}: `agents` lists them", about="agent")
    if agent.state == Agent.State.TRASHED:
        raise NotFound(f"agent {name} is in the trash: restore it, or register it again", about="agent")
    return agent


def get_route(route: str | int, verb: str = "use") -> Route:
    """A registered route by its path or id, for changing. Whoever gives an agent's name is told the route to `verb`."""
    if isinstance(route, int):
        found = Route.objects.select_related("agent").filter(pk=route).first()
        if found is None:
            raise NotFound(f"there is no route with the id {route}", about="route")
        return found
    path = normalise_route(route)
    registered = Route.objects.select_related("agent").filter(path=path).first()
    if registered is not None:
        return registered
    held = list(Route.objects.filter(agent__name=path[1:]).values_list("path", flat=True))
    if not held:
        raise NotFound(f"nothing is registered at {path}: `agents` lists the routes", about="route")
    advice = f": {verb} {held[0]}" if len(held) == 1 else ""
    words = f"nothing is registered at {path}; agent {path[1:]} is at {', '.join(held)}{advice}"
    raise NotFound(words, about="route")


def only_route(name: str) -> Route:
    """The route of an agent that has one only; `Conflict` asks which is meant if there are several."""
    routes = list(Route.objects.select_related("agent").filter(agent__name=name)[:3])
    if not routes:
        get_agent(name)  # says why there is none
        raise NotFound(f"agent {name} has no route")
    if len(routes) > 1:
        raise Conflict(f"agent {name} has several routes, {routes[0]} and {routes[1]} among them: say which")
    return routes[0]


def default_route() -> Route | None:
    """The route that takes calls to SIP names that nobody has."""
    return Route.objects.select_related("agent").filter(default=True).first()


def refuse_taken_route(path: str, name: str) -> None:
    """Raise `Conflict` with the owner's name; the owner itself, `name`, is told how to publish a new version."""
    owner = Route.objects.filter(path=path).values_list("agent__name", flat=True).first()
    if owner == name:
        raise Conflict(f"agent {name} is registered already, at {path}: --update publishes a new version of it")
    if owner:
        raise Conflict(f"route {path} is taken by agent {owner}")
