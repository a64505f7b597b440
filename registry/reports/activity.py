"""What goes on now: calls that run, who is busy, and why agents fail. From the newest part of the log alone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from registry.base.sql import compose
from registry.log.ids import MILLISECONDS, first_id
from registry.log.models import AgentMinute
from registry.models import ApiToken

SILENT = timedelta(minutes=5)  # a call of which nothing was heard for so long is not counted as running any more
MAX_OF_AGENT = 20_000  # newest events of an agent that its calls are counted in: more would take longer than a page may
MAX_EVENTS = 200_000  # newest ones that the hour's calls are counted in; before those the chart has a gap


@dataclass(frozen=True)
class Failure:
    """What failed most often of an agent."""

    function: str  # "" = no function: its document, or another request
    kind: str
    outcome: str
    count: int


def calls_now() -> dict[str, int]:
    """Calls that run, by the agent that was asked last: something was heard of them, and not yet their summary."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT agent, count(*) FROM
            (SELECT (array_agg(agent ORDER BY id DESC))[1] AS agent, bool_or(kind = 'post_prompt') AS ended
             FROM registry_routingevent WHERE id >= %s AND call_id <> '' AND kind <> 'test' GROUP BY call_id) calls
            WHERE NOT ended GROUP BY agent""",
            [str(first_id(timezone.now() - SILENT))],
        )
        return dict(cursor.fetchall())


def calls_of(name: str) -> dict[int | None, int]:
    """Calls of an agent that run, by the version that they began with and keep; None: before one was chosen."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT version, count(*) FROM (
                SELECT call_id, max(version) AS version, bool_or(kind = 'post_prompt') AS ended FROM (
                    SELECT call_id, version, kind FROM registry_routingevent
                    WHERE agent = %s AND id >= %s AND call_id <> '' AND kind <> 'test' ORDER BY id DESC LIMIT %s
                ) latest GROUP BY call_id
            ) calls WHERE NOT ended GROUP BY version""",
            [name, str(first_id(timezone.now() - SILENT)), MAX_OF_AGENT],
        )
        return dict(cursor.fetchall())


def calls_by_minute(since: datetime, minutes: int) -> list[float | None]:
    """How many calls ran in each minute from `since` (a full minute) on; None where the log is too long to say."""
    start = since - SILENT
    with connection.cursor() as cursor:
        cursor.execute(
            compose(
                """WITH recent AS (SELECT call_id, kind, {milliseconds} AS at FROM registry_routingevent
                WHERE id >= %(first)s AND call_id <> '' AND kind <> 'test' ORDER BY id DESC LIMIT %(most)s),
            calls AS (SELECT (min(at) - %(start)s) / 60000 AS first, (max(at) - %(start)s) / 60000 AS last,
                bool_or(kind = 'post_prompt') AS ended FROM recent GROUP BY call_id)
            SELECT first, last, ended, count(*), (SELECT count(*) FROM recent) FROM calls GROUP BY 1, 2, 3""",
                milliseconds=MILLISECONDS,
            ),
            {"first": str(first_id(start)), "start": int(start.timestamp() * 1000), "most": MAX_EVENTS},
        )
        rows = cursor.fetchall()
    before = int(SILENT.total_seconds() // 60)
    steps = [0] * (minutes + before + 1)
    for first, last, ended, count, _ in rows:
        end = last if ended else last + before
        steps[min(max(first, 0), len(steps) - 1)] += count
        steps[min(end + 1, len(steps) - 1)] -= count
    known = min((row[0] for row in rows), default=0) + 1 if rows and rows[0][4] >= MAX_EVENTS else 0
    running, found = 0, []
    for minute, step in enumerate(steps[:-1]):
        running += step
        found.append(float(running) if minute >= known else None)
    return found[before:]


def busiest(since: datetime, limit: int) -> list[str]:
    """The agents that were asked most."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT agent FROM registry_agentminute WHERE minute >= %s AND agent <> ''
            GROUP BY agent ORDER BY sum(count) DESC, agent LIMIT %s""",
            [since, limit],
        )
        return [name for (name,) in cursor.fetchall()]


def failures(agents: Collection[str], since: datetime) -> dict[str, Failure]:
    """What failed most often of each of these agents since then, of those of which something did."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT agent, function, kind, outcome, count(*) FROM registry_routingevent
            WHERE agent = ANY(%s) AND id >= %s AND (outcome = 'error' OR status >= 500) AND kind <> 'test'
            GROUP BY agent, function, kind, outcome ORDER BY count(*), function""",
            [list(agents), str(first_id(since))],
        )
        return {agent: Failure(*found) for agent, *found in cursor.fetchall()}


def anything_yet() -> bool:
    """Whether any agent was ever asked."""
    return AgentMinute.objects.exists()


def expiring_tokens(within: timedelta, limit: int) -> list[ApiToken]:
    """Tokens that are good and will not be for long, the soonest first."""
    now = timezone.now()
    good = ApiToken.objects.filter(revoked=None, expires__gt=now, expires__lte=now + within)
    return list(good.order_by("expires")[:limit])
