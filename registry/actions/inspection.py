"""What agents are, on their way into the registry: each kind checks and looks at its own, with what we lend it.

Whatever takes time happens here, before an action takes its lock.
"""

from collections.abc import Iterable
from typing import Any, Literal

from django.conf import settings
from yarl import URL

from agents.errors import InvalidDefinition, UnusableSource
from agents.fields import UNREADABLE
from agents.kind import Kind, Seen
from agents.kinds import kind_of, kind_of_source
from agents.models import Agent
from agents.python.launch import Whereabouts
from agents.remote.probe import Reach
from agents.sources import Source
from registry.actions.definitions import refused
from registry.actions.instead import NOTHING, Instead
from registry.actions.transaction import Actor
from registry.base.errors import Conflict, Forbidden, Malformed

LOOKED_BACK = 50  # versions among which the one is looked for that an agent's credentials are of
# User and password of a remote server; None = those that it has, if any.
Upstream = tuple[str, str] | Literal[Instead.NOTHING] | None


def look_at(value: Any, *, by: Actor, name: str = "", upstream: Upstream = None, signing_key: str = "") -> Seen:
    """What a version's JSON says, checked; a Python agent is built, a remote server asked. `RegistryError` if it fails.

    `name`: of the agent; of a registered remote one the credentials and the signing key are known already.
    """
    kind, source = kind_of(value), parsed(value)
    if kind.runs_code and not by.may_run_code:
        raise Forbidden(f"a {kind.label} agent runs code on the server: only an Admin may register or reload one")
    try:
        return kind.inspect(source, Surroundings(kind, by, name, upstream, signing_key))
    except UnusableSource as error:
        problems = {kind.fault_at(source): str(error)}
        raise Malformed(str(error), problems=problems, where="definition", about=error.about) from None


def look_again(value: Any, *, by: Actor, name: str) -> Seen:
    """What a kept version says, looked at anew because it is to serve: not all that it was made of comes back with it.

    `Conflict` if that is another one now: a Python agent's files are not those that the version was made of.
    """
    kind, before = kind_of(value), parsed(value)
    seen = look_at(before.given(), by=by, name=name)
    if changed := kind.changed_since(before, seen.source, name):
        raise Conflict(changed)
    return seen


def parsed(value: Any) -> Source:
    """A version's JSON, checked by itself: nothing is looked at. `Malformed` lists every problem by field."""
    kind = kind_of(value)
    try:
        source: Source = kind.check(value, refused)
    except InvalidDefinition as error:
        words = f"the {kind.noun} has problems:\n{error}"
        raise Malformed(words, problems=error.problems, where="definition") from None
    return source


class Surroundings:
    """What we lend to whoever looks at a source: `agents.kind.Surroundings`."""

    def __init__(self, kind: Kind[Any], by: Actor, name: str, upstream: Upstream, signing_key: str):
        self.kind = kind
        self.may_run_code = by.may_run_code
        self.name = name
        self.given = upstream
        self.signing_key = signing_key

    def whereabouts(self) -> Whereabouts:
        """Where code may come from."""
        return whereabouts()

    def reach(self) -> Reach:
        """How servers are reached."""
        return Reach(tuple(settings.WEBHOOK_ALLOWED_HOSTS), self.signing_key or kept_signing_key(self.name))

    def upstream(self, servers: Iterable[str]) -> tuple[str, str] | None:
        """The credentials that are given, or that a registered agent has. Another server does not get the latter."""
        if isinstance(self.given, tuple):
            return self.given
        agent = Agent.objects.select_related("live").filter(name=self.name).first() if self.name else None
        if agent is None or self.given is NOTHING or agent.upstream in ("", UNREADABLE):
            return None
        refuse_other_servers(agent, self.kind, servers)
        user, _, password = agent.upstream.partition(":")
        return user, password

    def is_secret(self, name: str) -> bool:
        """Whether a value of this name is masked in the log."""
        return name.lower() in settings.MASKED_KEYS


def whereabouts() -> Whereabouts:
    """Where Python agents may come from."""
    return Whereabouts(
        tuple(settings.AGENT_PATH),
        tuple(settings.AGENT_MODULES),
        memory=settings.AGENT_MEMORY_MB * 2**20,
        hidden=frozenset(settings.NOT_FOR_AGENTS),
    )


def kept_signing_key(name: str) -> str:
    """The signing key that callers of an agent prove: its own, else the fleet's."""
    own = Agent.objects.filter(name=name).values_list("signing_key", flat=True).first() if name else ""
    return own if own and own != UNREADABLE else settings.SIGNALWIRE_SIGNING_KEY


def refuse_other_server(agent: Agent, source: Source) -> None:
    """Raise `Malformed` if an agent's credentials, which belong to its newest server, would be sent to another one."""
    if agent.upstream not in ("", UNREADABLE):
        kind = kind_of_source(source)
        refuse_other_servers(agent, kind, kind.servers(source.stored()))


def refuse_other_servers(agent: Agent, kind: Kind[Any], urls: Iterable[str]) -> None:
    """The same for the servers at these URLs."""
    wanted = {origin_of(url) for url in urls}
    others = wanted - {origin_of(url) for url in newest_servers(agent)} if wanted else wanted
    if others:
        words = (
            f"the credentials that {agent.name} has are for another server than {', '.join(sorted(others))}: give the "
            "user and the password again"
        )
        raise Malformed(words, problems={f"{kind.key}.user": words}, where="definition")


def newest_servers(agent: Agent) -> list[str]:
    """The servers that the agent's live version names, else the last one that did, if it is not long ago."""
    retired = agent.versions.filter(retired__isnull=False).order_by("-retired")[:LOOKED_BACK]
    for version in [agent.live, *retired] if agent.live else retired:
        if servers := kind_of(version.definition).servers(version.definition):
            return servers
    return []


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    return str(URL(url).origin())
