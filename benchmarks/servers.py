"""The servers that are compared: ours on a prepared database, the SDK's, and the speed limit."""

import http.client
import itertools
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import sample
from load import Work
from processes import (
    available_bytes,
    cpu_seconds,
    free_port,
    own_bytes,
    peak_bytes,
    resident_bytes,
    settle,
    start,
    stop,
    tree,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORDED, UNRECORDED = "config.asgi:application", "benchmarks.unrecorded:application"
ASKED_ROUTES = 300  # spread over the fleet: a cost that grows with the table would show
SLOW_ROUTES = 20  # of a server that takes long for each
SLOW_SECONDS = 0.2  # for one request: then one at a time is load enough
READY_SECONDS = 120
PEER_BYTES = 6 * 1024**3  # what the SDK's server may take, or half of what the machine has left
POLL_SECONDS = 0.01
# Settings that would make the servers unlike, and those that reach them by accident.
NOT_PASSED_ON = re.compile(
    "(SWML|SIGNALWIRE|DJANGO|SWITCHBOARD)_|(DATABASE_URL|DATABASE_POOL|DATA_DIR|EMBEDDED_POSTGRES_OPTIONS|PUBLIC_URL"
    "|SECRET_KEY.*|ALLOWED_HOSTS|TRUSTED_PROXIES|DEBUG|PYTHON.*)$"
)


class NotMeasuredError(Exception):
    """A server that could not be started within its limits; the message says which."""


def environment(**further: str) -> dict[str, str]:
    """The environment of all servers."""
    kept = {name: value for name, value in os.environ.items() if not NOT_PASSED_ON.match(name)}
    return {
        **kept,
        "SWML_BASIC_AUTH_USER": sample.USER,
        "SWML_BASIC_AUTH_PASSWORD": sample.PASSWORD,
        "SIGNALWIRE_LOG_MODE": "off",
        **further,
    }


@dataclass
class Fleet:
    """A data folder whose database has so many agents."""

    agents: int
    folder: Path

    def environment(self) -> dict[str, str]:
        """For `serve` and for the scripts that use its database."""
        return environment(DATA_DIR=str(self.folder))

    def script(self, name: str, *arguments: object) -> str:
        """Run one of the scripts beside this one on the database; what it prints."""
        command = [sys.executable, str(HERE / name), *map(str, arguments)]
        log = self.folder.parent / f"{name}-{self.agents}.log"
        with log.open("w") as errors:
            done = subprocess.run(
                command, env=self.environment(), stdout=subprocess.PIPE, stderr=errors, text=True, check=False
            )
        if done.returncode:
            raise RuntimeError(f"{name} failed: {log.read_text()[-2000:]}")
        return done.stdout

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
    works: dict[str, Work] = field(default_factory=dict)

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
        self.ask(sample.route(0), sample.CALL)  # the SDK's first answer takes longer
        began = time.perf_counter()
        self.ask(sample.route(0), sample.CALL)
        self.slow = time.perf_counter() - began > SLOW_SECONDS
        functions = {}
        for number in sample.spread(self.agents, SLOW_ROUTES if self.slow else ASKED_ROUTES):
            route = sample.route(number)
            functions[route] = function_path(json.loads(self.ask(route, sample.CALL)), route)
            if sample.FUNCTION_ANSWER not in self.ask(functions[route], sample.FUNCTION_CALL):
                raise RuntimeError(f"{self.name} did not call the function of {route}")
        self.works = {
            "SWML": Work(shuffled(list(functions)), sample.CALL, sample.HEADERS),
            "SWAIG": Work(shuffled(list(functions.values())), sample.FUNCTION_CALL, sample.HEADERS),
        }
        return self

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
    command = [sys.executable, "manage.py", "serve", "--no-example", "--port", str(port), "--workers", str(workers)]
    process = start([*command, "--application", application], fleet.environment(), log)
    server = started(Server(name, fleet.agents, port, process), "/ready", log)
    server.postgres = int(fleet.postmaster()[0])
    return server


def start_peer(agents: int, folder: Path, seconds: float) -> Server:
    """The SDK's AgentServer; raises NotMeasuredError if that is impractical."""
    port, log = free_port(), folder / f"peer-{agents}.log"
    process = start([sys.executable, str(HERE / "peer.py"), str(agents), str(port)], environment(), log)
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
    sizes = [len(like.ask(work.paths[0], work.body)) for work in like.works.values()]
    command = [sys.executable, str(HERE / "bare.py"), str(port), *map(str, sizes)]
    server = started(Server("bare ASGI", 1, port, start(command, environment(), log)), "/", log)
    for name, work in like.works.items():
        server.works[name] = work._replace(paths=["/sales/swaig" if name == "SWAIG" else "/sales"])
    return server
