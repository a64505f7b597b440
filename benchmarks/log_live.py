#!/usr/bin/env python3
"""From a call to the sockets of those who watch: latency, memory and CPU, and whether everybody sees all of it once.

    .venv/bin/python benchmarks/log_live.py [--workers 1 2] [--loads 1@300 200@300 500@100] [--seconds 60]
                                                [--no-deflate] [--quick] [--json FILE]

A load is VIEWERS@CALLS: so many calls a second go to `serve`, steadily. Signed-in viewers of /ws/events, none of whom
is spared a row (rate=1000), note when each event came. Of many viewers every tenth leaves at random moments and comes
back with its cursor; one more viewer never reads. Latency is from the event's id, which is made just before the answer,
to when its message was received by a viewer that stayed; viewers, load and server share the machine, so it includes the
viewers' own work.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import options
import orjson
import sample
from figures import Figures
from log_server import Server, Usage, serving, verdict
from processes import Ways
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.watching import SESSION

LOADS = ("1@300", "200@300", "500@100")
GOALS = {"200@300": 200, "500@100": 120}  # milliseconds within which 99 % of the rows come
GOAL_MILLISECONDS = 300  # the same, with other loads
REFUSED = range(4400, 4500)  # close codes: docs/live.md
GOAL_MEGABYTES = 150  # that a worker may grow by: 200 viewers' whole queues and socket buffers are half of it
CONNECTIONS = 16  # of the load
CALLS = 20  # of which each is a document and then functions
COMING = 10  # viewers that connect at once
LAST_SECONDS = 10  # for the last events to arrive
STAYING_SECONDS = (0.5, 5)  # of viewers that come and go


class Found(NamedTuple):
    """What the viewers report: of each how often it saw which event, and how long each row took."""

    seen: list[Counter[str]]
    latencies: list[int]  # how many rows took so many milliseconds
    missed: int  # that viewers were told they missed, or that were folded
    returns: int
    megabytes: float  # received
    cpu: float


# --- the load --------------------------------------------------------------------------------------------------------


def requests(server: Server) -> list[bytes]:
    """What callers send: for every document two functions."""
    found = []
    for number in range(CALLS):
        path = f"/sales?call_id=bench-{number}"
        document = json.loads(server.request("GET", path))
        ai = next(verb["ai"] for verb in document["sections"]["main"] if "ai" in verb)
        url = urlsplit(next(entry["web_hook_url"] for entry in ai["SWAIG"]["functions"]))
        body = {
            "function": "get_pricing",
            "argument": {"parsed": [{"product": "Widget"}]},
            "call_id": f"bench-{number}",
        }
        call = request("POST", f"{url.path}?{url.query}", json.dumps(body).encode())
        found += [request("GET", path), call, call]
    return found


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {sample.AUTHORIZATION}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def load(port: int, sent: list[bytes], rate: int, seconds: float, report: Connection) -> None:
    """A process that calls at a steady rate; reports how many were answered with 200, and the answers' times."""
    report.send(asyncio.run(call_steadily(port, sent, rate, seconds)))


async def call_steadily(port: int, sent: list[bytes], rate: int, seconds: float) -> tuple[int, list[float]]:
    """The same, on a few connections that are kept."""
    began, total, times = time.monotonic(), int(rate * seconds), list[float]()

    async def caller(first: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        for number in range(first, total, CONNECTIONS):
            await asyncio.sleep(max(0, began + number / rate - time.monotonic()))
            asked = time.monotonic()
            writer.write(sent[number % len(sent)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length[15:]))
            times.append(time.monotonic() - asked)
            answered += head.startswith(b"HTTP/1.1 200")
        writer.close()
        return answered

    return sum(await asyncio.gather(*(caller(first) for first in range(CONNECTIONS)))), times


# --- the viewers -----------------------------------------------------------------------------------------------------


class Viewers:
    """Those who watch, in a process of their own."""

    def __init__(self, port: int, cookie: str, deflate: bool):
        self.url = f"ws://127.0.0.1:{port}/ws/events?rate=1000"
        self.options: dict[str, Any] = {
            "additional_headers": {"Origin": f"http://127.0.0.1:{port}", "Cookie": f"sessionid={cookie}"},
            "compression": "deflate" if deflate else None,
            "max_size": None,
            "open_timeout": 60,
        }
        self.coming = asyncio.Semaphore(COMING)
        self.there = 0
        self.seen: list[Counter[str]] = []
        self.latencies = [0] * 10_000
        self.times: dict[str, int] = {}
        self.missed = self.returns = self.bytes = 0

    async def watch(self, staying: tuple[float, float] | None) -> None:
        """One viewer; `staying`: how long it watches before it leaves and comes back."""
        seen = Counter[str]()
        self.seen.append(seen)
        cursor = ""
        while True:
            url = f"{self.url}&cursor={quote(cursor)}" if cursor else self.url
            async with self.coming:
                socket = await connect(url, **self.options)
            until = time.monotonic() + random.uniform(*staying) if staying else float("inf")
            try:
                while not cursor or time.monotonic() < until:
                    message = await socket.recv(decode=False)
                    now = time.time_ns() // 1_000_000
                    first, cursor = not cursor, self.take(message, now, seen, timed=staying is None) or cursor
                    self.there += first
            except ConnectionClosed as closed:
                if closed.rcvd and closed.rcvd.code in REFUSED:
                    raise  # nobody would ever see anything
                if staying is None:
                    self.missed += 1
            finally:
                await socket.close()
            self.returns += 1

    def take(self, message: bytes, now: int, seen: Counter[str], *, timed: bool) -> str:
        """Note what has come; the cursor."""
        self.bytes += len(message)
        found = orjson.loads(message)
        events = found.get("events", ())
        for event in events:
            text = event["id"]
            seen[text] += 1
            if timed:
                if text not in self.times:
                    self.times[text] = int(text[:8] + text[9:13], 16)  # RFC 9562, 5.7
                self.latencies[min(max(now - self.times[text], 0), 9_999)] += 1
        self.missed += found.get("missed", 0) + sum(count["count"] for count in found.get("folded", ()))
        return found.get("cursor") or ""

    async def ignore(self) -> None:
        """The viewer that never reads."""
        reader, writer = await asyncio.open_connection(urlsplit(self.url).hostname, urlsplit(self.url).port, limit=1)
        target = self.url.partition("127.0.0.1")[2].partition("/")[2]
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.options["additional_headers"].items())
        writer.write(
            f"GET /{target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n".encode()
        )
        await reader.read(1)
        await asyncio.Event().wait()

    async def run(self, count: int, orders: Connection) -> None:
        """Come, tell that all are there, watch until told to end."""
        leaving = count // 10
        tasks = [asyncio.create_task(self.ignore())]
        tasks += [asyncio.create_task(self.watch(STAYING_SECONDS if n < leaving else None)) for n in range(count)]
        while self.there < count:
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    task.result()
        orders.send("there")
        used = time.process_time()
        while (order := await asyncio.to_thread(orders.recv)) != "end":
            # How many of these events are still to come to somebody.
            orders.send(sum(len(order - seen.keys()) for seen in self.seen))
        used = time.process_time() - used
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        orders.send(Found(self.seen, self.latencies, self.missed, self.returns, self.bytes / 1e6, used))


def watch(port: int, cookie: str, count: int, deflate: bool, orders: Connection) -> None:
    """The viewers' process."""

    async def run() -> None:
        await Viewers(port, cookie, deflate).run(count, orders)

    asyncio.run(run())


# --- measuring -------------------------------------------------------------------------------------------------------


def start(target: Any, *arguments: Any) -> tuple[Any, Connection]:
    """A process, and the line to it."""
    ours, theirs = Ways.context.Pipe()
    process = Ways.context.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def measure(
    server: Server, cookie: str, wanted_load: str, wanted: argparse.Namespace, figures: Figures
) -> tuple[bool, bool]:
    """One line of the table; whether everybody saw all of it once, and whether the goals were met."""
    sent = requests(server)
    viewers, rate = map(int, wanted_load.split("@"))
    warm, report = start(load, server.port, sent, rate, wanted.warm)
    report.recv()
    warm.join()
    workers = server.workers()
    before = Usage.of(workers)
    watching, orders = start(watch, server.port, cookie, viewers, not wanted.no_deflate)
    orders.recv()
    (known,) = server.query("SELECT coalesce(max(batch), 0) FROM registry_routingevent")[0]
    calling, report = start(load, server.port, sent, rate, wanted.seconds)
    used, database, began = Usage.of(workers), Usage.of(server.postgres()), time.monotonic()
    most = used.megabytes
    while not report.poll(1):
        most = max(most, Usage.of(workers).megabytes)
    answered, times = report.recv()
    seconds = time.monotonic() - began
    after, database_after = Usage.of(workers), Usage.of(server.postgres())
    end = time.monotonic() + LAST_SECONDS
    while True:
        rows = server.query("SELECT id FROM registry_routingevent WHERE batch > %s", known)
        events = {str(row[0]) for row in rows}
        orders.send(events)
        lacking = orders.recv()
        if (len(events) >= answered and not lacking) or time.monotonic() > end:
            break
        time.sleep(0.2)
    orders.send("end")
    found: Found = orders.recv()
    watching.join()
    calling.join()
    missing = sum(len(events - seen.keys()) for seen in found.seen)
    doubled = sum(seen.total() - len(seen) for seen in found.seen)
    p50, p99, last = (percentile(found.latencies, share) for share in (0.5, 0.99, 1))
    complete = answered == len(events) == int(rate * wanted.seconds)
    right = complete and not (missing or doubled or found.missed)
    goal = GOALS.get(wanted_load, GOAL_MILLISECONDS)
    met = right and p99 < goal and most - before.megabytes < GOAL_MEGABYTES * len(workers)
    about = f"{len(workers)} workers, {viewers} viewers, {rate}/s"
    figures.add(f"{about}, p50", p50, None, "ms", judged=False)
    figures.add(f"{about}, p99", p99, None, "ms", judged=False)
    figures.add(f"{about}, CPU of the workers an event", (after.cpu - used.cpu) / max(1, len(events)) * 1e6, None, "µs")
    print(
        f"{len(workers):7} {viewers:7} {rate:5} {len(events):7,} {p50:6} {p99:6} {last:6}"
        f" {(after.cpu - used.cpu) / seconds:8.0%} {(database_after.cpu - database.cpu) / seconds:8.0%}"
        f" {found.cpu / seconds:8.0%} {before.megabytes:7.0f} {most:6.0f} {missing:7} {doubled:7} {found.missed:6}"
        f" {found.returns:7} {found.megabytes / seconds:6.1f} {statistics.quantiles(times, n=100)[98] * 1000:8.1f}"
        f" {goal:5} {verdict(met)}",
        flush=True,
    )
    return right, met


def percentile(latencies: list[int], share: float) -> int:
    """The milliseconds within which this share of the rows came."""
    wanted, total = share * sum(latencies), 0
    for milliseconds, count in enumerate(latencies):
        total += count
        if total >= wanted:
            return milliseconds
    return len(latencies)


def main() -> None:
    """Read the options and measure."""
    parser = options.parser(__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--loads", nargs="+", default=LOADS, metavar="VIEWERS@CALLS", help="viewers, calls a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--no-deflate", action="store_true", help="viewers that ask for no compression")
    parser.set_defaults(warm=3)
    wanted = options.read(parser, workers=[1], loads=["11@40"], seconds=1, warm=0.2)
    figures = Figures(__file__)
    told = [*figures.told(), f"goal: a worker grows by less than {GOAL_MEGABYTES} MB, nothing missing or doubled", ""]
    print("\n".join(told))
    print(
        "workers viewers calls  events    p50    p99    max  workers Postgres  viewers  MB bef.   most missing doubled"
        " missed returns   MB/s  call p99  goal"
    )
    lines = []
    for workers in wanted.workers:
        with serving(workers) as server:
            cookie = server.command("shell", "--no-imports", "-c", SESSION).split()[-1]
            lines += [measure(server, cookie, each, wanted, figures) for each in wanted.loads]
    figures.write(wanted)
    options.end(wanted, right=all(right for right, _ in lines), met=all(met for _, met in lines))


if __name__ == "__main__":
    main()
