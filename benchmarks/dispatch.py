#!/usr/bin/env python3
"""What the dispatcher itself costs: CPU per request in this process, without a server and without a database.

    .venv/bin/python benchmarks/dispatch.py [--profile] [--agents 3] [--requests 20000] [--rounds 5]
                                                [--quick] [--json FILE]

Prints microseconds for documents and functions, with small and captured bodies: by a plan, with and without the log; by
the whole function, which answers what is unusual; and by that as an ASGI application; all counted for /metrics. Beside
them a bare ASGI application that parses the same body and returns as many bytes. The machine's speed drifts: the rows
take turns, and only their ratios are worth quoting. `--profile` shows where the time of a recorded function goes.
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
from forgetful import Forgetful
from processes import take_environment

take_environment()

import django  # noqa: E402 - the environment comes first

django.setup()

from django.conf import settings  # noqa: E402 - after django.setup()

from agents.definition import AgentDefinition  # noqa: E402
from agents.outbound.client import WebhookClient, WebhookLimits  # noqa: E402
from agents.stored.version import StoredVersion  # noqa: E402
from agents.tokens import TokenKey  # noqa: E402
from registry.log.masking import Masker  # noqa: E402
from registry.log.recorder import Recorder  # noqa: E402
from registry.log.spool import Spool  # noqa: E402
from registry.metrics.counters import Counters  # noqa: E402
from registry.routing.context import Context  # noqa: E402
from registry.routing.dispatcher import Dispatcher  # noqa: E402
from registry.routing.http import Connection, Head, Http, Message, Response, Scope  # noqa: E402
from registry.routing.plan import Plans  # noqa: E402
from registry.routing.public_url import PublicUrl  # noqa: E402
from registry.routing.table import AgentEntry, Credentials, RouteEntry, RoutingTable, Step, Tables  # noqa: E402

App = Callable[[Scope, Any, Any], Awaitable[None]]
SERVER = ("127.0.0.1", 8000)


class Unplanned(Plans):
    """Has no plans: the whole function answers."""

    def learn(self, *_: Any) -> None:
        """Nothing."""


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
    recorder = Recorder(spool, "bench-1", Masker(settings.MASKED_KEYS), 4096)
    public_url, webhooks = PublicUrl("", ["127.0.0.1"], []), WebhookClient(WebhookLimits())
    return Dispatcher(tables, Context(recorder, public_url, webhooks, Http(2**20, 30), **context))


async def bare(_scope: Scope, receive: Any, send: Any) -> None:
    """The speed limit: read, parse, answer with fixed bytes."""
    message = await receive()
    json.loads(message["body"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"700")]})
    await send({"type": "http.response.body", "body": b"x" * 700})


HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"content-type", b"application/json"),
    (b"authorization", sample.AUTHORIZATION.encode()),
]


async def by_asgi(app: App, head: Head, body: bytes, requests: int) -> bytes:
    """Ask an ASGI application so often; the last answer."""
    answers: list[Message] = []
    scope = {
        "type": "http",
        "method": head.method,
        "path": head.path,
        "raw_path": head.raw_path,
        "query_string": head.query_string,
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "headers": head.headers,
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    for _ in range(requests):
        answers.clear()
        await app(scope, receive, send)
    return answers[-1]["body"]


async def by_lane(app: Dispatcher, head: Head, body: bytes, requests: int) -> bytes:
    """Ask as config/protocol.py does."""
    for _ in range(requests):
        response = app.answer_now(head, body)
    assert isinstance(response, Response)
    return response.body


def head_of(path: str, query: bytes, body: bytes) -> Head:
    """The head of a request, as wrk sends it."""
    length = (b"content-length", b"%d" % len(body))
    return Head("POST", path, path.encode(), query, [*HEADERS, length], Connection("127.0.0.1", "http", SERVER))


async def measure(wanted: argparse.Namespace, figures: Figures, folder: Path) -> None:
    """Let all take turns and print the medians."""
    table = table_of(wanted.agents)
    spool = Spool(folder, "bench", 8 * 1024 * 1024)
    counters = Counters(folder / "metrics" / "run")
    planned, whole, unrecorded = (dispatcher(table, spool, count=counters.count) for _ in range(3))
    whole.plans = Unplanned(whole.context)
    unrecorded.context.recorder = Forgetful()  # type: ignore[assignment]
    document = json.loads(await by_asgi(whole, head_of("/sales", b"", sample.CALL), sample.CALL, 1))
    url = document["sections"]["main"][1]["ai"]["SWAIG"]["functions"][0]["web_hook_url"]
    query = url.partition("?")[2].encode()
    works: dict[str, tuple[Any, ...]] = {}
    for size, bodies in sample.BODIES.items():
        for work, path, query_string in (("SWML", "/sales", b""), ("SWAIG", "/sales/swaig/", query)):
            body = bodies[work]
            head = head_of(path, query_string, body)
            if work == "SWAIG":
                assert sample.FUNCTION_ANSWER in await by_lane(planned, head, body, 2)
            ways = {
                "bare ASGI": (by_asgi, bare),
                "planned": (by_lane, planned),
                "planned, no log": (by_lane, unrecorded),
                "whole": (by_lane, whole),
                "whole, ASGI": (by_asgi, whole),
            }
            works |= {f"{work}, {size}: {name}": (ask, app, head, body) for name, (ask, app) in ways.items()}
    results: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(wanted.rounds):
        for name, (ask, *asked) in works.items():
            began = time.process_time()
            await ask(*asked, wanted.requests)
            results[name].append((time.process_time() - began) / wanted.requests * 1e6)
        for segment in spool.full:
            segment.remove()
        spool.full.clear()
    print(f"{'':32} {'µs':>7} {'ratio':>7}   (medians of {wanted.rounds}; {wanted.agents} agents)")
    for name, times in results.items():
        middle, base = statistics.median(times), statistics.median(results[f"{name.partition(':')[0]}: bare ASGI"])
        print(f"{name:32} {middle:7.1f} {middle / base:7.1f}")
        if middle != base:
            figures.add(name, middle, base, "µs")
    if wanted.profile:
        profile = cProfile.Profile()
        profile.enable()
        ask, *asked = works["SWAIG, small: planned"]
        await ask(*asked, wanted.requests)
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
