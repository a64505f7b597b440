#!/usr/bin/env python3
"""What an event costs Postgres, and how much room it takes, by how the two bodies are stored.

    .venv/bin/python benchmarks/log_storage.py [--events 20000] [--rounds 3] [--quick] [--json FILE]

EXTENDED (compressed, which is what Postgres does by itself) beside EXTERNAL (as they are, which is what the log does),
for small bodies, for those that the platform sends with a function, and for documents' requests, some 1 kB. One writer,
by turns, medians. CPU is that of the database server with all its processes; bytes are those of the day's table with
its indexes and what is stored beside it, and of the write-ahead log. With fsync, as `serve` has it.
"""

import os
import random
import statistics
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import options
from figures import Figures
from log_server import Server, Usage, serving
from processes import take_environment

TEMPLATES = 500  # different events
WORDS = [
    "agent",
    "caller",
    "price",
    "order",
    "number",
    "please",
    "thank",
    "today",
    "delivery",
    "invoice",
    "help",
    "shop",
]
DAYS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'registry_routingevent'::regclass"


class Cost(NamedTuple):
    """Of one event."""

    writer: float  # µs
    postgres: float  # µs
    table: float  # bytes
    wal: float  # bytes


def ids(count: int) -> Iterator[str]:
    """So many of the kind that calls and sessions have."""
    for _ in range(count):
        yield str(uuid.UUID(int=random.getrandbits(128)))


def sentence(words: int) -> str:
    """Something that somebody might have said."""
    return " ".join(random.choices(WORDS, k=words)).capitalize() + "."


def small() -> tuple[Any, Any]:
    """A function's arguments and answer alone, as benchmarks send them."""
    (call,) = ids(1)
    argument = {"parsed": [{"product": "Widget"}], "raw": '{"product": "Widget"}'}
    return {"function": "get_pricing", "call_id": call, "argument": argument}, {"response": sentence(6)}


def document() -> tuple[Any, Any]:
    """What the platform sends to have a document; the answer is not kept."""
    call, node, segment, session, project, space = ids(6)
    about = {"call_id": call, "node_id": node, "segment_id": segment, "call_session_id": session, "tag": call}
    numbers = {"from": f"+1555{random.randrange(10**7):07}", "to": "+15559870000", "direction": "inbound"}
    headers = [{"name": "User-Agent", "value": "Phone/1.0"}, {"name": "Call-ID", "value": call}]
    more = {"state": "created", "type": "phone", "timeout": 30, "project_id": project, "space_id": space}
    return {"call": {**about, **numbers, **more, "headers": headers}, "vars": {"userVariables": {}}}, None


def captured() -> tuple[Any, Any]:
    """What the platform sends with a function: the call, its variables and the conversation twice, some 3.5 kB."""
    request, _ = document()
    call = request["call"]
    project, space, session = ids(3)
    said = [
        {"role": role, "content": sentence(random.randrange(5, 16))} for role in ("user", "assistant") * 3 + ("user",)
    ]
    argument = {"parsed": [{"product": "Widget"}], "raw": '{"product": "Widget"}', "substituted": ""}
    where = {"project_id": project, "space_id": space, "environment": "production"}
    return {
        "function": "get_pricing", "argument": argument, "call_id": call["call_id"], "ai_session_id": session,
        "caller_id_num": call["from"], "content_type": "text/swaig", "version": "2.0", **where,
        "call": call, "vars": {"userVariables": {}, "call_data": {**call}}, "global_data": {"tier": "gold", **where},
        "meta_data": {"session": session, "sections": [{"name": name, "id": project} for name in WORDS[:4]]},
        "call_log": said[-5:], "raw_call_log": said, "prompt_vars": {"call_id": call["call_id"], **where},
    }, {"response": sentence(14), "action": [{"set_global_data": {"last": sentence(3)}}]}  # fmt: skip


BODIES: dict[str, Callable[[], tuple[Any, Any]]] = {"small": small, "document": document, "captured": captured}


def lines(count: int, bodies: Callable[[], tuple[Any, Any]]) -> Iterator[bytes]:
    """Lines of the spool, each with an id of its own."""
    import orjson

    from registry.log.ids import uuid7

    ends = []
    for number in range(TEMPLATES):
        request, response = bodies()
        event = {
            "replica": "benchmark", "kind": "swaig", "method": "POST", "path": "/sales/swaig", "source": "192.0.2.7",
            "route": "/sales", "agent": f"agent-{number % 50}", "version": 3, "call_id": f"{number:032x}",
            "sip_user": "", "from": "+15551230000", "to": "+15559870000", "function": "get_pricing", "status": 200,
            "outcome": "ok", "detail": "", "steps": [["route", "/sales belongs to sales-agent"]],
            "microseconds": 900, "digest": f"{random.getrandbits(64):016x}", "request": request, "response": response,
        }  # fmt: skip
        ends.append(b'",' + orjson.dumps(event)[1:])
    for number in range(count):
        yield b'{"id":"' + uuid7().encode() + ends[number % TEMPLATES]


def store_as(server: Server, how: str) -> None:
    """Have the bodies of every day stored in this way."""
    for table in ["registry_routingevent", *(name for (name,) in server.query(DAYS))]:
        for column in ("request", "response"):
            server.query(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {how}")


def measure(server: Server, bodies: Callable[[], tuple[Any, Any]], events: int, name: str) -> Cost:
    """Bring a full spool into the empty log."""
    from registry.log.spool import Spool
    from registry.log.writer import Writer

    server.query("TRUNCATE registry_routingevent, registry_agentminute")
    spool = Spool(Path(server.data_dir / "bench"), name)
    writer = Writer(spool)
    for line in lines(events, bodies):
        spool.append(line)
    server.query("CHECKPOINT")
    wal = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
    before, ours, began = Usage.of(server.postgres()), Usage.of([os.getpid()]), server.query(wal)[0][0]
    while spool.pending:
        writer.drain()
    postgres, ours_now, ended = Usage.of(server.postgres()), Usage.of([os.getpid()]), server.query(wal)[0][0]
    spool.close()
    ((count, size),) = server.query(
        "SELECT (SELECT count(*) FROM registry_routingevent),"
        f" (SELECT sum(pg_total_relation_size(day::regclass)) FROM ({DAYS}) AS days(day))"
    )
    assert count == events, f"{count} of {events} events are there"
    each = 1e6 / events
    return Cost(
        (ours_now.cpu - ours.cpu) * each,
        (postgres.cpu - before.cpu) * each,
        float(size) / events,
        float(ended - began) / events,
    )


def main() -> None:
    """Read the options and measure."""
    parser = options.parser(__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = options.read(parser, events=500, rounds=1)
    figures = Figures(__file__)
    with serving() as server:
        take_environment(DATA_DIR=server.data_dir, DATABASE_URL=server.url)  # as `serve` gives it to its workers
        import django

        django.setup()
        import orjson
        from django.db import connection

        print("\n".join(figures.told()))
        print(f"{wanted.events:,} events, medians of {wanted.rounds}; {server.settings()}")
        print(
            f"{'bodies':10} {'bytes':>6} {'stored':9} {'Postgres µs':>12} {'writer µs':>10} {'bytes on disk':>14}"
            f" {'of WAL':>8}"
        )
        costs: dict[tuple[str, str], list[Cost]] = {}
        for number in range(wanted.rounds):
            for body, make in BODIES.items():
                for how in ("EXTENDED", "EXTERNAL"):
                    store_as(server, how)
                    cost = measure(server, make, wanted.events, f"{body}-{how}-{number}")
                    costs.setdefault((body, how), []).append(cost)
        for (body, how), found in costs.items():
            middle = Cost(*(statistics.median(column) for column in zip(*found, strict=True)))
            size = statistics.mean(len(orjson.dumps(part)) for _ in range(50) for part in [BODIES[body]()])
            figures.add(f"{body}, {how}, CPU of Postgres", middle.postgres, None, "µs")
            figures.add(f"{body}, {how}, CPU of the writer", middle.writer, None, "µs")
            figures.add(f"{body}, {how}, on disk", middle.table, None, "bytes")
            print(
                f"{body:10} {size:6,.0f} {how:9} {middle.postgres:12.1f} {middle.writer:10.1f} {middle.table:14,.0f}"
                f" {middle.wal:8,.0f}"
            )
        connection.close()
    figures.write(wanted)


if __name__ == "__main__":
    main()
