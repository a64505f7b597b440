"""Every change of the registry: one atomic function a verb, called by commands, API, admin and dashboard alike.

Each takes the advisory lock first of all, checks, writes, and leaves audit rows that name the actor. What is refused
raises a `RegistryError` and has changed nothing.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.utils import timezone

from agents.definition import AgentDefinition
from agents.models import Agent, AgentVersion
from registry.addresses import automatic_usernames, check_agent_name, normalise_route, normalise_sip_username
from registry.changes import Actor, Change, changing, finish
from registry.credentials import (
    FLEET,
    Credentials,
    SigningKey,
    check_secrets,
    issue_mcp_token,
    keep_secrets,
    make_credentials,
    reencrypt,
    renew_secrets,
    reveal_credentials,
)
from registry.definitions import read_definition, warnings_of
from registry.errors import Conflict, Malformed, NotFound
from registry.lookups import check_storable, default_route, get_agent, get_route, only_route
from registry.models import RegistryChange, Route, SipMapping

# The whole of it, also what is at home elsewhere.
__all__ = [
    "FLEET", "Credentials", "SigningKey", "default_route", "issue_mcp_token", "only_route", "pause", "publish",
    "reencrypt", "register", "register_sip_username", "resume", "reveal_credentials", "set_default_route", "unregister",
    "unregister_sip_username",
]  # fmt: skip

PAUSE_MESSAGE = "This line is paused at the moment. Please call again later."
MAX_PAUSE_MESSAGE = 500  # characters; spoken in about half a minute


def register(
    name: str,
    route: str,
    definition: Any,
    *,
    by: Actor,
    sip: Iterable[str] = (),
    auto_sip: bool = True,
    credentials: Credentials = None,
    signing_key: SigningKey = "",
    note: str = "",
    wait: bool = False,
) -> Change:
    """Register a stored agent: its definition becomes the live version, its route and SIP names answer.

    An agent in the trash is taken out of it and keeps its versions, and the secrets that are not given. Without
    credentials of its own or of the fleet it gets some; `Change.credentials` then holds them, and only then.
    """
    check_agent_name(name)
    path = normalise_route(route)
    checked = read_definition(definition)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    secrets = check_secrets(credentials, signing_key)
    with changing(by):
        refuse_taken_route(path, name)
        agent = Agent.objects.filter(name=name).first()
        if agent and agent.state != Agent.State.TRASHED:
            held = ", ".join(agent.routes.values_list("path", flat=True))
            raise Conflict(
                f"agent {name} is registered already, at {held}: unregister it first, or use --update for a new version"
            )
        agent = agent or Agent(name=name)
        agent.state, agent.trashed, agent.pause_message = Agent.State.SERVING, None, ""
        change = Change(agent=name, route=path, warnings=warnings_of(checked, name))
        change.warnings += keep_secrets(agent, secrets)
        if not agent.credentials and not settings.SWML_BASIC_AUTH_PASSWORD:
            change.credentials = make_credentials()
            agent.credentials = ":".join(change.credentials)
        change.of_fleet = not agent.credentials
        agent.save()
        change.version = make_live(agent, checked, by, note).number
        registered = Route.objects.create(path=path, agent=agent)
        for username, typed in wanted.items():
            add_sip_mapping(username, typed, registered)
        change.sip = list(wanted)
        if auto_sip:
            add_automatic_mappings(registered, change)
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def publish(
    name: str,
    definition: Any,
    *,
    by: Actor,
    route: str | None = None,
    sip: Iterable[str] = (),
    credentials: Credentials = None,
    signing_key: SigningKey = "",
    note: str = "",
    wait: bool = False,
) -> Change:
    """Give an agent a new live version; running calls keep theirs. A definition that is live already makes none.

    `route`: refuse unless the agent has it; SIP names are added there, else at the agent's only one. What is not given
    stays: names that lead there, credentials, signing key. FLEET takes a secret of the agent's own away.
    """
    checked = read_definition(definition)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    secrets = check_secrets(credentials, signing_key)
    with changing(by):
        agent = get_agent(name)
        registered = None
        if route is not None or wanted:
            registered = get_route(route) if route is not None else only_route(name)
            if registered.agent != agent:
                raise Conflict(f"route {registered.path} is taken by agent {registered.agent.name}")
        change = Change(agent=name, route=registered.path if registered else "", warnings=warnings_of(checked, name))
        before = agent.live_id
        change.version = make_live(agent, checked, by, note).number
        if registered:
            change.sip = [
                username for username, typed in wanted.items() if add_sip_mapping(username, typed, registered)
            ]
        change.renewed = ["version"] if agent.live_id != before else []
        change.renewed += ["SIP names"] if change.sip else []
        change.renewed += renew_secrets(agent, secrets)
        change.changed = bool(change.renewed)
        change.of_fleet = "credentials" in change.renewed and not agent.credentials
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def unregister(route: str, *, by: Actor, wait: bool = False) -> Change:
    """Remove a route and its SIP names: 404 from now on. An agent without any route is in the trash."""
    with changing(by):
        registered = get_route(route, "unregister")
        agent = registered.agent
        change = Change(agent=agent.name, route=registered.path)
        change.sip = list(registered.sip_mappings.values_list("username", flat=True))
        registered.delete()
        if not agent.routes.exists():
            agent.state, agent.trashed = Agent.State.TRASHED, timezone.now()
            agent.save(update_fields=["state", "trashed"])
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def pause(name: str, message: str = "", *, by: Actor, wait: bool = False) -> Change:
    """New calls hear the message and are hung up; running calls go on."""
    message = message.strip() or PAUSE_MESSAGE
    check_storable("message", message)
    if len(message) > MAX_PAUSE_MESSAGE:
        raise Malformed(f"the pause message has {len(message)} characters, more than {MAX_PAUSE_MESSAGE}")
    return set_state(name, Agent.State.PAUSED, message, by, wait)


def resume(name: str, *, by: Actor, wait: bool = False) -> Change:
    """Answer new calls again."""
    return set_state(name, Agent.State.SERVING, "", by, wait)


def set_state(name: str, state: Agent.State, message: str, by: Actor, wait: bool) -> Change:
    """Pause or resume an agent that has a route."""
    with changing(by):
        agent = get_agent(name)
        change = Change(agent=name, state=state.value, message=message)
        change.changed = (agent.state, agent.pause_message) != (state, message)
        if change.changed:
            agent.state, agent.pause_message = state, message
            agent.save(update_fields=["state", "pause_message"])
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


def refuse_taken_route(path: str, name: str) -> None:
    """Raise `Conflict` with the owner's name; the owner itself, `name`, is told how to publish a new version."""
    owner = Route.objects.filter(path=path).values_list("agent__name", flat=True).first()
    if owner == name:
        raise Conflict(f"agent {name} is registered already, at {path}: --update publishes a new version of it")
    if owner:
        raise Conflict(f"route {path} is taken by agent {owner}")


def make_live(agent: Agent, definition: AgentDefinition, by: Actor, note: str) -> AgentVersion:
    """Add a version and make it the live one; one that says the same as the live one is not added."""
    check_storable("note", note)
    stored = definition.stored()
    before = agent.live
    if before is not None and json.dumps(before.definition) == json.dumps(stored):  # in its order: that is served too
        return before
    newest = agent.versions.order_by("-number").values_list("number", flat=True).first() or 0
    version = AgentVersion.objects.create(
        agent=agent, number=newest + 1, definition=stored, note=note[:500], author=by.name[:150]
    )
    if before is not None:
        before.retired = timezone.now()
        before.save(update_fields=["retired"])
    agent.live = version
    agent.save(update_fields=["live"])
    return version


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


def add_automatic_mappings(route: Route, change: Change) -> None:
    """Bind the names that an agent gets by itself; one that is taken is skipped and reported."""
    for username in automatic_usernames(route.agent.name, route.path):
        owner = SipMapping.objects.filter(username=username).values_list("route_id", "route__agent__name").first()
        if owner is None:
            SipMapping.objects.create(username=username, typed=username, route=route, source=SipMapping.Source.AUTO)
            change.sip.append(username)
        elif owner[0] != route.pk:
            change.skipped[username] = owner[1]
