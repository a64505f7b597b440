"""The actions about SIP names: which route a name leads to."""

from collections.abc import Iterable

from registry.actions.lookups import get_route
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import Conflict, Malformed, NotFound, Outdated
from registry.models import Route, SipMapping
from registry.routing.addresses import MAX_TYPED, automatic_usernames, normalise_sip_username


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
    with changing(by, wait=wait) as change:
        registered = get_route(route)
        change.agent, change.route, change.sip = registered.agent.name, registered.path, [normalised]
        owner = SipMapping.objects.select_related("route__agent").filter(username=normalised).first()
        if away_from is not None and away_from != (owner.route.path if owner else ""):
            raise Outdated(f"somebody has mapped {normalised} since you looked: look again, then repeat your change")
        if owner is not None:
            change.former = {"route": owner.route.path, "typed": owner.typed, "source": owner.source}
        change.changed = owner is None or owner.route_id != registered.pk
        if change.changed:
            if owner is not None:
                owner.delete()
            SipMapping.objects.create(username=normalised, typed=username[:MAX_TYPED], route=registered, source=source)
    return change


def register_sip_username(username: str, route: str, *, by: Actor, wait: bool = False) -> Change:
    """Bind a SIP name to a route. One that was bound to it before stays as it is: nothing is changed."""
    normalised = normalise_sip_username(username)
    with changing(by, wait=wait) as change:
        registered = get_route(route)
        change.agent, change.route, change.sip = registered.agent.name, registered.path, [normalised]
        change.changed = add_sip_mapping(normalised, username, registered)
    return change


def unregister_sip_username(username: str, *, by: Actor, wait: bool = False) -> Change:
    """Remove a SIP name."""
    normalised = normalise_sip_username(username)
    with changing(by, wait=wait) as change:
        mapping = SipMapping.objects.select_related("route__agent").filter(username=normalised).first()
        if mapping is None:
            raise NotFound(f"nobody has the SIP name {normalised}")
        change.agent, change.route, change.sip = mapping.route.agent.name, mapping.route.path, [normalised]
        change.former = {"route": mapping.route.path, "typed": mapping.typed, "source": mapping.source}
        mapping.delete()
    return change


# --- what they have in common ----------------------------------------------------------------------------------------


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
    SipMapping.objects.create(username=username, typed=typed[:MAX_TYPED], route=route, source=SipMapping.Source.MANUAL)
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
