"""The actions about what leads to an agent: its routes and SIP names, and the trash for an agent without any."""

from collections.abc import Iterable
from typing import Any, Protocol

from django.utils import timezone

from agents.fields import UNREADABLE
from agents.models import Agent
from registry.addresses import automatic_usernames, normalise_route, normalise_sip_username
from registry.changes import Actor, Change, changing, finish
from registry.credentials import have_credentials
from registry.describing import agent_tag, check_expected, route_tag
from registry.errors import Conflict, Malformed, NotFound, Outdated
from registry.lookups import check_storable, default_route, get_agent, get_route
from registry.models import RegistryChange, Route, SipMapping
from registry.versions import Expected

TRASH_COLUMNS = ["state", "trashed", "former_reach", "paused_until"]


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


def unregister_agent(name: str, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Remove all routes of an agent and their SIP names: it is in the trash, and `restore_agent` brings it back."""
    with changing(by):
        agent = get_agent(name)
        check_expected(expected, agent_tag(agent))
        change = Change(agent=name, state=Agent.State.TRASHED.value)
        mappings = SipMapping.objects.filter(route__agent=agent)
        change.sip = list(mappings.values_list("username", flat=True))
        put_into_trash(agent)
        agent.routes.all().delete()
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def restore_agent(name: str, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Bring an agent back from the trash, at the routes and with the SIP names that it had.

    `Conflict` if another has one of the routes now; names that another has are skipped and reported.
    """
    with changing(by):
        agent = Agent.objects.select_for_update(of=("self",)).filter(name=name).first()
        if agent is None:
            raise NotFound(f"there is no agent {name!r}: `agents --trash` lists them")
        check_expected(expected, agent_tag(agent))
        if agent.state != Agent.State.TRASHED:
            raise Conflict(f"agent {name} is registered: there is nothing to restore")
        reach = agent.former_reach or []
        if not reach:
            raise Conflict(f"agent {name} is in the trash without its routes: register it again at one")
        if UNREADABLE in (agent.credentials, agent.signing_key, agent.upstream):
            raise Conflict(
                f"the secrets of agent {name} were encrypted with another SECRET_KEY: put it into "
                "SECRET_KEY_FALLBACKS, or register the agent again with new ones"
            )
        change = Change(agent=name, route=reach[0]["path"], state=Agent.State.SERVING.value)
        take_out_of_trash(agent)
        have_credentials(agent, change)
        agent.save()
        for former in reach:
            make_former_route(agent, former, change)
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


def move_sip_username(
    username: str,
    route: str,
    *,
    by: Actor,
    away_from: str | None = None,
    source: str = SipMapping.Source.MANUAL,
    wait: bool = False,
) -> Change:
    """Bind a SIP name to a route, whoever has it now; `Change.former` has that route and who chose the name.

    `away_from`: the route that the caller saw it lead to, "" = nobody's; `Outdated` if that is so no longer.
    """
    normalised = normalise_sip_username(username)
    if source not in SipMapping.Source.values:
        raise Malformed(f"a SIP name is {' or '.join(SipMapping.Source.values)}, not {source[:20]!r}")
    with changing(by):
        registered = get_route(route)
        change = Change(agent=registered.agent.name, route=registered.path, sip=[normalised])
        owner = SipMapping.objects.select_related("route__agent").filter(username=normalised).first()
        if away_from is not None and away_from != (owner.route.path if owner else ""):
            raise Outdated(f"somebody has mapped {normalised} since you looked: look again, then repeat your change")
        if owner is not None:
            change.former = {"route": owner.route.path, "typed": owner.typed, "source": owner.source}
        change.changed = owner is None or owner.route_id != registered.pk
        if change.changed:
            if owner is not None:
                owner.delete()
            SipMapping.objects.create(username=normalised, typed=username[:200], route=registered, source=source)
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def register_sip_username(username: str, route: str, *, by: Actor, wait: bool = False) -> Change:
    """Bind a SIP name to a route. One that was bound to it before stays as it is: nothing is changed."""
    normalised = normalise_sip_username(username)
    with changing(by):
        registered = get_route(route)
        change = Change(agent=registered.agent.name, route=registered.path, sip=[normalised])
        change.changed = add_sip_mapping(normalised, username, registered)
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def unregister_sip_username(username: str, *, by: Actor, wait: bool = False) -> Change:
    """Remove a SIP name."""
    normalised = normalise_sip_username(username)
    with changing(by):
        mapping = SipMapping.objects.select_related("route__agent").filter(username=normalised).first()
        if mapping is None:
            raise NotFound(f"nobody has the SIP name {normalised}")
        change = Change(agent=mapping.route.agent.name, route=mapping.route.path, sip=[normalised])
        change.former = {"route": mapping.route.path, "typed": mapping.typed, "source": mapping.source}
        mapping.delete()
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


# --- what they have in common ----------------------------------------------------------------------------------------


def put_into_trash(agent: Agent) -> None:
    """Note what leads to an agent, before that is removed."""
    routes = agent.routes.prefetch_related("sip_mappings")
    trash(agent, [former_route(route, route.sip_mappings.all()) for route in routes])
    agent.save(update_fields=TRASH_COLUMNS)


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


def check_former(former: Any) -> dict[str, Any]:
    """What is said to have been a route, in the form of `former_route`; `Malformed` if it is none."""
    try:
        path, names = normalise_route(former["path"]), list(former["sip"])
        sip = [
            {
                "username": normalise_sip_username(name["username"]),
                "typed": storable(str(name["typed"])[:200]),
                "source": SipMapping.Source(name["source"]).value,
            }
            for name in names
        ]
        return {"path": path, "enabled": bool(former["enabled"]), "default": bool(former["default"]), "sip": sip}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Malformed("this does not say what the route was") from None


def storable(text: str) -> str:
    """The same text; `Malformed` if Postgres cannot hold it."""
    check_storable("SIP name", text)
    return text


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


def trash(agent: Agent, reach: list[dict[str, Any]]) -> None:
    """Put it into the trash, once its TRASH_COLUMNS are saved and its routes are gone."""
    agent.state, agent.trashed, agent.former_reach = Agent.State.TRASHED, timezone.now(), reach
    agent.paused_until = None


def take_out_of_trash(agent: Agent) -> None:
    """Let it serve again, once it is saved and has a route."""
    agent.state, agent.trashed, agent.pause_message, agent.former_reach = Agent.State.SERVING, None, "", None
    agent.paused_until = None


def refuse_taken_route(path: str, name: str) -> None:
    """Raise `Conflict` with the owner's name; the owner itself, `name`, is told how to publish a new version."""
    owner = Route.objects.filter(path=path).values_list("agent__name", flat=True).first()
    if owner == name:
        raise Conflict(f"agent {name} is registered already, at {path}: --update publishes a new version of it")
    if owner:
        raise Conflict(f"route {path} is taken by agent {owner}")


def add_sip_mapping(username: str, typed: str, route: Route) -> bool:
    """Bind a name that somebody chose; `Conflict` names its owner. False = it was chosen for this route before.

    A name that the route has by itself becomes a chosen one.
    """
    owner = SipMapping.objects.select_related("route__agent").filter(username=username).first()
    if owner is not None:
        if owner.route_id != route.pk:
            raise Conflict(f"SIP name {username} belongs to agent {owner.route.agent.name} at {owner.route.path}")
        if owner.source == SipMapping.Source.MANUAL:
            return False
        owner.delete()
    SipMapping.objects.create(username=username, typed=typed[:200], route=route, source=SipMapping.Source.MANUAL)
    return True


def add_claimed_mappings(route: Route, names: Iterable[str], change: Change) -> None:
    """Bind the names that a Python agent's code claims; one that another has, or that is none, is skipped and told."""
    for typed in names:
        try:
            username = normalise_sip_username(typed)
            if add_sip_mapping(username, typed, route):
                change.sip.append(username)
        except Malformed as error:
            change.warnings.append(f"its code claims the SIP name {typed[:64]!r}: {error}")
        except Conflict:
            change.skipped[username] = SipMapping.objects.get(username=username).route.agent.name


def add_automatic_mappings(route: Route, change: Change) -> None:
    """Bind the names that an agent gets by itself; one that is taken is skipped and reported."""
    for username in automatic_usernames(route.agent.name, route.path):
        owner = SipMapping.objects.filter(username=username).values_list("route_id", "route__agent__name").first()
        if owner is None:
            SipMapping.objects.create(username=username, typed=username, route=route, source=SipMapping.Source.AUTO)
            change.sip.append(username)
        elif owner[0] != route.pk:
            change.skipped[username] = owner[1]
