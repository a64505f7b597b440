"""What agents did, from their minutes: figures, series for charts, the last hit, and how they are doing now."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection
from django.utils import timezone

from agents.models import Agent
from registry.base.sql import compose
from registry.log.minutes import BUCKETS, percentile

# How an agent is doing: by the answers of its last minutes that failed on our side.
STANDING_MINUTES = 5
FAILING_SHARE = 0.2  # of its requests; then it is Failing
DEGRADED_SHARE = 0.01  # then it is Degraded


class Standing(StrEnum):
    """How an agent is doing, in one word."""

    SERVING = "serving"
    DEGRADED = "degraded"  # some of its answers failed on our side lately
    FAILING = "failing"  # many did
    PAUSED = "paused"
    TRASHED = "trashed"  # no route: answers nobody


@dataclass
class Traffic:
    """Requests of a stretch of time. `latencies`: requests by bucket, see registry/log/minutes.py."""

    count: int = 0
    errors: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, count: int, errors: int, latencies: Sequence[int]) -> None:
        """More of it."""
        self.count += count
        self.errors += errors
        for bucket, number in enumerate(latencies):
            self.latencies[bucket] += number

    @property
    def error_share(self) -> float | None:
        """Failed of all, 0 to 1; None without requests."""
        return self.errors / self.count if self.count else None

    def milliseconds(self, share: float) -> float | None:
        """The latency below which this share (0 to 1) of the requests is; None without requests."""
        found = percentile(self.latencies, share)
        return None if found is None else found / 1000


def traffic_of(names: Collection[str], since: datetime) -> dict[str, Traffic]:
    """By agent, of those that had any. One range of the index for each name."""
    return collected(
        "SELECT agent, count, errors, latencies FROM registry_agentminute WHERE agent = ANY(%s) AND minute >= %s",
        [list(names), since],
    )


def series(
    since: datetime, step: timedelta, buckets: int, names: Collection[str] | None = None
) -> dict[str, list[Traffic]]:
    """By agent, a `Traffic` for each step from `since` on; of all agents together, under "", without `names`."""
    agent = "''" if names is None else "agent"
    condition = "" if names is None else "AND agent = ANY(%(names)s)"
    values: dict[str, Any] = {
        "since": since,
        "until": since + step * buckets,
        "seconds": step.total_seconds(),
        "names": None if names is None else list(names),
    }
    found: dict[str, list[Traffic]] = {name: empty(buckets) for name in ([""] if names is None else names)}
    with connection.cursor() as cursor:
        cursor.execute(
            compose(
                """SELECT {agent}, floor(extract(epoch FROM minute - %(since)s) / %(seconds)s)::int,
            count, errors, latencies FROM registry_agentminute
            WHERE minute >= %(since)s AND minute < %(until)s {condition}""",
                agent=agent,
                condition=condition,
            ),
            values,
        )
        for name, bucket, count, errors, latencies in cursor:
            found[name][bucket].add(count, errors, latencies)
    return found


# A histogram summed by the database: one pass, however many minutes there are.
SUMS = f"""sum(count)::bigint, sum(errors)::bigint,
ARRAY[{", ".join(f"coalesce(sum(latencies[{bucket + 1}]), 0)::bigint" for bucket in range(BUCKETS))}]"""


def totals(since: datetime, names: Collection[str] | None = None) -> dict[str, Traffic]:
    """By agent, of those that had any; without `names` of all of them."""
    chosen = "" if names is None else "AND agent = ANY(%(names)s)"
    return collected(
        compose(
            "SELECT agent, {sums} FROM registry_agentminute WHERE minute >= %(since)s {chosen} GROUP BY agent",
            sums=SUMS,
            chosen=chosen,
        ),
        {"since": since, "names": None if names is None else list(names)},
    )


def hourly(names: Collection[str], since: datetime, hours: int) -> dict[str, list[int]]:
    """Requests of each agent, hour by hour from `since` on; an agent without any has zeros."""
    found = {name: [0] * hours for name in names}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT agent, floor(extract(epoch FROM minute - %(since)s) / 3600)::int AS hour, sum(count)::bigint
            FROM registry_agentminute WHERE agent = ANY(%(names)s) AND minute >= %(since)s AND minute < %(until)s
            GROUP BY agent, hour""",
            {"since": since, "until": since + timedelta(hours=hours), "names": list(names)},
        )
        for name, hour, count in cursor:
            found[name][hour] = count
    return found


def fleet_minutes(since: datetime, minutes: int) -> list[Traffic]:
    """All agents together, minute by minute from `since` (a full minute) on."""
    found = empty(minutes)
    with connection.cursor() as cursor:
        cursor.execute(
            compose(
                """SELECT (extract(epoch FROM minute - %(since)s) / 60)::int, {sums} FROM registry_agentminute
            WHERE minute >= %(since)s AND minute < %(until)s GROUP BY minute""",
                sums=SUMS,
            ),
            {"since": since, "until": since + timedelta(minutes=minutes)},
        )
        for minute, *figures in cursor:
            found[minute].add(*figures)
    return found


def last_hits(names: Iterable[str]) -> dict[str, datetime]:
    """The minute of each agent's last request, of those that have had one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT name, last.minute FROM unnest(%s::text[]) name, LATERAL
            (SELECT minute FROM registry_agentminute WHERE agent = name ORDER BY minute DESC LIMIT 1) last""",
            [list(names)],
        )
        return dict(cursor.fetchall())


def troubled() -> dict[str, Standing]:
    """The agents whose answers fail at present: Degraded or Failing, by name."""
    found = collected(
        """SELECT agent, count, errors, latencies FROM registry_agentminute WHERE minute >= %(since)s AND agent IN
        (SELECT agent FROM registry_agentminute WHERE minute >= %(since)s AND errors > 0) AND agent <> ''""",
        {"since": timezone.now() - timedelta(minutes=STANDING_MINUTES)},
    )
    standings = {name: standing_of(traffic) for name, traffic in found.items()}
    return {name: standing for name, standing in standings.items() if standing is not Standing.SERVING}


def standing_of(traffic: Traffic) -> Standing:
    """Of an agent that is neither paused nor trashed, from its last `STANDING_MINUTES` minutes."""
    share = traffic.error_share or 0
    if share >= FAILING_SHARE:
        return Standing.FAILING
    return Standing.DEGRADED if share >= DEGRADED_SHARE else Standing.SERVING


def standing(agent: Agent, troubles: dict[str, Standing]) -> Standing:
    """How an agent is doing; `troubles` from `troubled`."""
    if agent.current_state != Agent.State.SERVING:
        return Standing(agent.current_state)
    return troubles.get(agent.name, Standing.SERVING)


def collected(statement: str, values: Any) -> dict[str, Traffic]:
    """The sums by agent of a statement's rows: agent, count, errors, latencies."""
    found: dict[str, Traffic] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for name, count, errors, latencies in cursor:
            found.setdefault(name, Traffic()).add(count, errors, latencies)
    return found


def empty(buckets: int) -> list[Traffic]:
    """Steps in which nothing happened."""
    return [Traffic() for _ in range(buckets)]
