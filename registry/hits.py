"""How often callers used SIP names and routes lately, and when last: of the rows of a page, however long the log."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

from registry.events.searching import first_id
from registry.traffic import last_hits, traffic_of

MOST = 1000  # that are counted of a name: fifty names a page make 50,000 rows of an index, some 20 ms


@dataclass(frozen=True)
class Hits:
    """Requests of a stretch of time. `more`: there were more than were counted."""

    count: int = 0
    last: datetime | None = None
    more: bool = False


def hits_of_names(usernames: Collection[str], since: datetime) -> dict[str, Hits]:
    """By SIP name, of those that were dialled since then. Rehearsals are not counted."""
    return counted("sip_user", "sip_user <> ''", [(name, name) for name in usernames], since)


def hits_of_routes(routes: Collection[tuple[str, str]], alone: Collection[str], since: datetime) -> dict[str, Hits]:
    """By path, of routes given as path and agent. `alone`: agents that have one route only: their minutes say it."""
    single = {agent: path for path, agent in routes if agent in alone}
    traffic, last = traffic_of(list(single), since), last_hits(single)
    found = {single[agent]: Hits(of.count, last.get(agent)) for agent, of in traffic.items()}
    found |= {single[agent]: Hits(0, moment) for agent, moment in last.items() if agent not in traffic}
    others = [(path, agent) for path, agent in routes if agent not in alone]
    return found | counted("agent", "route = wanted.key", others, since)


def counted(column: str, condition: str, wanted: Collection[tuple[str, str]], since: datetime) -> dict[str, Hits]:
    """Of the newest MOST events for each value of an indexed column, those that meet a condition.

    `wanted`: pairs of what the hits are of, and the column's value.
    """
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT wanted.key, count(*) FILTER (WHERE {condition} AND kind <> 'test'),
            max(id::text) FILTER (WHERE {condition} AND kind <> 'test'), count(*)
            FROM unnest(%s::text[], %s::text[]) wanted(key, value), LATERAL
            (SELECT id, kind, route, sip_user FROM registry_routingevent
             WHERE {column} = wanted.value AND {column} <> '' AND id >= %s ORDER BY id DESC LIMIT %s) event
            GROUP BY wanted.key""",  # noqa: S608 - our own words
            [[key for key, _ in wanted], [value for _, value in wanted], str(first_id(since)), MOST],
        )
        return {
            key: Hits(count, moment_of(last) if last else None, seen >= MOST)
            for key, count, last, seen in cursor.fetchall()
        }


def moment_of(event_id: str) -> datetime:
    """When an event was, from its UUIDv7."""
    return datetime.fromtimestamp((UUID(event_id).int >> 80) / 1000, UTC)
