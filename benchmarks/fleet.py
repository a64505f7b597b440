#!/usr/bin/env python3
"""What a fleet costs: ours, the SDK's AgentServer and a bare ASGI application in one run, at several sizes.

    .venv/bin/python benchmarks/fleet.py [--agents 3 300 10000] [--quick] [--only start register cost] [--json FILE]

* `start`: from `serve` to /ready on a prepared database, how long the table took to load, memory per agent.
* `register`: from `actions.register()` until both of two workers have answered for the new route.
* `cost`: CPU, requests per second and latency of documents (SWML) and function calls (SWAIG), recording on and off.
  All servers run at once and take turns; requests go to routes all over the fleet.

It needs Linux (it reads /proc) and no database: each fleet gets an embedded Postgres in a temporary folder. All it
starts is ended and removed again. Other work on the machine shows in the figures: only ratios are worth quoting. A full
run takes seven minutes, --quick under three; most of it is load and pauses.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from load import load
from report import BARE, OURS, SDK, UNRECORDED, WORKS, Results, Row, find, machine, report
from servers import RECORDED, Fleet, NotMeasuredError, Server, start_bare, start_peer, start_switchboard
from servers import UNRECORDED as UNRECORDED_APPLICATION

SECTIONS = ("start", "register", "cost")
CONNECTIONS = 16
WORKERS = 2  # when registering
REGISTRATIONS, WAITED = 100, 30
PEER_SECONDS = 120  # for the SDK's server to start
QUICK = {"seconds": 1.0, "rounds": 1, "registrations": 30, "waited": 5, "peer_seconds": 25}
GONE_SECONDS = 60  # for a Postgres to stop


class Benchmark:
    """One run."""

    def __init__(self, options: argparse.Namespace, folder: Path, stack: contextlib.ExitStack):
        self.options = options
        self.folder = folder
        self.stack = stack
        self.fleets: list[Fleet] = []
        self.peers: dict[int, Server] = {}
        self.results: Results = {"machine": {}, "start": [], "cost": [], "register": [], "notes": []}

    def run(self) -> Results:
        """All that was asked for."""
        load_before = os.getloadavg()[0]
        self.fill()
        self.results["machine"] = machine(self.fleets[0].folder, load_before)
        if "start" in self.options.only:
            self.starts()
        if "register" in self.options.only:
            self.registering()
        if {"start", "cost"} & set(self.options.only):
            self.start_peers()
        if "cost" in self.options.only:
            self.costs()
        return self.results

    def keep(self, server: Server) -> Server:
        """The server, which is ended with the run."""
        self.stack.callback(server.stop)
        return server

    def fill(self) -> None:
        """A database for each size."""
        for agents in self.options.agents:
            say(f"a database with {agents:,} agents")
            fleet = Fleet(agents, self.folder / f"fleet-{agents}")
            self.stack.callback(wait_until_gone, fleet)
            fleet.folder.mkdir()
            fleet.script("many_agents.py", agents)
            self.fleets.append(fleet)

    def starts(self) -> None:
        """Cold starts, of everything."""
        for fleet in self.fleets:
            row: Row = {"agents": fleet.agents, "server": "Switchboard"}
            row |= {"start_s": [], "table_s": [], "bytes": [], "peak_bytes": []}
            self.results["start"].append(row)
            for turn in range(self.options.rounds):
                say(f"start {turn + 1} with {fleet.agents:,} agents")
                with self.running(start_switchboard(fleet, "Switchboard")) as server:
                    row["start_s"].append(server.start_seconds)
                    row["table_s"].append(fleet.table_seconds())
                    server.settle()
                    used, peak = server.memory()
                    row["bytes"].append(used)
                    row["peak_bytes"].append(peak)

    def start_peers(self) -> None:
        """The SDK's servers, as far as they can be started."""
        for agents in self.options.agents:
            say(f"the SDK with {agents:,} agents")
            try:
                server = self.keep(start_peer(agents, self.folder, self.options.peer_seconds))
            except NotMeasuredError as error:
                self.results["notes"].append(f"SDK with {agents:,} agents: not measured: {error}.")
                continue
            self.peers[agents] = server
            used, peak = server.memory()
            row = {"agents": agents, "server": SDK, "start_s": [server.start_seconds], "table_s": []}
            self.results["start"].append({**row, "bytes": [used], "peak_bytes": [peak]})

    def costs(self) -> None:
        """Requests, to all servers by turns."""
        groups: list[list[Server]] = []
        bare = None
        with contextlib.ExitStack() as running:
            for fleet in self.fleets:
                say(f"servers with {fleet.agents:,} agents")
                ours = [
                    running.enter_context(self.running(start_switchboard(fleet, name, application)))
                    for name, application in ((OURS, RECORDED), (UNRECORDED, UNRECORDED_APPLICATION))
                ]
                peer = [self.peers[fleet.agents]] if fleet.agents in self.peers else []
                for server in [*ours, *peer]:
                    self.learn(server)
                bare = bare or self.keep(start_bare(ours[0], self.folder))
                groups.append([*ours, *peer, bare])
            for turn in range(self.options.rounds):
                for work in WORKS:
                    say(f"round {turn + 1} of {work}")
                    # The sizes of one kind are neighbours: their ratio is what says whether cost grows.
                    for name in (OURS, UNRECORDED, SDK, BARE):
                        for fleet, servers in zip(self.fleets, groups, strict=True):
                            for server in servers:
                                if server.name == name:
                                    self.measure(server, fleet.agents, work)

    def learn(self, server: Server) -> None:
        """Find out what to ask a server."""
        server.learn()
        if server.slow:
            self.results["notes"].append(f"{server.name} with {server.agents:,} agents: asked one at a time.")

    def measure(self, server: Server, agents: int, work: str) -> None:
        """One server's turn."""
        same = {"agents": agents, "work": work, "server": server.name}
        row = find(self.results["cost"], **same)
        if row is None:
            keys = ("requests", "rps", "cpu_us", "postgres_us", "p50_ms", "p99_ms")
            row = {**same, **{key: [] for key in keys}}
            self.results["cost"].append(row)
        server.settle()
        cpu, postgres = server.cpu(), server.postgres_cpu()
        connections = 1 if server.slow else CONNECTIONS
        figures = load(server.port, server.works[work], connections, self.options.seconds)
        server.settle()  # what the requests left to do counts too: the events that wait in the spool
        for key, value in figures._asdict().items():
            row[key].append(value)
        row["cpu_us"].append((server.cpu() - cpu) / figures.requests * 1e6)
        row["postgres_us"].append((server.postgres_cpu() - postgres) / figures.requests * 1e6)

    def registering(self) -> None:
        """Registering beside two workers."""
        for fleet in self.fleets:
            say(f"registering beside {fleet.agents:,} agents")
            with self.running(start_switchboard(fleet, "Switchboard", workers=WORKERS)) as server:
                counts = (server.port, WORKERS, self.options.registrations, self.options.waited)
                found = json.loads(fleet.script("registration.py", *counts))
            self.results["register"].append({"agents": fleet.agents, **found})

    @contextlib.contextmanager
    def running(self, server: Server) -> Iterator[Server]:
        """The server, which is ended at the end of the block."""
        try:
            yield server
        finally:
            server.stop()


def say(text: str) -> None:
    """Tell on standard error how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def wait_until_gone(fleet: Fleet) -> None:
    """Wait until nobody uses the folder: its Postgres ends by itself when its last user has gone."""
    end = time.monotonic() + GONE_SECONDS
    while fleet.postmaster() and time.monotonic() < end:
        time.sleep(0.05)


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP end the run as Ctrl-C does."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def tidied() -> Iterator[tuple[Path, contextlib.ExitStack]]:
    """A temporary folder, and a stack for what must be ended before it goes. Nothing interrupts that."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    folder = Path(tempfile.mkdtemp(prefix="switchboard-bench-"))
    stack = contextlib.ExitStack()
    try:
        yield folder, stack
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stack.close()
        end = time.monotonic() + GONE_SECONDS
        while folder.exists() and time.monotonic() < end:  # an interrupted initdb may be writing yet
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, nargs="+", default=[3, 300, 10_000], help="sizes of the fleets")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each server, work and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round, to see whether all works")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="NAME", help="of start, register, cost"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure into a file, too")
    parser.set_defaults(registrations=REGISTRATIONS, waited=WAITED, peer_seconds=PEER_SECONDS)
    options = parser.parse_args()
    for name, value in QUICK.items() if options.quick else ():
        setattr(options, name, value)
    options.agents = sorted(set(options.agents))
    if min(options.agents) < 1 or options.rounds < 1:
        parser.error("at least one agent and one round")
    return options


def main() -> None:
    """Measure and print."""
    options = read_options()
    began = time.monotonic()
    with tidied() as (folder, stack):
        results = Benchmark(options, folder, stack).run()
    results["machine"]["took"] = f"{(time.monotonic() - began) / 60:.1f} minutes, {options.rounds} rounds"
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print(report(results))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
