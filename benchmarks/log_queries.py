#!/usr/bin/env python3
"""How long the console's questions to a long routing log take, and how Postgres answers them.

    .venv/bin/python benchmarks/log_queries.py [--events 2000000] [--days 30] [--plans] [--quick] [--json FILE]

Fills the log with events of 50 agents, ten for each call, 3 % of them errors, and the agents' minutes; then asks each
question on a warm cache, as Django does (values in the text, rows fetched), and shows the nodes of its plan. `--plans`
shows the plans themselves.
"""

import gc
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import options
import psycopg
from figures import Figures
from log_server import Server, serving, verdict
from processes import take_environment

GOAL_MILLISECONDS = 50
TIMES = 7  # each question; the first time warms the cache
PAGE = 200  # rows
QUIET = "agent-50"  # had a few calls long ago
# One event of ten for each call, which lasts some minutes; some agents and functions are much busier than others.
FILL = f"""
INSERT INTO registry_routingevent
SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || left(md5(n::text), 15))::uuid,
    'replica-' || n %% 3, kind, 'POST', '/' || agent || '/swaig', '192.0.2.' || call %% 250, '/' || agent, agent, 3,
    md5('call' || call), '', '+1555' || lpad((call %% 5000)::text, 7, '0'), '+15559870000', function,
    CASE outcome WHEN 'error' THEN 500 WHEN 'unauthorized' THEN 401 WHEN 'not_found' THEN 404 ELSE 200 END, outcome,
    CASE outcome WHEN 'ok' THEN '' ELSE 'The author''s server answered with 502.' END,
    '[["route", "the path belongs to the agent"], ["version", "version 3 is live"]]'::jsonb,
    (exp(7 + 2 * luck))::int,
    jsonb_build_object('function', function, 'argument', repeat(md5(n::text), 6), 'call_id', md5('call' || call)),
    jsonb_build_object('response', repeat(md5(n::text), 8)),
    n / 500
FROM (
    SELECT n, ms, call, luck,
        CASE WHEN n %% 150000 = 7 THEN '{QUIET}'
            ELSE 'agent-' || floor(50 * power((hashint8(call) & 1048575) / 1048576.0, 2)) END AS agent,
        CASE WHEN kind < 0.15 THEN 'swml' WHEN kind < 0.9 THEN 'swaig' ELSE 'post_prompt' END AS kind,
        CASE WHEN kind >= 0.15 AND kind < 0.9 THEN 'function_' || floor(40 * power(random(), 3)) ELSE '' END
            AS function,
        CASE WHEN luck < 0.03 THEN 'error' WHEN luck < 0.035 THEN 'unauthorized' WHEN luck < 0.04 THEN 'not_found'
            WHEN luck < 0.05 THEN 'fallback' ELSE 'ok' END AS outcome
    FROM (
        SELECT n, ((n + floor(random() * 400)) / 10)::bigint AS call, random() AS kind, random() AS luck,
            %(first)s::bigint + ((n - %(from)s) * %(step)s)::bigint AS ms
        FROM generate_series(%(from)s::bigint, %(to)s::bigint) AS n OFFSET 0
    ) AS drawn OFFSET 0
) AS event
"""
MINUTES = """
INSERT INTO registry_agentminute (agent, minute, count, errors, latencies)
SELECT agent, date_trunc('minute', uuid_extract_timestamp(id), 'UTC'), count(*), count(*) FILTER (WHERE status >= 500),
    array_fill(0::bigint, ARRAY[19]) || count(*)
FROM registry_routingevent GROUP BY 1, 2 ORDER BY 2
"""


class Question(NamedTuple):
    """What somebody wants to know."""

    name: str
    statement: str
    values: dict[str, Any]


def id_at(moment: datetime) -> UUID:
    """The smallest id of a moment: its first 48 bits are milliseconds since 1970 (RFC 9562, 5.7)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def fill(server: Server, events: int, number_of_days: int) -> None:
    """The log of so many days up to now, and its minutes."""
    import django

    django.setup()
    from django.db import connection, transaction

    from registry.log import partitions

    now = datetime.now(UTC)
    start = (now - timedelta(days=number_of_days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(number_of_days):
        if (day := (start + timedelta(days=offset)).date()) not in partitions.days():
            with transaction.atomic():
                partitions.make(day)
    connection.close()
    step = (now - start) / timedelta(milliseconds=1) / events  # milliseconds between two events
    began = time.monotonic()
    with psycopg.connect(server.url, autocommit=True) as database:
        database.execute("SET synchronous_commit = off")
        per_part = events // number_of_days
        for first in range(0, events, per_part):
            last = min(first + per_part, events) - 1
            moment = int(start.timestamp() * 1000 + first * step)
            database.execute(FILL, {"first": moment, "from": first, "to": last, "step": step})
        filled = time.monotonic() - began
        # Batches are transactions: as many must have been.
        database.execute(
            f"DO $$ BEGIN FOR n IN 0..{events // 500} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
        database.execute(MINUTES)
        database.execute("VACUUM (ANALYZE) registry_routingevent, registry_agentminute")
        database.execute("ANALYZE registry_routingevent")
        rows, size = database.execute(
            "SELECT (SELECT count(*) FROM registry_routingevent), pg_size_pretty(sum(pg_total_relation_size(relid)))"
            " FROM pg_partition_tree('registry_routingevent')"
        ).fetchone() or (0, "")
    print(f"{rows:,} events, {size} with indexes, filled at {events / filled:,.0f} rows/s")


def questions(now: datetime, call_id: str) -> Iterator[Question]:
    """What the console asks."""
    from registry.log.cursor import SELECT

    hour, half = id_at(now - timedelta(hours=1)), id_at(now - timedelta(days=14))
    conditions: dict[str, tuple[str, dict[str, Any]]] = {
        "newest": ("true", {}),
        "busy agent": ("agent = %(agent)s", {"agent": "agent-0"}),
        "calm agent": ("agent = %(agent)s", {"agent": "agent-49"}),
        "agent of long ago": ("agent = %(agent)s", {"agent": QUIET}),
        "call": ("call_id = %(call)s", {"call": call_id}),
        "errors": ("outcome = %(outcome)s", {"outcome": "error"}),
        "outcome that never was": ("outcome = %(outcome)s", {"outcome": "redirect"}),
        "all but ok": ("outcome <> 'ok'", {}),
        "ok": ("outcome = %(outcome)s", {"outcome": "ok"}),
        "busy function": ("function = %(function)s", {"function": "function_0"}),
        "rare function": ("function = %(function)s", {"function": "function_39"}),
        "function that never was": ("function = %(function)s", {"function": "nothing"}),
        "busy agent, errors": (
            "agent = %(agent)s AND outcome = %(outcome)s", {"agent": "agent-0", "outcome": "error"},
        ),
        "calm agent, errors": (
            "agent = %(agent)s AND outcome = %(outcome)s", {"agent": "agent-49", "outcome": "error"},
        ),
        "calm agent, outcome never was": (
            "agent = %(agent)s AND outcome = %(outcome)s", {"agent": "agent-49", "outcome": "redirect"},
        ),
        "calm agent, rare function": (
            "agent = %(agent)s AND function = %(function)s", {"agent": "agent-49", "function": "function_39"},
        ),
        "one hour 14 days ago": (
            "id >= %(first)s AND id < %(last)s", {"first": half, "last": id_at(now - timedelta(days=14, hours=-1))},
        ),
    }  # fmt: skip
    for name, (condition, values) in conditions.items():
        yield Question(name, f"{SELECT} WHERE {condition} ORDER BY id DESC LIMIT {PAGE}", values)
        if name != "call" and not name.startswith("one hour"):
            yield Question(
                f"  {name}, 14 days ago",
                f"{SELECT} WHERE {condition} AND id < %(before)s ORDER BY id DESC LIMIT {PAGE}",
                {**values, "before": half},
            )
    yield Question(
        "count per outcome, last hour",
        "SELECT outcome, count(*) FROM registry_routingevent WHERE id >= %(first)s GROUP BY outcome",
        {"first": hour},
    )
    yield Question(
        "count per outcome, last day",
        "SELECT outcome, count(*) FROM registry_routingevent WHERE id >= %(first)s GROUP BY outcome",
        {"first": id_at(now - timedelta(days=1))},
    )
    minutes = "SELECT agent, minute, count, errors, latencies FROM registry_agentminute WHERE minute > %(since)s"
    since = now - timedelta(minutes=60)
    yield Question("an agent's last 60 minutes", f"{minutes} AND agent = 'agent-0' ORDER BY minute", {"since": since})
    yield Question("all agents' last 60 minutes", minutes, {"since": since})
    yield Question(
        "all agents' sums of 24 hours",
        "SELECT agent, sum(count), sum(errors) FROM registry_agentminute WHERE minute > %(since)s GROUP BY agent",
        {"since": now - timedelta(days=1)},
    )


def readings(database: "psycopg.Connection[Any]", newest_batch: int) -> Iterator[Question]:
    """What the live log asks for those who watch, and for those who come back."""
    from registry.log.cursor import Cursor, read_since

    for name, batches, limit in (
        ("nothing", 0, 5000),
        ("a batch", 1, 5000),
        ("20,000 rows", 40, 1000),
        ("all rows", newest_batch, 1000),
    ):
        NotingCursor.noted.clear()
        running = (newest_batch - batches - 2, newest_batch - batches - 5) if batches == 1 else ()
        read_since(database, Cursor(newest_batch + 1 - batches, running), limit)
        for statement, values in list(NotingCursor.noted):
            if "routingevent" in statement:
                kind = "count of " if "count(" in statement else ""
                yield Question(f"since a moment, {kind}{name}", statement, values)


class NotingCursor(psycopg.ClientCursor[Any]):
    """A cursor that notes what is asked. Values are put into the text, as Django does."""

    noted: list[tuple[str, Any]] = []

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Note it and ask."""
        self.noted.append((query, params))
        return super().execute(query, params, **options)


def nodes(plan: dict[str, Any]) -> Iterator[str]:
    """What a plan does, from the top; of partitions only those that were looked at."""
    if plan["Actual Loops"]:
        # Partitions' own indexes are named after table and columns.
        index = re.search(r"pkey|(batch|call_id|agent|outcome|function)(?=_id|_idx)", plan.get("Index Name", ""))
        yield plan["Node Type"] + (f" ({index[0]})" if index else "")
        for part in plan.get("Plans", ()):
            yield from nodes(part)


def ask(database: "psycopg.Connection[Any]", question: Question, figures: Figures, *, plans: bool) -> bool:
    """One line of the table; whether the goal was met."""
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        rows = database.execute(question.statement, question.values).fetchall()
        times.append((time.perf_counter() - began) * 1000)
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {question.statement}"
    found = database.execute(explain, question.values).fetchone()[0][0]  # type: ignore[index]
    top = found["Plan"]
    median = statistics.median(times[1:])
    figures.add(f"{question.name.strip()}, median", median, None, "ms", judged=False)
    blocks = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    figures.add(f"{question.name.strip()}, blocks", blocks, None, "blocks")
    counts = Counter(nodes(top))
    shown = ", ".join(name if count == 1 else f"{count} of {name}" for name, count in counts.items())
    met = median < GOAL_MILLISECONDS  # others use the machine, too
    print(
        f"{question.name:32} {len(rows):6} {median:8.1f} {max(times[1:]):8.1f}"
        f" {found['Planning Time']:8.1f} {top['Shared Hit Blocks']:7} {top['Shared Read Blocks']:6}"
        f"  {verdict(met):6}  {shown}",
        flush=True,
    )
    if plans:
        for (line,) in database.execute(f"EXPLAIN (ANALYZE, BUFFERS) {question.statement}", question.values):
            if "never executed" not in line:
                print(f"    {line}")
    return met


def main() -> None:
    """Read the options, fill, ask."""
    parser = options.parser(__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--plans", action="store_true")
    wanted = options.read(parser, events=3_000, days=3)
    figures = Figures(__file__)
    with serving(LOG_DAYS=str(wanted.days)) as server:
        take_environment(DATA_DIR=server.data_dir, DATABASE_URL=server.url)
        print("\n".join([*figures.told(), f"goal: each under {GOAL_MILLISECONDS} ms; {server.settings()}"]))
        fill(server, wanted.events, wanted.days)
        (batch,) = server.query("SELECT max(batch) FROM registry_routingevent")[0]
        (call_id,) = server.query(
            "SELECT call_id FROM registry_routingevent ORDER BY id LIMIT 1 OFFSET %s", wanted.events // 400
        )[0]
        print(
            f"{'':32} {'rows':>6} {'ms':>8} {'slowest':>8} {'planning':>8} {'blocks':>7} {'read':>6}  goal  "
            "  plan's nodes"
        )
        with psycopg.connect(server.url, autocommit=True, cursor_factory=NotingCursor) as database:
            asked = [*questions(datetime.now(UTC), call_id), *readings(database, batch)]
            gc.disable()
            results = [ask(database, question, figures, plans=wanted.plans) for question in asked]
    figures.write(wanted)
    options.end(wanted, met=all(results))


if __name__ == "__main__":
    main()
