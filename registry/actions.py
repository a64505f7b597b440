"""Every change of the registry: one atomic function a verb, called by commands, API, admin and dashboard alike.

Each takes the advisory lock first of all, checks, writes, and leaves audit rows that name the actor. What is refused
raises a `RegistryError` and has changed nothing.
"""

import json
import secrets
from collections.abc import Iterable
from typing import Any

import pghistory
from django.conf import settings
from django.utils import timezone

from agents.definition import AgentDefinition
from agents.fields import UNREADABLE
from agents.models import Agent, AgentVersion
from agents.tokens import FOR_MCP, MCP_CALL, TokenKey
from registry.addresses import automatic_usernames, check_agent_name, normalise_route, normalise_sip_username
from registry.changes import Actor, Change, changing, finish
from registry.definitions import read_definition, warnings_of
from registry.errors import Conflict, Malformed, NotFound
from registry.models import RegistryChange, Route, SipMapping

PAUSE_MESSAGE = "This line is paused at the moment. Please call again later."
MAX_MCP_DAYS = 3650
MAX_PAUSE_MESSAGE = 500  # characters; spoken in about half a minute


def register(
    name: str,
    route: str,
    definition: Any,
    *,
    by: Actor,
    sip: Iterable[str] = (),
    auto_sip: bool = True,
    credentials: tuple[str, str] | None = None,
    signing_key: str = "",
    note: str = "",
    wait: bool = False,
) -> Change:
    """Register a stored agent: its definition becomes the live version, its route and SIP names answer.

    An agent in the trash is taken out of it and keeps its versions. Without credentials of its own or of the fleet it
    gets some; `Change.credentials` then holds them, and only then.
    """
    check_agent_name(name)
    path = normalise_route(route)
    checked = read_definition(definition)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    own_credentials = check_credentials(credentials) if credentials else ""
    check_storable("signing_key", signing_key)
    with changing(by):
        refuse_taken_route(path)
        agent = Agent.objects.filter(name=name).first()
        if agent and agent.state != Agent.State.TRASHED:
            held = ", ".join(agent.routes.values_list("path", flat=True))
            raise Conflict(
                f"agent {name} is registered already, at {held}: unregister it first, or use --update for a new version"
            )
        agent = agent or Agent(name=name)
        agent.state, agent.trashed, agent.pause_message = Agent.State.SERVING, None, ""
        agent.credentials = own_credentials or readable(agent.credentials)
        agent.signing_key = signing_key or readable(agent.signing_key)
        change = Change(agent=name, route=path, warnings=warnings_of(checked, name))
        if not agent.credentials and not settings.SWML_BASIC_AUTH_PASSWORD:
            change.credentials = (settings.SWML_BASIC_AUTH_USER, secrets.token_urlsafe(24))
            agent.credentials = ":".join(change.credentials)
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
    name: str, definition: Any, *, by: Actor, route: str | None = None, note: str = "", wait: bool = False
) -> Change:
    """Give an agent a new live version. Running calls keep theirs. `route`: refuse unless the agent has it."""
    checked = read_definition(definition)
    with changing(by):
        agent = get_agent(name)
        if route is not None and get_route(route).agent != agent:
            raise Conflict(f"route {normalise_route(route)} is taken by agent {get_route(route).agent.name}")
        change = Change(agent=name, route=route or "", warnings=warnings_of(checked, name))
        change.version = make_live(agent, checked, by, note).number
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def unregister(route: str, *, by: Actor, wait: bool = False) -> Change:
    """Remove a route and its SIP names: 404 from now on. An agent without any route is in the trash."""
    with changing(by):
        registered = get_route(route)
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
        agent.state, agent.pause_message = state, message
        agent.save(update_fields=["state", "pause_message"])
        change = Change(agent=name, revision=RegistryChange.newest())
    return finish(change, wait)


def register_sip_username(username: str, route: str, *, by: Actor, wait: bool = False) -> Change:
    """Bind a SIP name to a route."""
    normalised = normalise_sip_username(username)
    with changing(by):
        registered = get_route(route)
        add_sip_mapping(normalised, username, registered)
        change = Change(
            agent=registered.agent.name, route=registered.path, sip=[normalised], revision=RegistryChange.newest()
        )
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
        change = Change(agent="")
        Route.objects.filter(default=True).update(default=False)
        if route is not None:
            registered = get_route(route)
            registered.default = True
            registered.save(update_fields=["default"])
            change = Change(agent=registered.agent.name, route=registered.path)
        change.revision = RegistryChange.newest()
    return finish(change, wait)


def reveal_credentials(name: str, *, by: Actor) -> tuple[str, str]:
    """The user and password with which the platform asks this agent; the audit says who looked."""
    with changing(by):
        agent = get_agent(name)
        pghistory.create_event(agent, label="credentials_revealed")
        user, _, password = agent.credentials.partition(":")
    if agent.credentials == UNREADABLE:
        raise NotFound(
            f"the credentials of agent {name} were encrypted with another SECRET_KEY: put it into SECRET_KEY_FALLBACKS"
        )
    if agent.credentials:
        return user, password
    if not settings.SWML_BASIC_AUTH_PASSWORD:
        raise NotFound(f"agent {name} has no credentials, nor has the fleet: set SWML_BASIC_AUTH_PASSWORD")
    return settings.SWML_BASIC_AUTH_USER, settings.SWML_BASIC_AUTH_PASSWORD


def issue_mcp_token(name: str, days: int, *, by: Actor) -> tuple[str, str]:
    """An agent's MCP path, and a token that opens its secure functions there for so many days; the audit notes it.

    It cannot be taken back but by a change of SIGNALWIRE_SWAIG_SECRET, so it should not live longer than it must.
    """
    if not 1 <= days <= MAX_MCP_DAYS:
        raise Malformed(f"a token lives 1 to {MAX_MCP_DAYS} days, not {days}")
    with changing(by):
        agent = get_agent(name)
        if agent.live is None or not agent.live.definition.get("mcp"):
            raise Conflict(f"agent {name} offers no MCP: publish a definition with `mcp: true` first")
        pghistory.create_event(agent, label="mcp_token_issued")
        expires = int(timezone.now().timestamp()) + days * 24 * 60 * 60
        route = agent.routes.values_list("path", flat=True)[0]
    key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), agent.name)
    return f"{route.rstrip('/')}/mcp", key.mint(0, expires, [FOR_MCP], MCP_CALL)[0].decode()


# --- what they have in common ----------------------------------------------------------------------------------------


def get_agent(name: str) -> Agent:
    """An agent that has a route, for changing; `NotFound` says where a trashed one is."""
    agent = Agent.objects.select_for_update(of=("self",)).filter(name=name).first()
    if agent is None:
        raise NotFound(f"there is no agent {name!r}: `agents` lists them")
    if agent.state == Agent.State.TRASHED:
        raise NotFound(f"agent {name} is in the trash: register it again to bring it back")
    return agent


def get_route(route: str) -> Route:
    """A registered route, for changing."""
    path = normalise_route(route)
    registered = Route.objects.select_related("agent").filter(path=path).first()
    if registered is None:
        raise NotFound(f"nothing is registered at {path}: `agents` lists the routes")
    return registered


def refuse_taken_route(path: str) -> None:
    """Raise `Conflict` with the owner's name."""
    owner = Route.objects.filter(path=path).values_list("agent__name", flat=True).first()
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


def add_sip_mapping(username: str, typed: str, route: Route) -> None:
    """Bind a name that somebody chose; `Conflict` names its owner. One that the route has by itself becomes chosen."""
    owner = SipMapping.objects.select_related("route__agent").filter(username=username).first()
    if owner is not None:
        if owner.route_id != route.pk or owner.source == SipMapping.Source.MANUAL:
            raise Conflict(f"SIP name {username} belongs to agent {owner.route.agent.name} at {owner.route.path}")
        owner.delete()
    SipMapping.objects.create(username=username, typed=typed[:200], route=route, source=SipMapping.Source.MANUAL)


def add_automatic_mappings(route: Route, change: Change) -> None:
    """Bind the names that an agent gets by itself; one that is taken is skipped and reported."""
    for username in automatic_usernames(route.agent.name, route.path):
        owner = SipMapping.objects.filter(username=username).values_list("route_id", "route__agent__name").first()
        if owner is None:
            SipMapping.objects.create(username=username, typed=username, route=route, source=SipMapping.Source.AUTO)
            change.sip.append(username)
        elif owner[0] != route.pk:
            change.skipped[username] = owner[1]


def check_credentials(credentials: tuple[str, str]) -> str:
    """`user:password` as it is kept (RFC 7617: no colon in the user, no control characters)."""
    user, password = credentials
    text = f"{user}:{password}"
    if (
        not user
        or not password
        or ":" in user
        or any(ord(character) < 32 or ord(character) == 127 for character in text)
    ):
        raise Malformed("credentials need a user without ':' and a password, both without control characters")
    check_storable("credentials", text)
    return text


def readable(secret: str) -> str:
    """A stored secret, nothing for one that cannot be decrypted any more."""
    return "" if secret == UNREADABLE else secret


def check_storable(what: str, text: str) -> None:
    """Raise `Malformed` for text that Postgres cannot hold."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Malformed(f"the {what} contains a character that cannot be stored")
