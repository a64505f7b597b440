"""The servers that are compared: ours on a prepared database, the SDK's, and the speed limit."""

import http.client
import itertools
import json
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import sample
from load import Work, load, ours
from processes import (
    HERE,
    TICKS,
    available_bytes,
    cpu_seconds,
    environment,
    free_port,
    own_bytes,
    peak_bytes,
    resident_bytes,
    run,
    settle,
    start,
    stop,
    tree,
)

RECORDED, UNRECORDED = "config.asgi:application", "benchmarks.unrecorded:application"
ASKED_ROUTES = 300  # spread over the fleet: a cost that grows with the table would show
SLOW_ROUTES = 20  # of a server that takes long for each
SLOW_SECONDS = 0.2  # for one request: then one at a time is load enough
READY_SECONDS = 120
PEER_BYTES = 6 * 1024**3  # what the SDK's server may take, or half of what the machine has left
POLL_SECONDS = 0.01


class NotMeasuredError(Exception):
    """A server that could not be started within its limits; the message says which."""


@dataclass
class Fleet:
    """A data folder whose database has so many agents."""

    agents: int
    folder: Path

    def environment(self) -> dict[str, str]:
        """For `serve` and for the scripts that use its database."""
        return environment(DATA_DIR=self.folder)

    def script(self, name: str, *arguments: object) -> str:
        """Run one of the scripts beside this one on the database; what it prints."""
        return run([HERE / name, *arguments], self.environment())

    def postmaster(self) -> list[str]:
        """The lines of postmaster.pid (PostgreSQL, miscadmin.h), none if no server runs."""
        try:
            return (self.folder / "postgres" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def table_seconds(self) -> float:
        """From a worker's start to its first heartbeat, which follows the routing table at once."""
        lines = self.postmaster()
        where = {"host": lines[4].strip(), "port": lines[3].strip(), "user": "postgres", "dbname": "switchboard"}
        with psycopg.connect(**where, autocommit=True) as connection:
            while True:
                row = connection.execute(
                    "SELECT extract(epoch FROM min(seen - started))::float FROM registry_worker"
                ).fetchone()
                if row and row[0] is not None:
                    return float(row[0])
                time.sleep(POLL_SECONDS)


@dataclass
class Server:
    """A running server and what it is asked."""

    name: str
    agents: int
    port: int
    process: "subprocess.Popen[bytes]"
    postgres: int = 0  # the postmaster's process id
    start_seconds: float = 0
    slow: bool = False
    routes: list[str] = field(default_factory=list)  # of its agents; none: as the fleet's are called
    paths: dict[str, list[str]] = field(default_factory=dict)  # what to ask, by kind of work

    @property
    def serving(self) -> int:
        """The process that answers: of `serve` the (only) worker."""
        return next((pid for pid in tree(self.process.pid) if b"worker.py" in command_line(pid)), self.process.pid)

    def cpu(self) -> float:
        """CPU seconds of the server's processes so far."""
        return cpu_seconds([self.process.pid])

    def postgres_cpu(self) -> float:
        """CPU seconds of its database so far."""
        return cpu_seconds([self.postgres]) if self.postgres else 0

    def settle(self) -> None:
        """Wait until it and its database have done all they had to."""
        settle([self.process.pid, *([self.postgres] if self.postgres else [])])

    def memory(self) -> tuple[int, int]:
        """Bytes that the answering process has for itself, and the most that were resident."""
        return own_bytes(self.serving), peak_bytes(self.serving)

    def ask(self, path: str, body: bytes) -> bytes:
        """The answer to one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, sample.HEADERS)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{self.name} answered {path} with {response.status}: {answer[:200]!r}")
        return answer

    def learn(self) -> "Server":
        """Find out what to ask: each route's document has its function's URL, with a token."""
        first = self.routes[0] if self.routes else sample.route(0)
        self.ask(first, sample.CALL)  # the SDK's first answer takes longer
        began = time.perf_counter()
        self.ask(first, sample.CALL)
        self.slow = time.perf_counter() - began > SLOW_SECONDS
        functions = {}
        numbers = sample.spread(self.agents, SLOW_ROUTES if self.slow else ASKED_ROUTES)
        for route in self.routes or map(sample.route, numbers):
            functions[route] = function_path(json.loads(self.ask(route, sample.CALL)), route)
            if sample.FUNCTION_ANSWER not in self.ask(functions[route], sample.FUNCTION_CALL):
                raise RuntimeError(f"{self.name} did not call the function of {route}")
        self.paths = {"SWML": shuffled(list(functions)), "SWAIG": shuffled(list(functions.values()))}
        return self

    def work(self, work: str, body: str = "small") -> Work:
        """What it is asked: documents or functions, with a body of sample.BODIES."""
        return Work(self.paths[work], sample.BODIES[body][work], sample.HEADERS)

    def turn(self, work: Work, connections: int, seconds: float, *, still: bool = True) -> dict[str, float]:
        """One turn of its: CPU µs of its processes and of its database for each request, and how fast it was.

        `still`: wait before and after until it does nothing, for what requests left to do counts too: the events that
        wait in the spool.
        """
        if still:
            self.settle()
        cpu, postgres = self.cpu(), self.postgres_cpu()
        figures = load(self.port, work, 1 if self.slow else connections, seconds)
        if still:
            self.settle()
        used = max(self.cpu() - cpu, 1 / TICKS)  # the clock counts in hundredths of a second
        theirs = self.postgres_cpu() - postgres
        return {
            "requests": figures.requests,
            "rps": figures.rps,
            "cpu_us": used / figures.requests * 1e6,
            "postgres_us": theirs / figures.requests * 1e6,
            "p50_ms": figures.p50_ms,
            "p99_ms": figures.p99_ms,
        }

    def half(self, work: Work, connections: int, seconds: float, rate: float = 0) -> dict[str, float]:
        """How soon it answers with half of what our client gets out of it, or at a given rate (requests/s)."""
        connections = 1 if self.slow else connections
        rate = rate or ours(self.port, work, connections, seconds).rps / 2
        figures = ours(self.port, work, connections, seconds, rate)
        found = {"p50_ms": figures.p50_ms, "p99_ms": figures.p99_ms, "worst_ms": figures.worst_ms}
        return {"requests": figures.requests, "rate": rate, **found}

    def stop(self) -> None:
        """End it."""
        stop(self.process)


def command_line(pid: int) -> bytes:
    """A process's command line; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def shuffled(paths: list[str]) -> list[str]:
    """The same paths with neighbours far apart: no server is to profit from the order of registration."""
    step = next((step for step in (173, 179, 181) if len(paths) % step), 1)
    return [paths[number * step % len(paths)] for number in range(len(paths))]


def function_path(document: dict[str, object], route: str) -> str:
    """Where a document says that its function is called. The SDK's AgentServer leaves out the agent's route."""
    text = json.dumps(document)
    found = next(url for url in re.findall(r'"web_hook_url": "([^"]+)"', text) if "token" in url)
    parts = urlsplit(found)
    path = parts.path if parts.path.startswith(f"{route}/") else f"{route}/swaig/"
    return f"{path}?{parts.query}"


def wait_until_ready(server: Server, path: str, log: Path, seconds: float = READY_SECONDS, most_bytes: int = 0) -> None:
    """Wait for a 200; raises NotMeasuredError when that takes too long or too much memory, RuntimeError if it ended."""
    began = time.monotonic()
    for turn in itertools.count():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        took = time.monotonic() - began
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.name} ended: {log.read_text()[-2000:]}")
        if took > seconds:
            raise NotMeasuredError(f"took longer than {seconds:.0f} s to start")
        if most_bytes and turn % 10 == 0 and resident_bytes(server.process.pid) > most_bytes:
            raise NotMeasuredError(f"needed more than {most_bytes / 1e9:.1f} GB after {took:.0f} s of starting")
        time.sleep(POLL_SECONDS)


def started(server: Server, path: str, log: Path, **limits: float) -> Server:
    """The server, once it is ready; ended if it does not become so."""
    began = time.monotonic()
    try:
        wait_until_ready(server, path, log, **limits)  # type: ignore[arg-type]
    except BaseException:
        server.stop()
        raise
    server.start_seconds = time.monotonic() - began
    return server


def start_switchboard(fleet: Fleet, name: str, application: str = RECORDED, workers: int = 1) -> Server:
    """`serve` on a fleet."""
    port, log = free_port(), fleet.folder.parent / f"serve-{fleet.agents}-{application.partition(':')[0]}.log"
    command = ["manage.py", "serve", "--no-example", "--port", port, "--workers", workers]
    process = start([*command, "--application", application], fleet.environment(), log)
    server = started(Server(name, fleet.agents, port, process), "/ready", log)
    server.postgres = int(fleet.postmaster()[0])
    return server


def start_peer(agents: int, folder: Path, seconds: float) -> Server:
    """The SDK's AgentServer; raises NotMeasuredError if that is impractical."""
    port, log = free_port(), folder / f"peer-{agents}.log"
    process = start([HERE / "peer.py", agents, port], environment(), log)
    most = min(PEER_BYTES, available_bytes() // 2)
    try:
        return started(Server("SDK", agents, port, process), "/ready", log, seconds=seconds, most_bytes=most)
    except NotMeasuredError as error:
        lines = log.read_text().split()
        raise NotMeasuredError(
            f"{error}, with {int(lines[-1]) if lines else 0:,} of {agents:,} agents registered"
        ) from None


def start_bare(like: Server, folder: Path) -> Server:
    """A bare ASGI application with answers as long as another server's."""
    port, log = free_port(), folder / "bare.log"
    sizes = [len(like.ask(like.paths[name][0], sample.BODIES["small"][name])) for name in ("SWML", "SWAIG")]
    command = [HERE / "bare.py", port, *sizes]
    server = started(Server("bare ASGI", 1, port, start(command, environment(), log)), "/", log)
    server.paths = {"SWML": ["/sales"], "SWAIG": ["/sales/swaig"]}
    return server
