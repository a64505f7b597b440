#!/usr/bin/env python3
"""What the dispatcher itself costs: CPU per request in this process, without a server and without a database.

    .venv/bin/python benchmarks/dispatch.py [--profile] [--agents 3] [--requests 20000] [--rounds 5]
                                                [--quick] [--json FILE]

Prints microseconds for SWML and SWAIG, with and without recording (and counting for /metrics), beside a bare ASGI
application that parses the same body and returns as many bytes. The machine's speed drifts: the rows take turns, and
only their ratios are worth quoting. `--profile` shows where the time of a recorded SWAIG request goes.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import options
import sample
from figures import Figures
from processes import take_environment

take_environment()

import django  # noqa: E402 - the environment comes first

django.setup()

from agents.definition import AgentDefinition  # noqa: E402 - after django.setup()
from agents.outbound.client import WebhookClient, WebhookLimits  # noqa: E402
from agents.stored.version import StoredVersion  # noqa: E402
from agents.tokens import TokenKey  # noqa: E402
from registry.log.masking import Masker  # noqa: E402
from registry.log.recorder import Recorder  # noqa: E402
from registry.log.spool import Spool  # noqa: E402
from registry.metrics.counters import Counters  # noqa: E402
from registry.routing.context import Context  # noqa: E402
from registry.routing.dispatcher import Dispatcher  # noqa: E402
from registry.routing.http import Http, Message, Scope  # noqa: E402
from registry.routing.public_url import PublicUrl  # noqa: E402
from registry.routing.table import AgentEntry, Credentials, RouteEntry, RoutingTable, Step, Tables  # noqa: E402

App = Callable[[Scope, Any, Any], Awaitable[None]]


class NoSpool:
    """Where events go when they are not recorded."""

    def append(self, line: bytes) -> None:
        """Forget it."""


def table_of(count: int) -> RoutingTable:
    """A table with /sales and other agents like it."""
    entries = []
    for number in range(count):
        name, path = sample.name(number), sample.route(number)
        key = TokenKey("secret", name)
        live = StoredVersion(1, AgentDefinition.read(sample.definition(number)), key, {})
        step = Step("version", "version 1 is live")
        agent = AgentEntry(number, name, Credentials.of("u", "p"), "", key, live, {1: live}, None, "", step)
        entries.append(
            (RouteEntry(number, path, agent, Step("route", f"{path} belongs to {name}"), path), [name], False)
        )
    return RoutingTable().with_changes(1, set(), entries)


def dispatcher(table: RoutingTable, spool: Any, **context: Any) -> Dispatcher:
    """A dispatcher that serves this table."""
    tables = Tables()
    tables.current = table
    recorder = Recorder(spool, "bench-1", Masker(["password", "token", "authorization"]), 4096)
    public_url, webhooks = PublicUrl("", ["127.0.0.1"], []), WebhookClient(WebhookLimits())
    return Dispatcher(tables, Context(recorder, public_url, webhooks, Http(2**20, 30), **context))


async def bare(_scope: Scope, receive: Any, send: Any) -> None:
    """The speed limit: read, parse, answer with fixed bytes."""
    message = await receive()
    json.loads(message["body"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"700")]})
    await send({"type": "http.response.body", "body": b"x" * 700})


async def run(app: App, path: str, query: bytes, body: bytes, requests: int) -> tuple[float, bytes]:
    """Microseconds of CPU per request, and the last answer."""
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"content-type", b"application/json"),
        (b"authorization", sample.AUTHORIZATION.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "headers": headers,
    }
    began = time.process_time()
    for _ in range(requests):
        answers.clear()
        await app(scope, receive, send)
    return (time.process_time() - began) / requests * 1e6, answers[-1]["body"]


async def measure(wanted: argparse.Namespace, figures: Figures, folder: Path) -> None:
    """Let all take turns and print the medians."""
    table = table_of(wanted.agents)
    spool = Spool(folder, "bench", 8 * 1024 * 1024)
    counters = Counters(folder / "metrics" / "run")
    recorded, unrecorded = dispatcher(table, spool, count=counters.count), dispatcher(table, NoSpool())
    call, function = sample.CALL, sample.FUNCTION_CALL
    document = json.loads((await run(recorded, "/sales", b"", call, 1))[1])
    url = document["sections"]["main"][1]["ai"]["SWAIG"]["functions"][0]["web_hook_url"]
    query = url.partition("?")[2].encode()
    assert sample.FUNCTION_ANSWER in (await run(recorded, "/sales/swaig/", query, function, 1))[1]
    works = {
        "bare ASGI": (bare, "/sales", b"", call),
        "SWML": (unrecorded, "/sales", b"", call),
        "SWML, recorded": (recorded, "/sales", b"", call),
        "SWAIG": (unrecorded, "/sales/swaig/", query, function),
        "SWAIG, recorded": (recorded, "/sales/swaig/", query, function),
    }
    results: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(wanted.rounds):
        for name, work in works.items():
            results[name].append((await run(*work, wanted.requests))[0])
        for segment in spool.full:
            segment.remove()
        spool.full.clear()
    base = statistics.median(results["bare ASGI"])
    print(f"{'':16} {'µs':>7} {'ratio':>7}   (medians of {wanted.rounds}; {wanted.agents} agents)")
    for name, times in results.items():
        middle = statistics.median(times)
        print(f"{name:16} {middle:7.1f} {middle / base:7.1f}")
        if name != "bare ASGI":
            figures.add(name, middle, base, "µs")
    if wanted.profile:
        profile = cProfile.Profile()
        profile.enable()
        await run(*works["SWAIG, recorded"], wanted.requests)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Read the options and measure."""
    parser = options.parser(__doc__)
    parser.add_argument("--agents", type=int, default=3)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    wanted = options.read(parser, requests=50, rounds=1, profile=True)
    figures = Figures(__file__)
    print("\n".join(figures.told()))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(wanted, figures, Path(folder)))
    figures.write(wanted)


if __name__ == "__main__":
    main()
