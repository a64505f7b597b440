#!/usr/bin/env python3
"""What others notice while a Python agent does its worst: their p99 and the worst answer of /health, with and without.

    .venv/bin/python benchmarks/horrors.py [--seconds 6] [--rounds 2] [--rate 0] [--only loop …] [--quick] [--json FILE]

Starts `serve` with one worker, a stored agent, a Python agent, and for each horror one more Python agent of
tests/e2e/sdk_agents.py. The first two are asked at a constant rate, half of what they can answer, and each request
counts from the moment when it was due; /health is asked 50 times a second. Rounds with a horror and rounds without take
turns, for the machine's speed drifts. A failed request of anybody else is an error.

`spare` is the least that an endless loop can cost: no agent's, but a process of its own that loops with SCHED_IDLE, so
only in the time that nobody else uses.
"""

import asyncio
import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import options
import sample
from figures import Figures
from processes import ROOT, environment, free_port, new_data_folder, run, start, stop

AGENTS = ROOT / "tests" / "e2e" / "sdk_agents.py"
HORRORS = ("sleep", "block", "loop", "loop_inside", "recurse", "exit", "hard_exit", "eat", "segfault", "close_all")
SPARE = "spare"
SPARE_LOOP = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
CONNECTIONS = 24
PAUSE_SECONDS = 0.2  # between two calls of a horror by one caller
CALLERS = 4  # of a horror at once
GONE_SECONDS = 60  # for a Postgres to stop
HEALTH_SECONDS = 0.02  # between two questions
REGISTER = """
from agents.python import kind
from registry.actions import agents
from registry.actions.transaction import Actor
by, inspect, seen = Actor("benchmark", "command", may_run_code=True), kind.inspect, {}
def once(source, whereabouts):
    return seen.get(source.class_) or seen.setdefault(source.class_, inspect(source, whereabouts))
kind.inspect = once
for name, agent in NAMES:
    agents.register(name, "/" + name, {"python": {"class": "sdk_agents:" + agent}}, by=by, wait=True)
"""


class Round(NamedTuple):
    """What others noticed in it."""

    requests: int
    p50_ms: float
    p99_ms: float
    health_ms: float  # the worst


def request(method: str, path: str, body: object = None) -> bytes:
    """A request as it goes over the wire."""
    text = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {sample.AUTHORIZATION}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


def function(agent: str, name: str) -> bytes:
    """A call of a function."""
    return request("POST", f"/{agent}/swaig", {"function": name, "call_id": "C1", "argument": {"parsed": [{}]}})


CALL = {"call": {"call_id": "C1", "from": "+15551230000", "to": "+15559870000"}}
WORK = {
    request("POST", "/sales", CALL): b'"sections"',
    request("POST", "/steady", CALL): b"You are steady",
    function("steady", "well"): b'"well"',
}
HEALTH = request("GET", "/health")


class Client:
    """Keeps connections to the server and asks over them."""

    def __init__(self, port: int):
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, data: bytes) -> bytes:
        """Send a request, return the answer's body; the status must be 200."""
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1]) if length else 0)
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"{head[:40]!r} {body[:200]!r}")
        self.idle.append((reader, writer))
        return body


async def others(client: Client, rate: float, seconds: float) -> list[float]:
    """Ask everybody else at a constant rate; milliseconds from the moment when each was due."""
    took: list[float] = []
    began = time.perf_counter()
    running: set[asyncio.Task[None]] = set()

    async def ask(data: bytes, expected: bytes, due: float) -> None:
        body = await client.ask(data)
        if expected not in body:
            raise RuntimeError(f"{data[:60]!r}: {body[:300]!r}")
        took.append((time.perf_counter() - due) * 1000)

    for number, (data, expected) in enumerate(cycle(WORK.items())):
        due = began + number / rate
        if due - began > seconds:
            break
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        for task in [each for each in running if each.done()]:
            running.discard(task)
            task.result()
        running.add(asyncio.create_task(ask(data, expected, due)))
    await asyncio.gather(*running)
    return took


async def health(port: int) -> float:
    """Ask /health until we are stopped; the worst answer in milliseconds."""
    client, worst = Client(port), 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            began = time.perf_counter()
            await client.ask(HEALTH)
            worst = max(worst, (time.perf_counter() - began) * 1000)
            await asyncio.sleep(HEALTH_SECONDS)
    return worst


async def harm(port: int, horror: str) -> None:
    """Call a horror again and again."""
    client = Client(port)
    while True:
        await client.ask(function(agent_of(horror), horror))
        await asyncio.sleep(PAUSE_SECONDS)


async def measure(port: int, rate: float, seconds: float, horror: str = "") -> Round:
    """One round; `horror` "" = without one."""
    client = Client(port)
    for _ in range(30):
        for data in WORK:
            await client.ask(data)
    callers = [asyncio.create_task(harm(port, horror)) for _ in range(CALLERS if horror else 0)]
    watching = asyncio.create_task(health(port))
    await asyncio.sleep(0)
    try:
        took = await others(client, rate, seconds)
    finally:
        watching.cancel()
        for caller in callers:
            caller.cancel()
    worst = await watching
    failed = [
        result for result in await asyncio.gather(*callers, return_exceptions=True) if isinstance(result, Exception)
    ]
    if failed:
        raise failed[0]
    took.sort()
    return Round(len(took), statistics.median(took), took[int(len(took) * 0.99)], worst)


async def capacity(port: int, seconds: float) -> float:
    """Requests a second that are answered if always so many wait."""
    client, count, end = Client(port), 0, time.perf_counter() + seconds

    async def keep_asking() -> None:
        nonlocal count
        for data in cycle(WORK):
            if time.perf_counter() > end:
                return
            await client.ask(data)
            count += 1

    await asyncio.gather(*[keep_asking() for _ in range(CONNECTIONS)])
    return count / seconds


@contextlib.contextmanager
def spare_loop() -> Iterator[None]:
    """A process that takes all the time of a processor that nobody else uses."""
    with subprocess.Popen([sys.executable, "-S", "-c", SPARE_LOOP]) as process:
        try:
            yield
        finally:
            process.kill()


def agent_of(horror: str) -> str:
    """Each horror has an agent of its own: one that fails again and again is started ever more slowly."""
    return f"bad-{horror.replace('_', '-')}"


@contextlib.contextmanager
def serving(seconds: int, horrors: Sequence[str]) -> Iterator[int]:
    """A server with the steady agent and these; its port."""
    with tempfile.TemporaryDirectory(prefix="switchboard-bench-", ignore_cleanup_errors=True) as folder:
        agents = Path(folder, "agents")
        agents.mkdir()
        shutil.copy(AGENTS, agents)
        port = free_port()
        found = environment(
            DATA_DIR=new_data_folder(Path(folder, "data")),
            AGENT_PATH=agents,
            AGENT_SECONDS=seconds,
            AGENT_MEMORY_MB=512,
        )
        log = Path(folder, "serve.log")
        process = start(["manage.py", "serve", "--port", port, "--workers", 1], found, log)
        try:
            while "is ready at" not in log.read_text():
                if process.poll() is not None:
                    raise RuntimeError(log.read_text()[-2000:])
                time.sleep(0.1)
            names = [("steady", "Steady"), *[(agent_of(horror), "Horrors") for horror in horrors if horror != SPARE]]
            run(["manage.py", "shell", "--no-imports", "-c", REGISTER.replace("NAMES", repr(names))], found)
            yield port
        finally:
            stop(process)
            end = time.monotonic() + GONE_SECONDS
            while Path(folder, "data", "postgres", "postmaster.pid").exists() and time.monotonic() < end:
                time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = options.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="of a round (6)")
    parser.add_argument("--rounds", type=int, default=2, help="of each kind and horror (2)")
    parser.add_argument("--rate", type=float, default=0, help="requests a second (half of what is possible)")
    parser.add_argument("--deadline", type=int, default=3, help="AGENT_SECONDS of the server (3)")
    parser.add_argument("--pause", type=float, default=3, help="seconds after a round: what it began ends in them (3)")
    parser.add_argument("--capacity", type=float, default=3, help="seconds of looking for what is possible (3)")
    parser.add_argument("--only", nargs="*", default=(*HORRORS, SPARE), choices=(*HORRORS, SPARE))
    quick = ("sleep", "hard_exit", SPARE)  # of each sort one: it waits, it ends, it takes what is left
    wanted = options.read(parser, seconds=0.5, rounds=1, pause=0.5, capacity=0.2, only=quick)
    figures = Figures(__file__)
    with serving(wanted.deadline, wanted.only) as port:
        time.sleep(wanted.pause)
        rate = wanted.rate or asyncio.run(capacity(port, wanted.capacity)) / (20 if wanted.quick else 2)
        print("\n".join(figures.told()))
        print(f"others at {rate:.0f} requests/s; {CALLERS} callers of each horror, {wanted.rounds} rounds of each kind")
        print(
            f"{'horror':12} {'p50 ms':>8} {'p99 ms':>8} {'quiet p99':>10} {'ratio':>6} {'/health ms':>11} {'quiet':>6}"
        )
        for horror in wanted.only:
            bad, quiet = [], []
            for _ in range(wanted.rounds):
                quiet.append(asyncio.run(measure(port, rate, wanted.seconds)))
                with spare_loop() if horror == SPARE else contextlib.nullcontext():
                    bad.append(asyncio.run(measure(port, rate, wanted.seconds, horror if horror in HORRORS else "")))
                time.sleep(wanted.pause)
            p50, p99 = (statistics.median(each) for each in ([r.p50_ms for r in bad], [r.p99_ms for r in bad]))
            before = statistics.median(each.p99_ms for each in quiet)
            worst, calm = max(each.health_ms for each in bad), max(each.health_ms for each in quiet)
            figures.add(f"{horror}, others' p99", p99, before, "ms", judged=False)
            figures.add(f"{horror}, worst of /health", worst, calm, "ms", judged=False)
            print(
                f"{horror:12} {p50:8.1f} {p99:8.1f} {before:10.1f} {p99 / before:6.2f} {worst:11.1f} {calm:6.1f}",
                flush=True,
            )
    figures.write(wanted)


if __name__ == "__main__":
    main()
