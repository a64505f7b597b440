"""The actions about agents: register, publish, reload, and what an agent has besides its definition."""

from collections.abc import Iterable
from typing import Any

import pghistory

from agents.kinds import kind_named, kind_of, kind_of_source
from agents.models import Agent
from registry.actions.credentials import (
    COLUMNS,
    Credentials,
    SigningKey,
    check_secrets,
    have_credentials,
    keep_secrets,
    of_its_own,
    renew_secrets,
)
from registry.actions.definitions import warnings_of
from registry.actions.etags import Expected, agent_tag, check_expected
from registry.actions.inspection import Upstream, look_at, parsed
from registry.actions.lookups import get_agent, get_route, only_route, refuse_taken_route
from registry.actions.sip_names import add_automatic_mappings, add_claimed_mappings, add_sip_mapping
from registry.actions.transaction import Actor, Change, changing
from registry.actions.trash import take_out_of_trash
from registry.actions.versions import make_live
from registry.base.errors import Conflict, Malformed
from registry.base.text import check_storable
from registry.models import Route
from registry.reports.agent_health import DOWN, troubles
from registry.routing.addresses import check_agent_name, normalise_route, normalise_sip_username

MAX_TITLE = 200  # characters
MAX_TAGS = 20
MAX_TAG = 50  # characters
OF_CODE = {"credentials": "credentials that are", "signing_key": "a signing key that is"}


def register(
    name: str,
    route: str,
    definition: Any,
    *,
    by: Actor,
    sip: Iterable[str] = (),
    auto_sip: bool = True,
    title: str = "",
    credentials: Credentials = None,
    signing_key: SigningKey = "",
    note: str = "",
    upstream: Upstream = None,
    wait: bool = False,
) -> Change:
    """Register an agent: its definition becomes the live version, its route and SIP names answer.

    `definition` may also be of another kind, `{key: …}` (agents/kinds.py); `upstream` has the user and the
    password of a remote server. Credentials and signing keys that a Python agent's code asks for are the agent's own,
    unless others are given; SIP names that it claims are added where nobody has them.

    An agent in the trash is taken out of it and keeps its versions, and the secrets that are not given. Without
    credentials of its own or of the fleet it gets some; `Change.credentials` then holds them, and only then.
    """
    check_agent_name(name)
    path = normalise_route(route)
    title = check_title(title)
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    secrets = check_secrets(credentials, signing_key, upstream)
    seen = look_at(definition, by=by, name=name, upstream=upstream, signing_key=secrets.get("signing_key", ""))
    own = of_its_own(seen)
    of_code = [COLUMNS[column] for column in own if column not in secrets]
    secrets = own | secrets
    with changing(by, name, wait=wait) as change:
        refuse_taken_route(path, name)
        agent = Agent.objects.filter(name=name).first()
        if agent and agent.state != Agent.State.TRASHED:
            held = ", ".join(agent.routes.values_list("path", flat=True))
            raise Conflict(
                f"agent {name} is registered already, at {held}: unregister it first, or use --update for a new version"
            )
        agent = agent or Agent(name=name)
        take_out_of_trash(agent)
        agent.title = title or agent.title
        agent.kind = seen.source.KIND
        change.route, change.of_code = path, of_code
        change.warnings = [*seen.warnings, *warnings_of(seen.source, name)]
        change.warnings += keep_secrets(agent, secrets)
        have_credentials(agent, change)
        agent.save()
        change.version = make_live(agent, seen.source, by, note).number
        registered = Route.objects.create(path=path, agent=agent)
        for username, typed in wanted.items():
            add_sip_mapping(username, typed, registered)
        change.sip = list(wanted)
        add_claimed_mappings(registered, seen.claims, change)
        if auto_sip:
            add_automatic_mappings(registered, change)
        change.tag = agent_tag(agent)
    return change


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
    upstream: Upstream = None,
    expected: Expected = None,
    wait: bool = False,
) -> Change:
    """Give an agent a new live version; running calls keep theirs. A definition that is live already makes none.

    `route`: refuse unless the agent has it; SIP names are added there, else at the agent's only one. What is not given
    stays: names that lead there, credentials, signing key. FLEET takes a secret of the agent's own away.
    """
    wanted = {normalise_sip_username(typed): typed for typed in sip}
    secrets = check_secrets(credentials, signing_key, upstream)
    seen = look_at(definition, by=by, name=name, upstream=upstream, signing_key=secrets.get("signing_key", ""))
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        check_expected(expected, agent_tag(agent))
        registered = None
        if route is not None or wanted:
            registered = get_route(route) if route is not None else only_route(name)
            if registered.agent != agent:
                raise Conflict(f"route {registered.path} is taken by agent {registered.agent.name}")
        change.route = registered.path if registered else ""
        change.warnings = [*seen.warnings, *warnings_of(seen.source, name)]
        before = agent.live_id
        change.version = make_live(agent, seen.source, by, note).number
        if registered:
            change.sip = [
                username for username, typed in wanted.items() if add_sip_mapping(username, typed, registered)
            ]
        change.renewed = ["version"] if agent.live_id != before else []
        change.renewed += ["SIP names"] if change.sip else []
        change.renewed += renew_secrets(agent, secrets)
        change.warnings += [
            f"its code asks for {OF_CODE[column]} not the agent's: the agent keeps what it has"
            for column, value in of_its_own(seen).items()
            if column not in secrets and getattr(agent, column) != value
        ]
        change.changed = bool(change.renewed)
        change.of_fleet = "credentials" in change.renewed and not agent.credentials
        change.tag = agent_tag(agent)
    return change


def reload(name: str, *, by: Actor, force: bool = False, wait: bool = False) -> Change:
    """Look at a Python agent's code, or a remote server's document, again: what changed becomes a new version.

    Running calls stay on the code that they began with, new ones get the other. `force`: a new version also of code
    that says the same, because something beside it has changed: data, the environment, another package. The same for an
    agent that is down.
    """
    agent = get_agent(name, changing=False)
    live = agent.live
    if live is None or not kind_of(live.definition).reloads:
        raise Conflict(f"agent {name} is built here: publish a new version of its definition instead")
    given = parsed(live.definition)
    trouble = troubles([name]).get(name)
    force = force or (trouble is not None and trouble.state == DOWN)  # it is to be had again at once, not after a pause
    definition = kind_of_source(given).again(given, force=force)
    with pghistory.context(changed="reloaded"):
        return publish(name, definition, by=by, note="reloaded", wait=wait)


def update_agent(
    name: str,
    *,
    by: Actor,
    title: str | None = None,
    tags: Iterable[str] | None = None,
    credentials: Credentials = None,
    signing_key: SigningKey = "",
    upstream: Credentials = None,
    expected: Expected = None,
    wait: bool = False,
) -> Change:
    """Change what an agent has besides its definition; what is not given stays.

    `upstream`: user and password of a remote agent's server, NOTHING if it wants none. They are not tried out here, for
    the server may get them later than we do: `reload` does that.
    """
    secrets = check_secrets(credentials, signing_key, upstream)
    given: dict[str, Any] = {}
    if title is not None:
        given["title"] = check_title(title)
    if tags is not None:
        given["tags"] = check_tags(tags)
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        check_expected(expected, agent_tag(agent))
        if upstream is not None and not kind_named(agent.kind).has_upstream:
            words = f"agent {name} is not remote: there is no server to have credentials for"
            raise Conflict(words, problems={"upstream": words})
        other = {column: value for column, value in given.items() if getattr(agent, column) != value}
        for column, value in other.items():
            setattr(agent, column, value)
        if other:
            agent.save(update_fields=list(other))
        change.renewed = [*other, *renew_secrets(agent, secrets)]
        change.changed = bool(change.renewed)
        change.of_fleet = "credentials" in change.renewed and not agent.credentials
        change.tag = agent_tag(agent)
    return change


# --- what they have in common ----------------------------------------------------------------------------------------


def check_title(title: str) -> str:
    """A title as it is kept."""
    check_storable("title", title)
    if len(title.strip()) > MAX_TITLE:
        raise Malformed(f"a title has at most {MAX_TITLE} characters", problems={"title": f"at most {MAX_TITLE}"})
    return title.strip()


def check_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are kept: each once, in the order given."""
    kept = list(dict.fromkeys(tag.strip() for tag in tags))
    for tag in kept:
        check_storable("tag", tag)
    if len(kept) > MAX_TAGS or any(not tag or len(tag) > MAX_TAG for tag in kept):
        words = f"at most {MAX_TAGS} tags of 1 to {MAX_TAG} characters"
        raise Malformed(words, problems={"tags": words})
    return kept
