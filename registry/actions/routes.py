"""The actions about routes: the paths at which agents answer."""

from collections.abc import Iterable
from typing import Any

from agents.models import Agent
from registry.actions.former_routes import check_former, former_route, make_former_route
from registry.actions.lookups import default_route, get_agent, get_route, refuse_taken_route
from registry.actions.sip_names import add_automatic_mappings, add_sip_mapping
from registry.actions.transaction import Actor, Change, changing, finish
from registry.actions.trash import put_into_trash
from registry.actions.versions import Expected
from registry.models import RegistryChange, Route
from registry.reports.describe import check_expected, route_tag
from registry.routing.addresses import normalise_route, normalise_sip_username


def register_route(
    name: str, route: str, *, by: Actor, sip: Iterable[str] = (), auto_sip: bool = True, wait: bool = False
) -> Change:
    """Give a registered agent another route, with its SIP names."""
    path = normalise_route(route)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    with changing(by):
        agent = get_agent(name)
        refuse_taken_route(path, "")
        change = Change(agent=name, route=path, sip=list(wanted))
        registered = Route.objects.create(path=path, agent=agent)
        for username, typed in wanted.items():
            add_sip_mapping(username, typed, registered)
        if auto_sip:
            add_automatic_mappings(registered, change)
        change.revision = RegistryChange.newest()
        change.tag, change.made = route_tag(registered), registered.pk
    return finish(change, wait)


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
    with changing(by):
        registered = get_route(route)
        check_expected(expected, route_tag(registered))
        change = Change(agent=registered.agent.name, route=registered.path)
        wanted = {"enabled": enabled, "default": default}
        change.renewed = [word for word, value in wanted.items() if value not in (None, getattr(registered, word))]
        change.changed = bool(change.renewed)
        if "default" in change.renewed:
            Route.objects.filter(default=True).update(default=False)
        for word in change.renewed:
            setattr(registered, word, wanted[word])
        if change.changed:
            registered.save(update_fields=change.renewed)
        change.revision = RegistryChange.newest()
        change.tag = route_tag(registered)
    return finish(change, wait)


def unregister(route: str | int, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Remove a route and its SIP names: 404 from now on. An agent without any route is in the trash.

    `Change.former` is the route as `restore_route` takes it.
    """
    with changing(by):
        registered = get_route(route, "unregister")
        check_expected(expected, route_tag(registered))
        agent = registered.agent
        change = Change(agent=agent.name, route=registered.path)
        change.former = former_route(registered, registered.sip_mappings.all())
        change.sip = [mapping["username"] for mapping in change.former["sip"]]
        if agent.routes.count() == 1:
            put_into_trash(agent)
            change.state = Agent.State.TRASHED.value
        registered.delete()
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def restore_route(name: str, former: Any, *, by: Actor, wait: bool = False) -> Change:
    """Give an agent a route back that it had, with its names; `former` as `Change.former` of `unregister` says it.

    Names that another has now are skipped and reported. For an agent in the trash there is `restore_agent`.
    """
    checked = check_former(former)
    with changing(by):
        agent = get_agent(name)
        change = Change(agent=name, route=checked["path"])
        make_former_route(agent, checked, change)
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def set_default_route(route: str | None, *, by: Actor, wait: bool = False) -> Change:
    """Choose the route that takes calls to SIP names that nobody has; None = nobody takes them."""
    with changing(by):
        registered = None if route is None else get_route(route)
        change = Change(agent=registered.agent.name, route=registered.path) if registered else Change(agent="")
        change.changed = default_route() != registered
        if change.changed:
            Route.objects.filter(default=True).update(default=False)
        if change.changed and registered:
            registered.default = True
            registered.save(update_fields=["default"])
        change.revision = RegistryChange.newest()
    return finish(change, wait)
