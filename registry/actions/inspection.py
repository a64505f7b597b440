"""What agents are, on their way into the registry: definitions are checked, Python agents built once, servers asked.

Whatever takes time happens here, before an action takes its lock.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings
from yarl import URL

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition, UnusableSource
from agents.fields import UNREADABLE
from agents.models import Agent
from agents.python.inspection import inspect
from agents.python.launch import Whereabouts
from agents.remote.probe import Reach, probe
from agents.sources import AnySource, PythonSource, RemoteSource, kind_of, read_source
from registry.actions.definitions import read_definition
from registry.actions.instead import NOTHING, Instead
from registry.actions.transaction import Actor
from registry.base.errors import Conflict, Forbidden, Malformed

LOOKED_BACK = 50  # versions among which the one is looked for that an agent's credentials are of
# User and password of a remote server; None = those that it has, if any.
Upstream = tuple[str, str] | Literal[Instead.NOTHING] | None


@dataclass
class Seen:
    """A source that can be served, and what was learnt of it on the way."""

    source: AnySource
    credentials: str = ""  # user:password that its own code asks for
    signing_key: str = ""  # likewise
    warnings: list[str] = field(default_factory=list)


def look_at(value: Any, *, by: Actor, name: str = "", upstream: Upstream = None, signing_key: str = "") -> Seen:
    """What a version's JSON says, checked; a Python agent is built, a remote server asked. `RegistryError` if it fails.

    `name`: of the agent; of a registered remote one the credentials and the signing key are known already.
    """
    if kind_of(value) is None:
        return Seen(read_definition(value))
    source = parsed(value)
    try:
        if isinstance(source, PythonSource):
            return look_at_python(source, by)
        credentials = upstream if isinstance(upstream, tuple) else kept(source, upstream, name)
        return look_at_remote(source, by, credentials, signing_key or kept_signing_key(name))
    except UnusableSource as error:
        problems = {field_of(source): str(error)}
        raise Malformed(str(error), problems=problems, where="definition", about=error.about) from None


def look_again(value: Any, *, by: Actor, name: str) -> Seen:
    """What a kept version says, looked at anew because it is to serve: a Python agent's files do not come back with it.

    `Conflict` if they are others than those that the version was made of.
    """
    if kind_of(value) is None:
        return look_at(value, by=by, name=name)
    before = parsed(value)
    seen = look_at(before.given(), by=by, name=name)
    if isinstance(before, PythonSource) and isinstance(seen.source, PythonSource) and before.code != seen.source.code:
        raise Conflict(
            f"that version was made of other code ({before.code}) than the files have now ({seen.source.code}): bring "
            f"them back, then reload {name}"
        )
    return seen


def parsed(value: Any) -> PythonSource | RemoteSource:
    """A source that is no definition, checked by itself; `Malformed` lists every problem by field."""
    try:
        source = read_source(value)
    except InvalidDefinition as error:
        words = f"the agent's source has problems:\n{error}"
        raise Malformed(words, problems=error.problems, where="definition") from None
    assert not isinstance(source, AgentDefinition)
    return source


def look_at_python(source: PythonSource, by: Actor) -> Seen:
    """Build the agent once, in a process of its own."""
    if not by.may_run_code:
        raise Forbidden("a Python agent runs code on the server: only an Admin may register or reload one")
    inspected = inspect(source, whereabouts())
    found = source.model_copy(update={"found": inspected.found, "code": inspected.code})
    warnings = [*inspected.warnings, *warnings_about(source)]
    return Seen(found, inspected.credentials, inspected.signing_key, warnings)


def warnings_about(source: PythonSource) -> list[str]:
    """Arguments whose names are those of secrets: they are kept in versions, and stand in exports."""
    secret = [name for name in source.arguments if name.lower() in settings.MASKED_KEYS]
    return [
        f"the argument {name} looks like a secret, and arguments are kept in the clear: let the class read a variable"
        for name in secret
    ]


def look_at_remote(source: RemoteSource, by: Actor, upstream: tuple[str, str] | None, signing_key: str) -> Seen:
    """Ask every endpoint for its document."""
    probed = probe(source, upstream, reach(signing_key), may_be_private=by.may_run_code)
    return Seen(probed.source, warnings=probed.warnings)


def whereabouts() -> Whereabouts:
    """Where Python agents may come from."""
    return Whereabouts(
        tuple(settings.AGENT_PATH),
        tuple(settings.AGENT_MODULES),
        memory=settings.AGENT_MEMORY_MB * 2**20,
        hidden=frozenset(settings.NOT_FOR_AGENTS),
    )


def reach(signing_key: str) -> Reach:
    """How remote agents are reached."""
    return Reach(tuple(settings.WEBHOOK_ALLOWED_HOSTS), signing_key)


def kept_signing_key(name: str) -> str:
    """The signing key that callers of an agent prove: its own, else the fleet's."""
    own = Agent.objects.filter(name=name).values_list("signing_key", flat=True).first() if name else ""
    return own if own and own != UNREADABLE else settings.SIGNALWIRE_SIGNING_KEY


def field_of(source: PythonSource | RemoteSource) -> str:
    """The field that names what cannot be used."""
    if isinstance(source, RemoteSource):
        return "remote.url"
    return "python.class" if source.class_ else "python.script"


def kept(source: RemoteSource, upstream: Upstream, name: str) -> tuple[str, str] | None:
    """The credentials that a registered remote agent has for its server. Another server does not get them."""
    agent = Agent.objects.select_related("live").filter(name=name).first() if name else None
    if agent is None or upstream is NOTHING or agent.upstream in ("", UNREADABLE):
        return None
    refuse_other_server(agent, source)
    user, _, password = agent.upstream.partition(":")
    return user, password


def refuse_other_server(agent: Agent, source: AnySource) -> None:
    """Raise `Malformed` if an agent's credentials, which belong to its newest server, would be sent to another one."""
    if not isinstance(source, RemoteSource) or agent.upstream in ("", UNREADABLE):
        return
    known = newest_remote(agent)
    urls = [known["url"], *known.get("more_urls", [])] if known else []
    others = {origin_of(url) for url in source.endpoints} - {origin_of(url) for url in urls}
    if others:
        words = (
            f"the credentials that {agent.name} has are for another server than {', '.join(sorted(others))}: give the "
            "user and the password again"
        )
        raise Malformed(words, problems={"remote.user": words}, where="definition")


def newest_remote(agent: Agent) -> dict[str, Any]:
    """What the agent's live version says of its server, else the last one that did, if it is not long ago."""
    retired = agent.versions.filter(retired__isnull=False).order_by("-retired")[:LOOKED_BACK]
    for version in [agent.live, *retired] if agent.live else retired:
        if kind_of(version.definition) == "remote":
            found: dict[str, Any] = version.definition["remote"]
            return found
    return {}


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    return str(URL(url).origin())
