"""Carries a plan out with a few statements, however many agents it is about; inside `changing`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Max, Model, QuerySet
from django.utils import timezone

from agents.kinds import kind_of
from agents.models import Agent, AgentVersion
from registry.actions.credentials import COLUMNS, make_credentials, note_in_audit
from registry.actions.former_routes import former_route
from registry.actions.transaction import Actor
from registry.actions.trash import TRASH_COLUMNS, take_out_of_trash, trash
from registry.fleet.compare import Comparison, Work
from registry.fleet.document import FleetRoute
from registry.fleet.plan import ADD
from registry.fleet.present import PresentRoute
from registry.fleet.references import lost
from registry.models import Route, SipMapping
from registry.routing.addresses import MAX_TYPED

CHUNK = 500  # rows of a statement: far below the 30 s that one may take
AGENT_COLUMNS = ["title", "tags", "state", "pause_message", "paused_until"]
LIGHT = Agent.objects.defer(*COLUMNS, "former_reach")  # nothing is decrypted that is not needed
M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass
class Written:
    """What came of it that was not in the plan."""

    credentials: dict[str, tuple[str, str]] = field(default_factory=dict)  # made just now, by agent


def carry_out(comparison: Comparison, by: Actor, note: str) -> Written:
    """Write all of it: first what frees routes and names, then what takes them."""
    written = Written()
    clear_reach(comparison)
    put_into_trash(comparison)
    agents = write_agents(comparison.work, written)
    write_versions(comparison.work, agents, by, note)
    write_reach(comparison.work, agents)
    return written


def clear_reach(comparison: Comparison) -> None:
    """Take away the default, the routes and the names that are not wanted where they are."""
    routes, names, defaults = [], [], []
    for agent in comparison.removed:
        routes += list(agent.routes)
    for work in comparison.work:
        stays = staying_routes(work)
        wanted = {route.path: route for route in work.agent.routes}
        for route in work.present.routes if work.present else ():
            if route.path not in stays:
                routes.append(route)
                continue
            keep = set(names_of(wanted[route.path]))
            names += [name.id for name in route.names if (name.username, name.source) not in keep]
            defaults += [route.id] if route.default and not wanted[route.path].default else []
    names += [name.id for route in routes for name in route.names]
    Route.objects.filter(pk__in=defaults).update(default=False)
    for mappings in chunks(names):
        SipMapping.objects.filter(pk__in=mappings).delete()
    for some in chunks([route.id for route in routes]):
        Route.objects.filter(pk__in=some).delete()


def put_into_trash(comparison: Comparison) -> None:
    """Note what led to the agents that go."""
    reach = {agent.id: [former_route(route, route.names) for route in agent.routes] for agent in comparison.removed}
    agents = in_chunks(LIGHT, reach)
    for agent in agents:
        trash(agent, reach[agent.pk])
    Agent.objects.bulk_update(agents, TRASH_COLUMNS, batch_size=CHUNK)


def write_agents(work: Sequence[Work], written: Written) -> dict[str, Agent]:
    """Write what agents have besides definition and reach; all that are worked on, by name."""
    had = [one.present.id for one in work if one.present]
    agents = {agent.name: agent for agent in in_chunks(LIGHT, had)}
    new, restored, edited = [], [], []
    renewed: dict[str, list[Agent]] = {column: [] for column in COLUMNS}
    for one in work:
        agent = agents.setdefault(one.agent.name, Agent(name=one.agent.name))
        secrets = dict(one.secrets.columns)
        if one.present is None:
            agent.kind = kind_of(one.definition).word
        if one.step.action == ADD:
            take_out_of_trash(agent)
            secrets = {**(lost(one.present) if one.present else {}), **secrets}
        if one.secrets.make_credentials:
            written.credentials[agent.name] = make_credentials()
            secrets["credentials"] = ":".join(written.credentials[agent.name])
        changes = {column: wanted(one, column) for column in AGENT_COLUMNS}
        changed = any(getattr(agent, column) != value for column, value in changes.items())
        for column, value in {**changes, **secrets}.items():
            setattr(agent, column, value)
        if one.present is None:
            new.append(agent)
        elif one.step.action == ADD:
            restored.append(agent)
        elif changed:
            edited.append(agent)
        for column in secrets if one.present else ():
            renewed[column].append(agent)
    Agent.objects.bulk_create(new, batch_size=CHUNK)
    Agent.objects.bulk_update(restored, sorted({*AGENT_COLUMNS, *TRASH_COLUMNS}), batch_size=CHUNK)
    Agent.objects.bulk_update(edited, AGENT_COLUMNS, batch_size=CHUNK)
    for column, some in renewed.items():
        Agent.objects.bulk_update(some, [column], batch_size=CHUNK)
    others = list({agent.name: agent for some in renewed.values() for agent in some}.values())
    if others:
        note_in_audit(others, ", ".join(word for column, word in COLUMNS.items() if renewed[column]))
    return agents


def wanted(work: Work, column: str) -> Any:
    """What an agent is to have, as the model keeps it."""
    value = getattr(work.agent, column)
    if column == "paused_until":
        return datetime.fromisoformat(value) if value else None
    return list(value) if isinstance(value, tuple) else value


def write_versions(work: Sequence[Work], agents: dict[str, Agent], by: Actor, note: str) -> None:
    """Make other definitions live, as new versions."""
    wanted = {agents[one.agent.name].pk: one.definition for one in work if one.definition is not None}
    numbers: dict[int, int] = {}
    for some in chunks([agent.pk for agent in agents.values() if agent.pk in wanted and agent.live_id]):
        rows = AgentVersion.objects.filter(agent__in=some).order_by().values("agent").annotate(newest=Max("number"))
        numbers |= dict(rows.values_list("agent", "newest"))
    live = [agent for agent in agents.values() if agent.pk in wanted]
    versions = AgentVersion.objects.bulk_create(
        [
            AgentVersion(
                agent=agent,
                number=numbers.get(agent.pk, 0) + 1,
                definition=wanted[agent.pk],
                note=note[:500],
                author=by.name[:150],
            )
            for agent in live
        ],
        batch_size=CHUNK,
    )
    now = timezone.now()
    for some in chunks([agent.live_id for agent in live if agent.live_id]):
        AgentVersion.objects.filter(pk__in=some).update(retired=now)
    other_kind = []
    for agent, version in zip(live, versions, strict=True):
        agent.live = version
        kind = kind_of(version.definition).word
        if agent.kind != kind:
            agent.kind = kind
            other_kind.append(agent)
    Agent.objects.bulk_update(live, ["live"], batch_size=CHUNK)
    Agent.objects.bulk_update(other_kind, ["kind"], batch_size=CHUNK)


def write_reach(work: Sequence[Work], agents: dict[str, Agent]) -> None:
    """Bind the routes and names that are wanted and not there yet; the default comes last, for there is one."""
    switched: dict[bool, list[int]] = {True: [], False: []}
    default, new, names = [], [], []
    for one in work:
        stays = staying_routes(one)
        for route in one.agent.routes:
            former = stays.get(route.path)
            if former is None:
                made = Route(path=route.path, agent=agents[one.agent.name], enabled=route.enabled)
                made.default = route.default  # whoever had it has lost it
                new.append(made)
            else:
                made = Route(pk=former.id)
                switched[route.enabled] += [former.id] if former.enabled != route.enabled else []
                default += [former.id] if route.default and not former.default else []
            had = {(name.username, name.source) for name in former.names} if former else set()
            names += [(made, *name, typed) for name, typed in names_of(route).items() if name not in had]
    Route.objects.bulk_create(new, batch_size=CHUNK)
    for enabled, some in switched.items():
        for ids in chunks(some):
            Route.objects.filter(pk__in=ids).update(enabled=enabled)
    Route.objects.filter(pk__in=default).update(default=True)
    SipMapping.objects.bulk_create(
        [
            SipMapping(username=username, typed=typed[:MAX_TYPED], route=route, source=source)
            for route, username, source, typed in names
        ],
        batch_size=CHUNK,
    )


def staying_routes(work: Work) -> dict[str, PresentRoute]:
    """The routes whose rows stay: an agent's routes are in the order of their rows, so those behind a new one go."""
    wanted = [route.path for route in work.agent.routes]
    kept = [route for route in (work.present.routes if work.present else ()) if route.path in wanted]
    stays = {}
    for path, route in zip(wanted, kept, strict=False):
        if path != route.path:
            break
        stays[path] = route
    return stays


def names_of(route: FleetRoute) -> dict[tuple[str, str], str]:
    """The names of a route with their sources, and what was typed."""
    chosen = {(username, SipMapping.Source.MANUAL.value): typed for username, typed in route.sip.items()}
    return chosen | {(username, SipMapping.Source.AUTO.value): username for username in route.auto_sip}


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """So many at a time."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def in_chunks(rows: QuerySet[M], ids: Iterable[int]) -> list[M]:
    """The rows of these ids."""
    return [row for some in chunks(list(ids)) for row in rows.filter(pk__in=some)]
