"""What the list of agents shows of those on a page, in a few queries whatever their number."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from agents.models import Agent
from registry.base.sql import compose
from registry.models import Route, SipMapping
from registry.reports.agent_list import CHANGES, FIGURES
from registry.reports.traffic import Standing, Traffic, hourly, last_hits, totals

HOURS = 24  # of the little chart
COLUMNS = (
    "id",
    "name",
    "title",
    "kind",
    "state",
    "pause_message",
    "tags",
    "live__number",
    "draft__number",
    "trashed",
    "former_reach",
)


class ChangedBy(NamedTuple):
    """The last change of an agent or of what leads to it. `who` is "" for a change by SQL."""

    at: datetime
    who: str
    via: str


@dataclass
class Row:
    """An agent in the list."""

    name: str
    title: str
    kind: str
    standing: Standing
    pause_message: str
    tags: list[str]
    live: int | None
    draft: int | None
    trashed: datetime | None
    former: list[dict[str, Any]]  # routes and names that an agent in the trash had
    routes: list[str] = field(default_factory=list)
    sip: list[str] = field(default_factory=list)
    hours: list[int] = field(default_factory=list)  # requests of the last HOURS
    figures: Traffic = field(default_factory=Traffic)  # of the last hour
    last_hit: datetime | None = None
    changed: ChangedBy | None = None

    @property
    def former_routes(self) -> list[str]:
        """Of an agent in the trash."""
        return [route["path"] for route in self.former]

    @property
    def former_sip(self) -> list[str]:
        """Of an agent in the trash."""
        return [name["username"] for route in self.former for name in route["sip"]]


def rows_of(names: Sequence[str], troubles: Mapping[str, Standing]) -> list[Row]:
    """The rows of these agents, in this order; one that is gone meanwhile is left out."""
    rows, ids = with_figures(names, troubles)
    for agent, path in Route.objects.filter(agent__in=ids).order_by("id").values_list("agent_id", "path"):
        rows[ids[agent]].routes.append(path)
    mappings = SipMapping.objects.filter(route__agent__in=ids).order_by("source", "username")
    for agent, username in mappings.values_list("route__agent_id", "username"):
        rows[ids[agent]].sip.append(username)
    for agent, change in last_changes(list(ids)).items():
        rows[ids[agent]].changed = change
    return list(rows.values())


def cells_of(names: Sequence[str], troubles: Mapping[str, Standing]) -> list[Row]:
    """The same with only what changes by itself: standing, version and figures."""
    return list(with_figures(names, troubles)[0].values())


def with_figures(names: Sequence[str], troubles: Mapping[str, Standing]) -> tuple[dict[str, Row], dict[int, str]]:
    """Rows by name, in this order, and names by id."""
    agents = {agent["name"]: agent for agent in Agent.objects.filter(name__in=names).order_by().values(*COLUMNS)}
    known = [name for name in names if name in agents]
    now = timezone.now()
    hours = hourly(known, full_hour(now) - timedelta(hours=HOURS - 1), HOURS)
    figures: dict[str, Traffic] = defaultdict(Traffic, totals(now - FIGURES, known))
    hits = last_hits(known)
    rows = {name: row_of(agents[name], troubles, hours[name], figures[name], hits.get(name)) for name in known}
    return rows, {agents[name]["id"]: name for name in known}


def row_of(
    agent: Mapping[str, Any],
    troubles: Mapping[str, Standing],
    hours: list[int],
    figures: Traffic,
    last_hit: datetime | None,
) -> Row:
    """A row, without what leads to the agent."""
    state = agent["state"]
    serving = state == Agent.State.SERVING
    return Row(
        name=agent["name"],
        title=agent["title"],
        kind=agent["kind"],
        standing=troubles.get(agent["name"], Standing.SERVING) if serving else Standing(state),
        pause_message=agent["pause_message"],
        tags=agent["tags"],
        live=agent["live__number"],
        draft=agent["draft__number"],
        trashed=agent["trashed"],
        former=agent["former_reach"] or [],
        hours=hours,
        figures=figures,
        last_hit=last_hit,
    )


def full_hour(moment: datetime) -> datetime:
    """The hour that a moment is in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def last_changes(agents: Sequence[int]) -> dict[int, ChangedBy]:
    """The newest audit row of each agent, of its routes or its SIP names; by the agent's id."""
    found = CHANGES.format(
        of_agent="WHERE pgh_obj_id = ANY(%(agents)s)",
        of_route="WHERE agent_id = ANY(%(agents)s)",
        of_name="WHERE r.agent_id = ANY(%(agents)s)",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            compose(
                """SELECT newest.agent, newest.at, c.metadata ->> 'user', c.metadata ->> 'via' FROM
            (SELECT DISTINCT ON (agent) agent, at, context FROM ({found}) changes ORDER BY agent, at DESC) newest
            LEFT JOIN pghistory_context c ON c.id = newest.context""",
                found=found,
            ),
            {"agents": list(agents)},
        )
        return {agent: ChangedBy(at, who or "", via or "sql") for agent, at, who, via in cursor.fetchall()}


def newest_mark() -> int:
    """Where the history of agents ends now; see `come_or_gone`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(pgh_id), 0) FROM agents_agentevent")
        return int(cursor.fetchone()[0])


def come_or_gone(since: int) -> int:
    """How many agents were registered, unregistered or restored since a mark."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(DISTINCT e.pgh_obj_id) FROM agents_agentevent e WHERE e.pgh_id > %s AND
            (e.pgh_label = 'insert' OR coalesce((SELECT b.state FROM agents_agentevent b
             WHERE b.pgh_obj_id = e.pgh_obj_id AND b.pgh_id < e.pgh_id ORDER BY b.pgh_id DESC LIMIT 1), '') = 'trashed')
            = (e.state <> 'trashed' AND e.pgh_label <> 'delete')""",
            [since],
        )
        return int(cursor.fetchone()[0])
