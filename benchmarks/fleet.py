#!/usr/bin/env python3
"""What a fleet costs: ours, the SDK's AgentServer and a bare ASGI application in one run, a table for each axis.

    .venv/bin/python benchmarks/fleet.py [--agents 3 300 10000] [--only start agents …] [--quick] [--json FILE]

* `start`: from `serve` to /ready on a prepared database, how long the table took to load, memory per agent.
* `register`: from `actions.register()` until both of two workers have answered for the new route.
* Requests for documents (SWML) and function calls (SWAIG); all servers run at once and take turns:
  `agents` (sizes of the fleet), `bodies` (small and captured), `connections` (1, 16, 256), `log` (on and off), and
  `latency` at half of what each server gives our client, or at `--rate`.

It needs Linux (it reads /proc) and no database: each fleet gets an embedded Postgres in a temporary folder. All it
starts is ended and removed again. Other work on the machine shows in the figures: only ratios are worth quoting, those
to the bare application most of all.
"""

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import options
from comparison import AXES, BARE, OURS, SDK, UNRECORDED, Case, Rows, axis_table, goals, note, order
from figures import Figures
from load import generator
from processes import new_data_folder
from report import Row, note_starts, register_table, shown, start_goals, start_table, table
from servers import RECORDED, Fleet, NotMeasuredError, Server, start_bare, start_peer, start_switchboard
from servers import UNRECORDED as UNRECORDED_APPLICATION

SECTIONS = ("start", "register", *AXES)
APPLICATIONS = {OURS: RECORDED, UNRECORDED: UNRECORDED_APPLICATION}
WORKERS = 2  # when registering
PEER_SECONDS = 120  # for the SDK's server to start
GONE_SECONDS = 60  # for a Postgres to stop


class Benchmark:
    """One run."""

    def __init__(self, wanted: argparse.Namespace, folder: Path, stack: contextlib.ExitStack):
        self.wanted = wanted
        self.folder = folder
        self.stack = stack
        self.fleets: dict[int, Fleet] = {}
        self.servers: dict[tuple[str, int], Server | None] = {}  # those that answer requests; None = not to be had
        self.started: list[Row] = []
        self.registered: list[Row] = []
        self.rows: Rows = {}
        self.notes: list[str] = []

    def run(self) -> None:
        """All that was asked for."""
        self.fill()
        if "start" in self.wanted.only:
            self.starts()
        if "register" in self.wanted.only:
            self.registering()
        self.requests()

    def fill(self) -> None:
        """A database for each size."""
        for agents in self.wanted.agents:
            say(f"a database with {agents:,} agents")
            fleet = Fleet(agents, new_data_folder(self.folder / f"fleet-{agents}"))
            self.stack.callback(wait_until_gone, fleet)
            fleet.script("many_agents.py", agents)
            self.fleets[agents] = fleet

    def starts(self) -> None:
        """Cold starts, of everything."""
        for fleet in self.fleets.values():
            row: Row = {"agents": fleet.agents, "server": OURS}
            row |= {"start_s": [], "table_s": [], "bytes": [], "peak_bytes": []}
            self.started.append(row)
            for turn in range(self.wanted.rounds):
                say(f"start {turn + 1} with {fleet.agents:,} agents")
                with running(start_switchboard(fleet, OURS)) as server:
                    row["start_s"].append(server.start_seconds)
                    row["table_s"].append(fleet.table_seconds())
                    server.settle()
                    used, peak = server.memory()
                    row["bytes"].append(used)
                    row["peak_bytes"].append(peak)
        for agents in self.wanted.peers:
            if server := self.server(SDK, agents):
                used, peak = server.memory()
                row = {"agents": agents, "server": SDK, "start_s": [server.start_seconds], "table_s": []}
                self.started.append({**row, "bytes": [used], "peak_bytes": [peak]})

    def registering(self) -> None:
        """Registering beside two workers."""
        for fleet in self.fleets.values():
            say(f"registering beside {fleet.agents:,} agents")
            with running(start_switchboard(fleet, OURS, workers=WORKERS)) as server:
                counts = (server.port, WORKERS, self.wanted.registrations, self.wanted.waited)
                found = json.loads(fleet.script("registration.py", *counts))
            self.registered.append({"agents": fleet.agents, **found})

    def cases(self, name: str) -> list[Case]:
        """What an axis needs."""
        return AXES[name].cases(self.wanted.agents, self.wanted.peers)

    def requests(self) -> None:
        """Requests, to all servers by turns. What several axes need is measured once."""
        cases = {case for name in AXES if name in self.wanted.only for case in self.cases(name)}
        # The bare application answers as much as ours does.
        for case in sorted(cases, key=lambda case: (case.server == BARE, order(case))):
            self.server(case.server, case.agents)
        for turn in range(self.wanted.rounds):
            say(f"round {turn + 1} of {self.wanted.rounds}, {len(cases)} turns")
            for case in sorted(cases, key=order):
                if server := self.server(case.server, case.agents):
                    row = self.rows.setdefault(case, {})
                    for key, value in self.measured(server, case).items():
                        row.setdefault(key, []).append(value)

    def measured(self, server: Server, case: Case) -> dict[str, float]:
        """One server's turn."""
        work, seconds = server.work(case.work, case.body), self.wanted.seconds
        if case.half:
            return server.half(work, case.connections, seconds, self.wanted.rate)
        return server.turn(work, case.connections, seconds, still=not self.wanted.quick)

    def server(self, name: str, agents: int) -> Server | None:
        """The one of this name and size, which is started if need be and ended with the run."""
        if (name, agents) not in self.servers:
            say(f"{name} with {agents:,} agents")
            try:
                server = self.servers[name, agents] = self.start(name, agents)
            except NotMeasuredError as error:
                self.notes.append(f"{name} with {agents:,} agents: not measured: {error}.")
                self.servers[name, agents] = None
            else:
                self.stack.callback(server.stop)
                if name != BARE:
                    server.learn()
                if server.slow:
                    self.notes.append(f"{name} with {agents:,} agents: asked one at a time.")
        return self.servers[name, agents]

    def start(self, name: str, agents: int) -> Server:
        """Start it."""
        if name == SDK:
            return start_peer(agents, self.folder, self.wanted.peer_seconds)
        if name == BARE:
            like = self.server(OURS, self.wanted.agents[0])
            assert like
            return start_bare(like, self.folder)
        return start_switchboard(self.fleets[agents], name, APPLICATIONS[name])

    def report(self) -> list[str]:
        """A table for each section that was asked for."""
        lines: list[str] = []
        for name in filter(self.wanted.only.__contains__, AXES):
            axis, cases = AXES[name], self.cases(name)
            lines += ["", f"## {axis.title}", "", *axis_table(axis, cases, self.rows)]
        if self.started:
            lines += ["", "## Start (from the command to /ready, with the embedded Postgres) and memory (USS)", ""]
            lines += start_table(self.started)
        if self.registered:
            lines += ["", "## Registering beside two workers (milliseconds from the call of register())", ""]
            lines += register_table(self.registered)
        lines += ["", *self.notes] if self.notes else []
        return [*lines, "", "## Goals", "", *self.goals()]

    def goals(self) -> list[str]:
        """Each goal, with what was measured."""
        found = goals(self.wanted.agents, self.rows)
        found += start_goals(self.started, self.registered, self.wanted.agents[-1])
        lines = [
            [goal.what, goal.limit, shown(goal.value, lambda value: f"{value:.3g}"), goal.verdict] for goal in found
        ]
        return table(["goal", "wanted", "measured", ""], lines)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
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
    parser = options.parser(__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[3, 300, 10_000], help="sizes of the fleets")
    parser.add_argument("--peers", type=int, nargs="*", default=[3, 300], help="of them those that the SDK gets, too")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each server, work and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0, help="requests/s of `latency`, instead of half")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="NAME", help="sections")
    parser.set_defaults(registrations=100, waited=30, peer_seconds=PEER_SECONDS)
    quick = {"agents": [2], "peers": [2], "seconds": 0.04, "rounds": 1, "registrations": 3, "waited": 2}
    wanted = options.read(parser, **quick)
    wanted.agents = sorted(set(wanted.agents))
    if wanted.agents[0] < 1 or wanted.rounds < 1:
        parser.error("at least one agent and one round")
    return wanted


def main() -> None:
    """Measure and print."""
    wanted = read_options()
    figures, began = Figures(__file__), time.monotonic()
    with tidied() as (folder, stack):
        benchmark = Benchmark(wanted, folder, stack)
        benchmark.run()
    took = f"took: {(time.monotonic() - began) / 60:.1f} minutes, {wanted.rounds} rounds; load by {generator()}"
    print("\n".join([*figures.told(), took, *benchmark.report(), ""]))
    note(figures, benchmark.rows)
    note_starts(figures, benchmark.started, benchmark.registered)
    rows: list[Any] = [{**case._asdict(), **row} for case, row in benchmark.rows.items()]
    figures.write(wanted, [*rows, *benchmark.started, *benchmark.registered])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
