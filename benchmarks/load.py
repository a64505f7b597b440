"""Load: many requests over a few connections, by wrk where it is installed, else by a client of our own.

wrk is a C program and takes less of the machine from the server it measures; the figures of the two do not compare.
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
  io.write(string.format("RESULT %%d %%d %%.1f %%.1f %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


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


def generator() -> str:
    """Who makes the load."""
    return "wrk" if shutil.which("wrk") else "own client"


def load(port: int, work: Work, connections: int, seconds: float) -> Figures:
    """Keep so many connections busy for so long; raises LoadError unless all answers are good."""
    by = by_wrk if generator() == "wrk" else by_ourselves
    requests, took, p50, p99, errors = by(port, work, connections, seconds)
    if errors or not requests:
        raise LoadError(f"{work.paths[0]} at port {port}: {errors} errors in {requests} requests")
    return Figures(requests, requests / took, p50, p99)


# --- wrk -----------------------------------------------------------------------------------------------------------


def by_wrk(port: int, work: Work, connections: int, seconds: float) -> tuple[int, float, float, float, int]:
    """Requests, seconds, median and 99th percentile in milliseconds, errors."""
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
    requests, microseconds, p50, p99, errors = map(float, result)
    return int(requests), microseconds / 1e6, p50 / 1000, p99 / 1000, int(errors)


def quoted(text: str) -> str:
    """A text as Lua writes it; ours are plain ASCII."""
    return json.dumps(text)


# --- our own -------------------------------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one has come."""

    transport: asyncio.Transport

    def __init__(self, run: "Run", turn: int):
        self.run = run
        self.turn = turn
        self.received = bytearray()
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        """The next request, if there is time."""
        self.sent = time.perf_counter()
        if self.sent >= self.run.end:
            self.transport.close()
            return
        self.turn += 1
        self.transport.write(self.run.requests[self.turn % len(self.run.requests)])

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of it."""
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self.run.latencies.append(time.perf_counter() - self.sent)
        if not head.startswith(b"HTTP/1.1 2"):
            self.run.errors += 1
        self.received.clear()
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, ours or the server's."""
        if time.perf_counter() < self.run.end:
            self.run.errors += 1
        self.run.open -= 1
        if not self.run.open:
            self.run.over.set()


class Run:
    """What the connections share."""

    def __init__(self, requests: list[bytes], connections: int, seconds: float):
        self.requests = requests
        self.open = connections
        self.end = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.errors = 0
        self.over = asyncio.Event()


def by_ourselves(port: int, work: Work, connections: int, seconds: float) -> tuple[int, float, float, float, int]:
    """The same figures as `by_wrk`."""
    head = "".join(f"{name}: {value}\r\n" for name, value in work.headers.items())
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}Content-Length: {len(work.body)}\r\n\r\n".encode()
        + work.body
        for path in work.paths
    ]

    async def measure() -> tuple[Run, float]:
        run = Run(requests, connections, seconds)
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        for number in range(connections):
            turn = number * len(requests) // connections
            await loop.create_connection(lambda turn=turn: Client(run, turn), "127.0.0.1", port)
        await asyncio.wait_for(run.over.wait(), seconds + TIMEOUT_SECONDS)
        return run, time.perf_counter() - began

    run, took = asyncio.run(measure())
    if len(run.latencies) < 2:
        return len(run.latencies), took, 0, 0, run.errors
    percentiles = statistics.quantiles(run.latencies, n=100, method="inclusive")
    return len(run.latencies), took, percentiles[49] * 1000, percentiles[98] * 1000, run.errors
