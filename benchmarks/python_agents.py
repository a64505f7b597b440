#!/usr/bin/env python3
"""What a Python agent costs here, beside the SDK's own server with the same class, and beside its stored twin.

    .venv/bin/python benchmarks/python_agents.py [--seconds 3] [--rounds 5] [--json FILE]

CPU per request of all processes of a server: supervisor, worker, the one that hosts are forked from, the agent's host;
recording is on, and Postgres has a column of its own. The servers take turns and only ratios are worth quoting: the
machine's speed drifts. It needs Linux (it reads /proc) and no database; what it starts is ended and removed again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import sample
from fleet import CONNECTIONS, say, tidied, wait_until_gone
from load import load
from report import SDK, WORKS, middle, table
from servers import HERE, ROOT, Fleet, Server, start_peer, start_switchboard

PYTHON, STORED = "Python agent here", "stored agent here"
MOST = 0.6  # of the SDK's CPU


class HostedFleet(Fleet):
    """A data folder whose only agent is a class of peer.py."""

    def environment(self) -> dict[str, str]:
        """The folder of this script is where its agent's class is."""
        return {**super().environment(), "AGENT_PATH": str(HERE)}

    def register(self) -> None:
        """Register it, as anybody would."""
        command = [sys.executable, "manage.py", "register", sample.name(0), "--route", sample.route(0)]
        command += ["--python", "peer:Priced", "--arguments", '{"number": 0}']
        subprocess.run(command, cwd=ROOT, env=self.environment(), check=True, stdout=subprocess.DEVNULL)


def start_hosted(folder: Path) -> tuple[HostedFleet, Server]:
    """Ours with the Python agent."""
    fleet = HostedFleet(1, folder / "hosted")
    fleet.folder.mkdir()
    server = start_switchboard(fleet, PYTHON)
    fleet.register()
    return fleet, server


def start_stored(folder: Path) -> tuple[Fleet, Server]:
    """Ours with the stored one."""
    fleet = Fleet(1, folder / "stored")
    fleet.folder.mkdir()
    fleet.script("many_agents.py", 1)
    return fleet, start_switchboard(fleet, STORED)


def measure(server: Server, work: str, seconds: float) -> dict[str, float]:
    """One turn of one server."""
    server.settle()
    cpu, postgres = server.cpu(), server.postgres_cpu()
    figures = load(server.port, server.works[work], CONNECTIONS, seconds)
    server.settle()
    return {
        "rps": figures.rps,
        "p50_ms": figures.p50_ms,
        "p99_ms": figures.p99_ms,
        "cpu_us": (server.cpu() - cpu) / figures.requests * 1e6,
        "postgres_us": (server.postgres_cpu() - postgres) / figures.requests * 1e6,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    turns: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tidied() as (folder, stack):
        servers = []
        for start in (start_hosted, start_stored):
            fleet, server = start(folder)
            stack.callback(wait_until_gone, fleet)
            stack.callback(server.stop)
            servers.append(server)
        peer = start_peer(1, folder, 60)
        stack.callback(peer.stop)
        servers.insert(1, peer)
        for server in servers:
            server.learn()
        for turn in range(options.rounds):
            for work in WORKS:
                say(f"round {turn + 1} of {work}")
                for server in servers:
                    turns.setdefault((work, server.name), []).append(measure(server, work, options.seconds))
        time.sleep(0.1)
    print("\n".join(lines(turns)))
    if options.json:
        options.json.write_text(json.dumps([[*key, rows] for key, rows in turns.items()], indent=1))


def lines(turns: dict[tuple[str, str], list[dict[str, float]]]) -> list[str]:
    """The table and what it says."""
    heads = ["", "server", "req/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms", "of the SDK's CPU"]
    rows, told = [], []
    for (work, name), found in turns.items():
        theirs = turns[work, SDK]
        ratio = middle(mine["cpu_us"] / its["cpu_us"] for mine, its in zip(found, theirs, strict=True))
        with_postgres = middle(
            (mine["cpu_us"] + mine["postgres_us"]) / its["cpu_us"] for mine, its in zip(found, theirs, strict=True)
        )
        figures: dict[str, Any] = {key: middle(row[key] for row in found) for key in found[0]}
        cells = [f"{figures['rps']:.0f}", f"{figures['cpu_us']:.0f}", f"{figures['postgres_us']:.0f}"]
        rows.append([work, name, *cells, f"{figures['p50_ms']:.2f}", f"{figures['p99_ms']:.2f}", f"{ratio:.2f}"])
        if name == PYTHON:
            verdict = "kept" if ratio <= MOST else "MISSED"
            told.append(
                f"{work}: {ratio:.2f} of the SDK's CPU ({with_postgres:.2f} with Postgres); at most {MOST}: {verdict}"
            )
    return [*table(heads, rows), "", *told]


if __name__ == "__main__":
    main()
