#!/usr/bin/env python3
"""Events a second from the spool into Postgres: COPY, moving, `AgentMinute`, NOTIFY; with fsync, as `serve` has it.

    .venv/bin/python benchmarks/log_writer.py [--events 150000] [--steady 10] [--quick] [--json FILE]

First a spool that is full beforehand, drained by one writer and by two processes at once: CPU is the writers' and the
database server's for each event. Then a steady 10,000 events a second, which must not pile up. Afterwards rows and
minutes must agree exactly.
"""

import argparse
import random
import threading
import time
from collections.abc import Iterator
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import options
from figures import Figures
from log_server import Server, Usage, serving, verdict
from processes import Ways, take_environment

GOAL = 10_000  # events a second
AGENTS = 50
TEMPLATES = 1000  # different events
SLICE_SECONDS = 0.01  # of steady events
SIZES = {"500 B": 500, "1.5 kB": 1500}


class Work(NamedTuple):
    """What a writing process is to do."""

    folder: str
    name: str
    events: int
    line_bytes: int
    steady_seconds: float


class Result(NamedTuple):
    """What it took; `pending` are the most events that waited while they came steadily."""

    seconds: float
    cpu: float
    pending: int


def lines(count: int, size: int) -> Iterator[bytes]:
    """Lines of the spool of about so many bytes, each with an id of its own."""
    import orjson

    from registry.log.ids import uuid7

    fields: dict[str, Any] = {
        "replica": "benchmark", "kind": "swaig", "method": "POST", "path": "/sales/swaig", "source": "192.0.2.7",
        "version": 3, "sip_user": "", "from": "+15551230000", "to": "+15559870000",
        "function": "get_pricing", "detail": "", "steps": [["route", "/sales belongs to sales-agent"]],
    }  # fmt: skip
    ends = []
    for number in range(TEMPLATES):
        failed = random.random() < 0.03
        event = {
            **fields,
            "agent": f"agent-{random.randrange(AGENTS)}",
            "route": f"/agent-{number}",
            "call_id": f"{random.getrandbits(128):032x}",
            "status": 500 if failed else 200,
            "outcome": "error" if failed else "ok",
            "microseconds": int(random.lognormvariate(7, 1)),
            "request": None,
            "response": None,
        }
        room = max(size - len(orjson.dumps(event)) - 80, 40)
        text = "".join(random.choices("abcdefghijklmnopqrstuvwxyz  ", k=room - 40))
        event["request"] = {"argument": {"product": text[: room // 2]}}
        event["response"] = {"response": text[room // 2 :]}
        ends.append(b'",' + orjson.dumps(event)[1:])
    for number in range(count):
        yield b'{"id":"' + uuid7().encode() + ends[number % TEMPLATES]


def write(work: Work, orders: Connection) -> None:
    """A process with a spool and a writer; does what it is told."""
    import django

    django.setup()
    from django.db import connection

    from registry.log.spool import Spool
    from registry.log.writer import Writer

    spool = Spool(Path(work.folder), work.name)
    writer = Writer(spool)
    prepared = lines(work.events, work.line_bytes)
    if work.steady_seconds:
        prepared = iter(list(prepared))
    else:
        for line in prepared:
            spool.append(line)
    orders.send("ready")
    orders.recv()
    result = steady(spool, writer, prepared, work.line_bytes) if work.steady_seconds else drain(spool, writer)
    orders.send(result)
    orders.recv()
    spool.close()
    connection.close()


def drain(spool: Any, writer: Any) -> Result:
    """All that is there, as fast as it goes."""
    began, cpu = time.monotonic(), time.process_time()
    while spool.pending:
        writer.drain()
    return Result(time.monotonic() - began, time.process_time() - cpu, 0)


def steady(spool: Any, writer: Any, prepared: Iterator[bytes], line_bytes: int) -> Result:
    """Events at the pace of the goal, while the writer runs as in a worker."""
    done = threading.Event()
    most = position = 0

    def watch() -> None:
        nonlocal most
        while not done.wait(SLICE_SECONDS):
            most = max(most, spool.pending)

    watching = threading.Thread(target=watch)
    watching.start()
    began, cpu = time.monotonic(), time.process_time()
    writer.start()
    while some := list(islice(prepared, int(GOAL * SLICE_SECONDS))):
        for line in some:
            spool.append(line)
        position += len(some)
        time.sleep(max(0, began + position / GOAL - time.monotonic()))
    while spool.pending:
        time.sleep(SLICE_SECONDS)
    result = Result(time.monotonic() - began, time.process_time() - cpu, 0)
    writer.stop(10)
    done.set()
    watching.join()
    return result._replace(pending=most // line_bytes)


def measure(
    server: Server, label: str, size: int, processes: int, wanted: argparse.Namespace, figures: Figures, *, pace: bool
) -> tuple[bool, bool]:
    """One line of the table; whether everything is there once, and whether the goal was met."""
    server.query("TRUNCATE registry_routingevent, registry_agentminute")
    server.query("CHECKPOINT")
    seconds = wanted.steady if pace else 0
    total = int(GOAL * seconds) if pace else wanted.events // processes * processes
    children: list[tuple[Any, Connection]] = []
    for number in range(processes):
        ours, theirs = Ways.context.Pipe()
        work = Work(str(server.data_dir / "bench"), f"bench-{number}", total // processes, size, seconds)
        child = Ways.context.Process(target=write, args=(work, theirs), daemon=True)
        child.start()
        theirs.close()
        children.append((child, ours))
    for _, orders in children:
        orders.recv()
    before = Usage.of(server.postgres())
    for _, orders in children:
        orders.send("go")
    results: list[Result] = [orders.recv() for _, orders in children]
    after = Usage.of(server.postgres())
    for child, orders in children:
        orders.send("end")
        child.join()
    rate = total / max(result.seconds for result in results)
    waited = max(result.pending for result in results)
    right = verify(server, total)
    met = right and (rate > 0.95 * GOAL and waited < GOAL / 2 if pace else rate >= GOAL)
    cpu, postgres = (seconds / total * 1e6 for seconds in (sum(each.cpu for each in results), after.cpu - before.cpu))
    print(
        f"{label:34} {rate:9,.0f} {cpu:9.1f} {postgres:12.1f}"
        f" {waited if pace else '':>8} {'exact' if right else 'WRONG':>6}  {verdict(met)}",
        flush=True,
    )
    figures.add(f"{label}, CPU of the writer", cpu, None, "µs")
    figures.add(f"{label}, CPU of Postgres", postgres, None, "µs")
    if not pace:
        figures.add(f"{label}, a second", rate, None, "events/s", more_is_better=True, judged=False)
    return right, met


def verify(server: Server, total: int) -> bool:
    """Whether all events are there once, and each agent's minutes count exactly them."""
    rows = server.query("SELECT count(*), count(DISTINCT id) FROM registry_routingevent")[0]
    differences = server.query(
        "WITH really AS (SELECT agent, date_trunc('minute', uuid_extract_timestamp(id), 'UTC') AS minute,"
        " count(*) AS count, count(*) FILTER (WHERE status >= 500) AS errors FROM registry_routingevent GROUP BY 1, 2)"
        " SELECT count(*) FROM really FULL JOIN registry_agentminute AS kept USING (agent, minute)"
        " WHERE (really.count, really.errors) IS DISTINCT FROM (kept.count, kept.errors)"
        " OR kept.count <> (SELECT sum(number) FROM unnest(kept.latencies) AS number)"
    )[0][0]
    if rows != (total, total) or differences:
        print(f"{total:,} events were written; rows and different ids: {rows}; minutes that differ: {differences}")
        return False
    return True


def main() -> None:
    """Read the options and measure."""
    parser = options.parser(__doc__)
    parser.add_argument("--events", type=int, default=150_000, help="of a full spool, of all processes together")
    parser.add_argument("--steady", type=float, default=10, help="seconds of steady events")
    wanted = options.read(parser, events=2_000, steady=0.2)
    figures = Figures(__file__)
    with serving() as server:
        take_environment(DATA_DIR=server.data_dir, DATABASE_URL=server.url)  # as `serve` gives it to its workers
        print("\n".join([*figures.told(), f"goal: {GOAL:,} events/s; {server.settings()}", ""]))
        print(f"{'':34} {'events/s':>9} {'writer µs':>9} {'Postgres µs':>12} {'waiting':>8} {'counts':>6}")
        lines = []
        for name, size in SIZES.items():
            for label, processes, pace in (
                ("one writer", 1, False),
                ("two processes", 2, False),
                (f"one writer, steady {GOAL:,}/s", 1, True),
            ):
                lines.append(measure(server, f"{name}, {label}", size, processes, wanted, figures, pace=pace))
    figures.write(wanted)
    options.end(wanted, right=all(right for right, _ in lines), met=all(met for _, met in lines))


if __name__ == "__main__":
    main()
