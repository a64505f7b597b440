"""What is registered now, in a few queries however many agents there are: for the export, and for plans."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast

from agents.models import Agent, AgentVersion, is_over
from registry.actions.etags import tag_of
from registry.actions.transaction import one_view
from registry.fleet.document import moment_text
from registry.models import Route, SipMapping

SECRETS = ("credentials", "signing_key", "upstream")  # columns of agents
CHUNK = 5000  # versions whose definitions one query fetches


class PresentName(NamedTuple):
    """A SIP name that leads to a route."""

    id: int
    username: str
    typed: str
    source: str


class PresentRoute(NamedTuple):
    """A route, with its names."""

    id: int
    path: str
    enabled: bool
    default: bool
    names: tuple[PresentName, ...]


@dataclass(frozen=True)
class PresentAgent:
    """An agent, also a trashed one."""

    id: int
    name: str
    title: str
    tags: tuple[str, ...]
    state: str
    pause_message: str
    paused_until: str  # as documents have it
    credentials: str  # as it is kept: encrypted
    signing_key: str
    upstream: str
    live: int | None
    routes: tuple[PresentRoute, ...]

    @property
    def registered(self) -> bool:
        """Whether it is not in the trash."""
        return self.state != Agent.State.TRASHED


@contextmanager
def one_moment() -> Iterator[None]:
    """A view of one moment. An action that holds the registry's lock has one already."""
    if connection.in_atomic_block:
        yield
    else:
        with one_view():
            yield


def read_present() -> dict[str, PresentAgent]:
    """All agents by name, in the order of their names; needs `one_moment`."""
    names: dict[int, list[PresentName]] = defaultdict(list)
    rows = SipMapping.objects.order_by("username").values_list("route_id", "id", "username", "typed", "source")
    for route, *name in rows:
        names[route].append(PresentName._make(name))
    routes: dict[int, list[PresentRoute]] = defaultdict(list)
    for agent, pk, path, enabled, default in Route.objects.order_by("id").values_list(
        "agent_id", "id", "path", "enabled", "default"
    ):
        bound = sorted(names[pk], key=lambda name: name.username)  # not by the database's collation
        routes[agent].append(PresentRoute(pk, path, enabled, default, tuple(bound)))
    encrypted = {f"{column}_kept": Cast(column, TextField()) for column in SECRETS}
    columns = ("id", "name", "title", "tags", "state", "pause_message", "paused_until", *encrypted, "live_id")
    agents = Agent.objects.order_by("name").annotate(**encrypted).values_list(*columns)
    return {
        name: PresentAgent(pk, name, title, tuple(tags), *as_heard(*pause), *secrets, live, tuple(routes[pk]))
        for pk, name, title, tags, state, message, until, credentials, key, upstream, live in agents
        for pause, secrets in [((state, message, until), (credentials, key, upstream))]
    }


def as_heard(state: str, message: str, until: datetime | None) -> tuple[str, str, str]:
    """State, pause message and the pause's end: one that is over is none."""
    if state == Agent.State.PAUSED and is_over(until):
        return Agent.State.SERVING.value, "", ""
    return state, message, moment_text(until) if state == Agent.State.PAUSED else ""


def read_definitions(versions: Collection[int]) -> dict[int, str]:
    """The definitions of versions, by id, as the JSON texts that are kept."""
    wanted = sorted(versions)
    found: dict[int, str] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = AgentVersion.objects.filter(pk__in=wanted[start : start + CHUNK])
        found |= dict(rows.order_by().annotate(text=Cast("definition", TextField())).values_list("pk", "text"))
    return found


def state_tag(present: Mapping[str, PresentAgent]) -> str:
    """What changes with anything that a plan depends on. Versions never change, so their ids stand for them."""
    return tag_of(
        [
            [
                agent.name,
                agent.title,
                agent.tags,
                agent.state,
                agent.pause_message,
                agent.paused_until,
                agent.credentials,
                agent.signing_key,
                agent.upstream,
                agent.live,
                agent.routes,
            ]
            for agent in present.values()
        ]
    )
