#!/usr/bin/env python3
"""What the dashboard's pages cost with a large fleet and a long log: queries and milliseconds of each, as an Admin.

    .venv/bin/python benchmarks/dashboard.py [--agents 5000] [--events 1000000] [--days 30] [--only agents,log] [--slow]
                                                  [--times 7] [--quick] [--json FILE]

It needs no database: an embedded Postgres in a temporary folder, which is removed again. Each page is asked for in this
process as Django's test client does it, some times; the first time, which fills caches, does not count. `--slow` also
names each page's slowest query. It ends with 1 if a page needs more than its goal.
"""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import embedded
import many_agents
import options
import sample
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from figures import Figures

from registry.actions.people import FIRST
from registry.log import partitions
from registry.log.models import RoutingEvent
from registry.rehearsal.stage import Stage
from registry.routing.table import Tables
from registry.serving.loader import Loader
from tests.dashboard.places import PLACES
from tests.dashboard.test_places import address_of

GOAL_MILLISECONDS, GOAL_QUERIES = 150, 30
EXPORTS = ("log-csv", "log-jsonl", "settings-audit-export", "settings-export")  # files of everything that there is
AT_ONCE = 100_000  # events of a statement
# Ten events a call, 3 % errors, some names that nobody has; half of all in the last day.
EVENTS = """
INSERT INTO registry_routingevent
SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || left(md5(n::text), 15))::uuid,
    'replica-' || n %% 3, kind, 'POST', route || '/swaig', '192.0.2.' || n %% 250, route, agent, 1,
    md5('call' || n / 10), CASE WHEN kind = 'sip' THEN 'name-' || n %% 40 ELSE '' END,
    '+1555' || lpad((n / 10 %% 5000)::text, 7, '0'), '+15559870000',
    CASE WHEN kind = 'swaig' THEN 'get_pricing' ELSE '' END,
    CASE outcome WHEN 'error' THEN 500 WHEN 'not_found' THEN 404 ELSE 200 END, outcome, '',
    '[{"rule": "route", "detail": "the path belongs to the agent", "ok": true}]'::jsonb, (exp(7 + 2 * luck))::int,
    jsonb_build_object('function', 'get_pricing', 'argument', repeat(md5(n::text), 6)),
    jsonb_build_object('response', repeat(md5(n::text), 8)), n / 500, '', ''
FROM (
    SELECT n, luck, %(first)s::bigint + floor(%(span)s * (1 - power(1 - n::float8 / %(count)s, 2)))::bigint AS ms,
        CASE WHEN kind = 'sip' THEN '' ELSE (%(names)s::text[])[1 + n / 10 %% %(agents)s] END AS agent,
        CASE WHEN kind = 'sip' THEN '' ELSE (%(routes)s::text[])[1 + n / 10 %% %(agents)s] END AS route, kind,
        CASE WHEN kind = 'sip' THEN 'not_found' WHEN luck < 0.03 THEN 'error' ELSE 'ok' END AS outcome
    FROM (
        SELECT n, random() AS luck, CASE WHEN n %% 10 = 0 THEN 'swml' WHEN n %% 1000 = 7 THEN 'sip' WHEN n %% 10 = 9
            THEN 'post_prompt' ELSE 'swaig' END AS kind
        FROM generate_series(%(from)s::bigint, %(to)s::bigint) AS n
    ) AS drawn
) AS event
"""
MINUTES = """
INSERT INTO registry_agentminute (agent, minute, count, errors, latencies)
SELECT agent, to_timestamp(ms / 60000 * 60), count(*), count(*) FILTER (WHERE outcome = 'error'),
    array_fill(0::bigint, ARRAY[4]) || count(*) || array_fill(0::bigint, ARRAY[15])
FROM (SELECT agent, outcome, ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint AS ms
    FROM registry_routingevent WHERE agent <> '') AS event
GROUP BY 1, 2
"""


def fill(agents: int, events: int, days: int) -> dict[str, str]:
    """The fleet and its log; what the addresses of pages are about."""
    for chunk in many_agents.chunks(range(agents)):
        many_agents.add_in_bulk(chunk)
    now = datetime.now(UTC)
    for age in range(days, -1, -1):
        if (day := (now - timedelta(days=age)).date()) not in partitions.days():
            with transaction.atomic():
                partitions.make(day)
    first = now - timedelta(days=days - 1)
    values = {
        "first": int(first.timestamp() * 1000), "span": (now - first).total_seconds() * 1000, "count": events,
        "agents": agents, "names": [sample.name(number) for number in range(agents)],
        "routes": [sample.route(number) for number in range(agents)],
    }  # fmt: skip
    with connection.cursor() as cursor:
        for start in range(0, events, AT_ONCE):
            cursor.execute(EVENTS, {**values, "from": start, "to": min(start + AT_ONCE, events) - 1})
        cursor.execute(MINUTES)
        cursor.execute("VACUUM ANALYZE")
    newest = RoutingEvent.objects.exclude(call_id="").exclude(agent="").first()
    assert newest is not None
    return {"agent": newest.agent, "call": newest.call_id, "event": str(newest.pk)}


class Serving(AsyncClient):
    """Asks as if this process served agents: config/asgi.py puts the stage into the scope."""

    def __init__(self, stage: Stage):
        super().__init__()
        self.stage = stage

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        return {**super()._base_scope(**request), "stage": self.stage}


def measured(things: dict[str, str], only: set[str], count: int) -> Iterator[tuple[str, int, float, str]]:
    """Name, queries, median milliseconds and slowest query of each page."""
    tables = Tables()
    tables.current = Loader().next(None)  # as a serving process has it
    stage = Stage(tables, cast(Any, None), cast(Any, None))
    client = Serving(stage)
    client.force_login(User.objects.get(username=FIRST))
    get = async_to_sync(client.get)
    for name, place in PLACES.items():
        if "GET" not in place.methods or name in EXPORTS or (only and name not in only):
            continue
        url = address_of(name, place, things)
        times = []
        for _ in range(count + 1):
            began = time.perf_counter()
            answer = get(url)
            times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in (200, 302), (name, answer.status_code)
        with CaptureQueriesContext(connection) as queries:
            get(url)
        slowest = max(queries.captured_queries, key=lambda query: float(query["time"]), default=None)
        told = f"{float(slowest['time']) * 1000:.0f} ms: {slowest['sql'][:400]}" if slowest else ""
        yield name, len(queries), statistics.median(times[1:]), told


def main() -> None:
    """Fill, ask, tell."""
    parser = options.parser(__doc__)
    parser.add_argument("--agents", type=int, default=5000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--times", type=int, default=7, help="that each page is asked for and counts")
    parser.add_argument("--only", default="", help="names of pages, between commas")
    parser.add_argument("--slow", action="store_true")
    wanted = options.read(parser, agents=3, events=2_000, days=2, times=1, slow=True)
    figures, missed = Figures(__file__), 0
    with embedded.prepared():
        began = time.perf_counter()
        things = fill(wanted.agents, wanted.events, wanted.days)
        spent = time.perf_counter() - began
        print("\n".join(figures.told()))
        print(f"{wanted.agents:,} agents, {wanted.events:,} events over {wanted.days} days, made in {spent:.0f} s\n")
        print(f"{'page':<28}{'queries':>8}{'median ms':>11}")
        only = set(filter(None, wanted.only.split(",")))
        for name, queries, milliseconds, slowest in measured(things, only, wanted.times):
            good = queries < GOAL_QUERIES and milliseconds < GOAL_MILLISECONDS
            missed += not good
            print(f"{name:<28}{queries:>8}{milliseconds:>11.0f}{'' if good else '  above the goal'}", flush=True)
            figures.add(f"{name}, queries", queries, None, "queries")
            figures.add(f"{name}, median", milliseconds, None, "ms", judged=False)
            if wanted.slow:
                print(f"    {slowest}")
        print(f"\ngoal: below {GOAL_QUERIES} queries and {GOAL_MILLISECONDS} ms")
    figures.write(wanted)
    options.end(wanted, met=not missed)


if __name__ == "__main__":
    main()
