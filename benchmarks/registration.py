"""Measures how soon a new agent is served by all workers: started by fleet.py beside `serve`, in a process of its own.

    python benchmarks/registration.py PORT WORKERS COUNT WAITED

It registers COUNT agents by the action, one after the other, and asks each worker over a connection of its own until
all have answered for the new route; then WAITED more with `wait=True`, which returns when all heartbeats tell of it.
Prints JSON: lists of milliseconds. Each agent is unregistered again, so that the table keeps its size.
"""

import http.client
import json
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import sample  # noqa: E402 - after django.setup()
from django.db import connection  # noqa: E402

from config.embedded.cluster import close_all  # noqa: E402
from registry.actions import agents, routes  # noqa: E402
from registry.actions.transaction import Actor  # noqa: E402
from registry.heartbeats import live_workers  # noqa: E402

ACTOR = Actor("benchmark", "command")
WARM_UP = 2  # registrations that do not count: the first one connects to the database
PAUSE_SECONDS = (0.05, 0.2)  # between registrations, so that each finds the workers idle
POLL_SECONDS = 0.001
START_SECONDS = 60  # for all workers to be there
SERVED_SECONDS = 10  # the listener polls every 3 s, should a notification get lost
MAX_CONNECTIONS = 500  # until each worker has accepted one
FIRST_NUMBER = 1_000_000  # of agents that no fleet has


class Connection:
    """A connection that stays open, and so with its worker."""

    def __init__(self, port: int):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.port = port
        self.status("/health")  # now it is accepted

    def status(self, path: str) -> int:
        """The status of one answer."""
        self.http.request("GET", path, headers=sample.HEADERS)
        response = self.http.getresponse()
        response.read()
        return response.status

    def inode(self) -> str:
        """The server's end of the connection, as /proc/PID/fd calls it (proc_pid_net(5): local and remote address)."""
        ours = self.http.sock.getsockname()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{self.port:04X}") and fields[2].endswith(f":{ours:04X}"):
                return f"socket:[{fields[9]}]"
        raise RuntimeError("the server's end of a connection is not in /proc/net/tcp")


def holds(pid: int, inode: str) -> bool:
    """Whether a process has this socket."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(descriptor.readlink()) == inode:
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def worker_pids(count: int) -> list[int]:
    """The workers' process ids, once there are so many: `serve` is ready with its first."""
    end = time.monotonic() + START_SECONDS
    while len(pids := [worker.pid for worker in live_workers()]) < count:
        if time.monotonic() > end:
            raise RuntimeError(f"{len(pids)} of {count} workers live after {START_SECONDS} s")
        time.sleep(0.1)
    return pids


def connect_to_each(port: int, pids: list[int]) -> list[Connection]:
    """A connection to each worker: they share the listening socket, so by chance, and the kernel says to whom."""
    reached: dict[int, Connection] = {}
    others = []
    for _ in range(MAX_CONNECTIONS):
        opened = Connection(port)
        inode = opened.inode()
        owner = next(pid for pid in pids if holds(pid, inode))
        if owner in reached:
            others.append(opened)
        reached.setdefault(owner, opened)
        if len(reached) == len(pids):
            for other in others:
                other.http.close()
            return list(reached.values())
    raise RuntimeError(f"{MAX_CONNECTIONS} connections have reached {len(reached)} of {len(pids)} workers")


def register(number: int, wait: bool = False) -> None:
    """Register an agent of a fresh name."""
    change = agents.register(sample.name(number), sample.route(number), sample.definition(number), by=ACTOR, wait=wait)
    if wait and not (change.everywhere and change.everywhere.done):
        raise RuntimeError(f"not everywhere: {change.everywhere}")


def until_served(number: int, connections: list[Connection]) -> tuple[float, float]:
    """Seconds that `register` took, and until every worker has answered for the new route; both from its call."""
    began = time.perf_counter()
    register(number)
    registered = time.perf_counter()
    waiting = list(connections)
    while True:
        waiting = [connection for connection in waiting if connection.status(sample.route(number)) != 200]
        now = time.perf_counter()
        if not waiting:
            return registered - began, now - began
        if now - began > SERVED_SECONDS:
            raise RuntimeError(f"{sample.route(number)} is not served after {SERVED_SECONDS} s")
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Register, measure, print."""
    port, workers, count, waited = map(int, sys.argv[1:])
    try:
        connections = connect_to_each(port, worker_pids(workers))
        results: dict[str, list[float]] = {"register": [], "served": [], "everywhere": []}
        for turn in range(WARM_UP + count + waited):
            time.sleep(random.uniform(*PAUSE_SECONDS))
            number = FIRST_NUMBER + turn
            if turn < WARM_UP + count:
                took, served = until_served(number, connections)
                if turn >= WARM_UP:
                    results["register"].append(took * 1000)
                    results["served"].append(served * 1000)
            else:
                began = time.perf_counter()
                register(number, wait=True)
                results["everywhere"].append((time.perf_counter() - began) * 1000)
            routes.unregister(sample.route(number), by=ACTOR)
        print(json.dumps(results))
    finally:
        connection.close()
        close_all()


if __name__ == "__main__":
    main()
