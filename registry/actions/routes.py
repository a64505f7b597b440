"""The actions about routes: the paths at which agents answer."""

from collections.abc import Iterable
from typing import Any

from agents.models import Agent
from registry.actions.etags import Expected, check_expected, route_tag
from registry.actions.former_routes import check_former, former_route, make_former_route
from registry.actions.lookups import default_route, get_agent, get_route, refuse_taken_route
from registry.actions.sip_names import add_automatic_mappings, add_sip_mapping
from registry.actions.transaction import Actor, Change, changing
from registry.actions.trash import put_into_trash
from registry.models import Route
from registry.routing.addresses import normalise_route, normalise_sip_username


def register_route(
    name: str, route: str, *, by: Actor, sip: Iterable[str] = (), auto_sip: bool = True, wait: bool = False
) -> Change:
    """Give a registered agent another route, with its SIP names."""
    path = normalise_route(route)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        refuse_taken_route(path, "")
        change.route, change.sip = path, list(wanted)
        registered = Route.objects.create(path=path, agent=agent)
        for username, typed in wanted.items():
            add_sip_mapping(username, typed, registered)
        if auto_sip:
            add_automatic_mappings(registered, change)
        change.tag, change.made = route_tag(registered), registered.pk
    return change


def update_route(
    route: str | int,
    *,
    by: Actor,
    enabled: bool | None = None,
    default: bool | None = None,
    expected: Expected = None,
    wait: bool = False,
) -> Change:
    """Switch a route on or off, or make it the one that takes calls to SIP names that nobody has."""
    with changing(by, wait=wait) as change:
        registered = get_route(route)
        check_expected(expected, route_tag(registered))
        change.agent, change.route = registered.agent.name, registered.path
        wanted = {"enabled": enabled, "default": default}
        change.renewed = [word for word, value in wanted.items() if value not in (None, getattr(registered, word))]
        change.changed = bool(change.renewed)
        if "default" in change.renewed:
            Route.objects.filter(default=True).update(default=False)
        for word in change.renewed:
            setattr(registered, word, wanted[word])
        if change.changed:
            registered.save(update_fields=change.renewed)
        change.tag = route_tag(registered)
    return change


def unregister(route: str | int, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Remove a route and its SIP names: 404 from now on. An agent without any route is in the trash.

    `Change.former` is the route as `restore_route` takes it.
    """
    with changing(by, wait=wait) as change:
        registered = get_route(route, "unregister")
        check_expected(expected, route_tag(registered))
        agent = registered.agent
        change.agent, change.route = agent.name, registered.path
        change.former = former_route(registered, registered.sip_mappings.all())
        change.sip = [mapping["username"] for mapping in change.former["sip"]]
        if agent.routes.count() == 1:
            put_into_trash(agent)
            change.state = Agent.State.TRASHED.value
        registered.delete()
    return change


def restore_route(name: str, former: Any, *, by: Actor, wait: bool = False) -> Change:
    """Give an agent a route back that it had, with its names; `former` as `Change.former` of `unregister` says it.

    Names that another has now are skipped and reported. For an agent in the trash there is `restore_agent`.
    """
    checked = check_former(former)
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        change.route = checked["path"]
        make_former_route(agent, checked, change)
    return change


def set_default_route(route: str | None, *, by: Actor, wait: bool = False) -> Change:
    """Choose the route that takes calls to SIP names that nobody has; None = nobody takes them."""
    with changing(by, wait=wait) as change:
        registered = None if route is None else get_route(route)
        if registered:
            change.agent, change.route = registered.agent.name, registered.path
        change.changed = default_route() != registered
        if change.changed:
            Route.objects.filter(default=True).update(default=False)
        if change.changed and registered:
            registered.default = True
            registered.save(update_fields=["default"])
    return change
