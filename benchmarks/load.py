"""Load: many requests over a few connections, by wrk where it is installed, else by a client of our own.

wrk is a C program and takes less of the machine from the server it measures; the figures of the two do not compare. For
less than a second, which wrk cannot do, and at a steady rate it is always our own.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import NamedTuple

TIMEOUT_SECONDS = 30  # for one answer
WRK_SECONDS = 1  # its least
TICK_SECONDS = 0.001  # between two looks at what is due
SCRIPT = """
local headers = {%(headers)s}
local paths = {%(paths)s}
local body = [==[%(body)s]==]
local requests, turn = {}, 0
init = function(args)
  for number, path in ipairs(paths) do requests[number] = wrk.format("POST", path, headers, body) end
end
request = function()
  turn = turn %% #requests + 1
  return requests[turn]
end
done = function(summary, latency, rates)
  local errors = summary.errors
  io.write(string.format("RESULT %%d %%d %%.1f %%.1f %%.1f %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


# Requests, seconds, median, 99th percentile and worst in milliseconds, errors.
Raw = tuple[int, float, float, float, float, int]


class LoadError(Exception):
    """Requests failed, so there is nothing to measure."""


class Work(NamedTuple):
    """Requests that take turns: one body, posted to many paths (with their queries)."""

    paths: list[str]
    body: bytes
    headers: Mapping[str, str]


class Figures(NamedTuple):
    """What a load came to."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


def generator() -> str:
    """Who makes the load."""
    return "wrk" if shutil.which("wrk") else "own client"


def load(port: int, work: Work, connections: int, seconds: float) -> Figures:
    """Keep so many connections busy for so long; raises LoadError unless all answers are good."""
    if generator() == "wrk" and seconds >= WRK_SECONDS:
        return checked(port, work, *by_wrk(port, work, connections, seconds))
    return ours(port, work, connections, seconds)


def ours(port: int, work: Work, connections: int, seconds: float, rate: float = 0) -> Figures:
    """The same by our own client; with a `rate` so many requests a second, each timed from when it was due.

    From then, not from when a connection was free for it: a server that stops for a moment has made all wait that were
    due meanwhile, and a client that waits with it would note one of them.
    """
    return checked(port, work, *by_ourselves(port, work, connections, seconds, rate))


def checked(
    port: int, work: Work, requests: int, took: float, p50: float, p99: float, worst: float, errors: int
) -> Figures:
    """The figures, if all is well."""
    if errors or not requests:
        raise LoadError(f"{work.paths[0]} at port {port}: {errors} errors in {requests} requests")
    return Figures(requests, requests / took, p50, p99, worst)


# --- wrk -----------------------------------------------------------------------------------------------------------


def by_wrk(port: int, work: Work, connections: int, seconds: float) -> Raw:
    """By a program that is faster than what it measures."""
    script = SCRIPT % {
        "headers": ", ".join(f"[{quoted(name)}] = {quoted(value)}" for name, value in work.headers.items()),
        "paths": ", ".join(map(quoted, work.paths)),
        "body": work.body.decode(),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={TIMEOUT_SECONDS}s"]
        command += ["-s", file.name, f"http://127.0.0.1:{port}"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = printed.rpartition("RESULT ")[2].split()
    requests, microseconds, p50, p99, worst, errors = map(float, result)
    return int(requests), microseconds / 1e6, p50 / 1000, p99 / 1000, worst / 1000, int(errors)


def quoted(text: str) -> str:
    """A text as Lua writes it; ours are plain ASCII."""
    return json.dumps(text)


# --- our own -------------------------------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """One connection: sends a request, and asks the run for the next when the answer has come."""

    transport: asyncio.Transport

    def __init__(self, run: "Run"):
        self.run = run
        self.received = bytearray()
        self.since = 0.0  # when the request that is under way was sent, or due

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.run.clients.append(self)

    def send(self, since: float) -> None:
        """The next request."""
        self.since = since
        self.run.turn += 1
        self.transport.write(self.run.requests[self.run.turn % len(self.run.requests)])

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of it."""
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self.run.latencies.append(time.perf_counter() - self.since)
        if not head.startswith(b"HTTP/1.1 2"):
            self.run.errors += 1
        self.received.clear()
        self.run.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, ours or the server's."""
        if not self.run.over:
            self.run.errors += 1
            self.run.lost.set()


class Run:
    """What the connections share: each is busy all the time."""

    def __init__(self, requests: list[bytes], seconds: float):
        self.requests = requests
        self.seconds = seconds
        self.turn = 0
        self.clients: list[Client] = []
        self.latencies: list[float] = []
        self.errors = 0
        self.over = False
        self.lost = asyncio.Event()
        self.idle = asyncio.Event()

    def begin(self) -> None:
        """All connections are there."""
        self.began = time.perf_counter()
        self.end = self.began + self.seconds
        self.busy = len(self.clients)
        for client in self.clients:
            client.send(time.perf_counter())

    def free(self, client: Client) -> None:
        """A connection has its answer."""
        now = time.perf_counter()
        if now < self.end:
            client.send(now)
            return
        self.busy -= 1
        if not self.busy:
            self.idle.set()

    async def work(self, port: int, connections: int) -> float:
        """All of it; the seconds that it took."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Client(self), "127.0.0.1", port)
        self.begin()
        ends = [asyncio.create_task(event.wait()) for event in (self.idle, self.lost)]
        limit = self.seconds + TIMEOUT_SECONDS
        done, late = await asyncio.wait(ends, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        took = time.perf_counter() - self.began
        self.errors += not done
        self.over = True
        for task in late:
            task.cancel()
        for client in self.clients:
            client.transport.close()
        return took


class SteadyRun(Run):
    """So many requests a second: each waits, from when it is due, until a connection is free."""

    def __init__(self, requests: list[bytes], seconds: float, rate: float):
        super().__init__(requests, seconds)
        self.rate, self.total = rate, max(1, int(rate * seconds))
        self.sent = 0

    def begin(self) -> None:
        """All connections are there, and nothing is due yet."""
        self.began = time.perf_counter()
        self.waiting = list(self.clients)
        self.look()

    def due(self, number: int) -> float:
        """When a request is."""
        return self.began + number / self.rate

    def look(self) -> None:
        """Send what is due, and look again."""
        while self.waiting and self.sent < self.total and self.due(self.sent) <= time.perf_counter():
            self.waiting.pop().send(self.due(self.sent))
            self.sent += 1
        if self.sent < self.total and not self.over:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self.look)

    def free(self, client: Client) -> None:
        """A connection has its answer: what is due already has waited long enough."""
        if self.sent < self.total and self.due(self.sent) <= time.perf_counter():
            client.send(self.due(self.sent))
            self.sent += 1
            return
        self.waiting.append(client)
        if len(self.latencies) == self.total:
            self.idle.set()


def by_ourselves(port: int, work: Work, connections: int, seconds: float, rate: float) -> Raw:
    """The same figures as `by_wrk`."""
    head = "".join(f"{name}: {value}\r\n" for name, value in work.headers.items())
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}Content-Length: {len(work.body)}\r\n\r\n".encode()
        + work.body
        for path in work.paths
    ]

    async def measure() -> tuple[Run, float]:
        run = SteadyRun(requests, seconds, rate) if rate else Run(requests, seconds)
        return run, await run.work(port, connections)

    run, took = asyncio.run(measure())
    found = sorted(1000 * latency for latency in run.latencies)
    if len(found) < 2:
        return len(found), took, 0, 0, 0, run.errors
    percentiles = statistics.quantiles(found, n=100, method="inclusive")
    return len(found), took, percentiles[49], percentiles[98], found[-1], run.errors
