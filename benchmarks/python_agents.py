#!/usr/bin/env python3
"""What an agent of each kind costs here: a Python one, a remote one and their stored twin, beside the SDK's own server.

    .venv/bin/python benchmarks/python_agents.py [--seconds 3] [--rounds 5] [--quick] [--json FILE]

One class of the SDK's everywhere: in an agent host here, in the SDK's server, and behind us as a remote agent on that
server, whose own CPU then comes besides. CPU per request is of all our processes: supervisor, worker, the one that
hosts are forked from, the agent's host; recording is on, and Postgres has a column of its own. All take turns and only
ratios are worth quoting: the machine's speed drifts. It needs Linux (it reads /proc) and no database; what it starts is
ended and removed again.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import options
import sample
from comparison import BARE, SDK, USUAL, WORKS, beside
from figures import Figures
from fleet import say, tidied, wait_until_gone
from processes import HERE, new_data_folder, run
from report import Goal, Row, find, grouped, middle, ratio, shown, table
from servers import Fleet, Server, start_bare, start_peer, start_switchboard

PYTHON, REMOTE, STORED = "Python agent here", "remote agent here", "stored agent here"
ROUTES = {PYTHON: "/python", REMOTE: "/remote", STORED: "/stored"}
MOST = 0.5  # of the SDK's CPU, for a Python agent
REGISTER = """
from registry.actions import agents
from registry.actions.transaction import Actor
by = Actor("benchmark", "command", may_run_code=True)
for name, source, upstream in AGENTS:
    change = agents.register(name, "/" + name, source, by=by, wait=True, **upstream)
    assert change.everywhere.done, change.everywhere
"""


class HostedFleet(Fleet):
    """A data folder with an agent of each kind."""

    def environment(self) -> dict[str, str]:
        """The folder of this script is where its Python agent's class is; the remote one is on this machine."""
        return {**super().environment(), "AGENT_PATH": str(HERE), "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}

    def register(self, peer: Server) -> None:
        """Register them, as anybody would."""
        agents = [
            ("python", {"python": {"class": "peer:Priced", "arguments": {"number": 0}}}, {}),
            (
                "remote",
                {"remote": {"url": f"http://127.0.0.1:{peer.port}{sample.route(0)}"}},
                {"upstream": (sample.USER, sample.PASSWORD)},
            ),
            ("stored", sample.definition(0), {}),
        ]
        code = REGISTER.replace("AGENTS", repr(agents))
        run(["manage.py", "shell", "--no-imports", "-c", code], self.environment())


def start_all(wanted: argparse.Namespace, folder: Path, stack: Any) -> list[Server]:
    """The SDK's server, ours as often as it has agents, and the bare application."""
    peer = start_peer(1, folder, wanted.peer_seconds)
    stack.callback(peer.stop)
    fleet = HostedFleet(len(ROUTES), new_data_folder(folder / "hosted"))
    stack.callback(wait_until_gone, fleet)
    ours = start_switchboard(fleet, "Switchboard")
    stack.callback(ours.stop)
    fleet.register(peer)
    kinds = [Server(name, 1, ours.port, ours.process, ours.postgres, routes=[route]) for name, route in ROUTES.items()]
    for server in (peer, *kinds):
        server.learn()
    bare = start_bare(kinds[0], folder)
    stack.callback(bare.stop)
    return [kinds[0], peer, *kinds[1:], bare]


def measured(wanted: argparse.Namespace) -> list[Row]:
    """A row for each server and work."""
    rows: list[Row] = []
    with tidied() as (folder, stack):
        servers = start_all(wanted, folder, stack)
        for turn in range(wanted.rounds):
            for work in WORKS:
                say(f"round {turn + 1} of {work}")
                for server in servers:
                    row = find(rows, work=work, server=server.name)
                    if row is None:
                        rows.append(row := {"work": work, "server": server.name})
                    asked = server.work(work)
                    for key, value in server.turn(asked, USUAL, wanted.seconds, still=not wanted.quick).items():
                        row.setdefault(key, []).append(value)
        time.sleep(0.1)
    return rows


def report(rows: list[Row]) -> list[str]:
    """The table and what it says."""
    heads = ["work", "server", "req/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms", "of the SDK's CPU", "CPU ÷ bare"]
    lines, goals = [], []
    for row in rows:
        of_sdk = ratio(row, find(rows, work=row["work"], server=SDK))
        cells = [grouped(middle(row[key])) for key in ("rps", "cpu_us", "postgres_us")]
        cells += [f"{middle(row[key]):.2f}" for key in ("p50_ms", "p99_ms")]
        cells += [shown(of_sdk, lambda value: f"{value:.2f}")]
        cells += [shown(ratio(row, find(rows, work=row["work"], server=BARE)), lambda value: f"{value:.2f}")]
        lines.append([row["work"], row["server"], *cells])
        if row["server"] == PYTHON:
            goal = Goal(f"{row['work']} of a Python agent, to the SDK's CPU", MOST, "", of_sdk)
            goals.append([goal.what, goal.limit, shown(of_sdk, lambda value: f"{value:.2f}"), goal.verdict])
    return [*table(heads, lines), "", *table(["goal", "wanted", "measured", ""], goals)]


def note(figures: Figures, rows: list[Row]) -> None:
    """For guard.py."""
    for row in rows:
        bare = find(rows, work=row["work"], server=BARE)
        if row["server"] not in (SDK, BARE):
            figures.add(f"{row['server']}, {row['work']}: CPU", *beside(row, bare, "cpu_us"), "µs")


def main() -> None:
    """Measure, and print a table."""
    parser = options.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.set_defaults(peer_seconds=60)
    wanted = options.read(parser, seconds=0.1, rounds=1)
    figures = Figures(__file__)
    rows = measured(wanted)
    print("\n".join([*figures.told(), "", *report(rows)]))
    note(figures, rows)
    figures.write(wanted, rows)


if __name__ == "__main__":
    main()
