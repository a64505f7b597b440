#!/usr/bin/env python3
"""What fleet as code costs: seconds for the export, plan and application of a fleet of so many agents.

    .venv/bin/python benchmarks/apply.py [AGENTS] [--quick] [--json FILE]          1,000 agents unless said

It needs no database: an embedded Postgres in a temporary folder, which is removed again. Prints one line a step.
"""

import time
from collections.abc import Callable
from typing import Any

import embedded
import options
import sample
from figures import Figures

from agents.models import Agent
from registry.actions.transaction import Actor
from registry.fleet import Document, FleetAgent, FleetRoute, apply_plan, export_fleet, make_plan

ACTOR = Actor("benchmark", "command")


def fleet(count: int, sold: str) -> str:
    """A document of so many agents; `sold` stands in their prompts."""
    agents = {}
    for number in range(count):
        definition = sample.definition(number)
        definition["prompt"]["sections"].append({"title": "Goods", "body": sold})
        route = FleetRoute(sample.route(number), all_auto_sip=True)
        agents[sample.name(number)] = FleetAgent(sample.name(number), definition, (route,))
    return Document(agents).as_yaml()


def timed(figures: Figures, what: str, work: Callable[[], Any]) -> Any:
    """Do it and print how long it took."""
    began, used = time.perf_counter(), time.process_time()
    result = work()
    print(f"{what:<44}{(took := time.perf_counter() - began):7.2f} s", flush=True)
    figures.add(what, took, None, "s", judged=False)
    figures.add(f"{what}, CPU of ours", time.process_time() - used, None, "s")
    return result


def main() -> None:
    """Measure."""
    parser = options.parser(__doc__)
    parser.add_argument("agents", type=int, nargs="?", default=1000)
    wanted = options.read(parser, agents=5)
    figures = Figures(__file__)
    with embedded.prepared():
        first, second = fleet(wanted.agents, "Widgets"), fleet(wanted.agents, "Gadgets")
        print("\n".join([*figures.told(), f"{wanted.agents:,} agents, {len(first) / 1e6:.1f} MB"]))
        plan = timed(figures, "plan: all new", lambda: make_plan(first))
        assert plan.totals["add"] == wanted.agents, plan.totals
        timed(figures, "apply: all new", lambda: apply_plan(first, by=ACTOR))
        exported = timed(figures, "export", export_fleet)
        same = timed(figures, "apply the export: nothing to change", lambda: apply_plan(exported, by=ACTOR))
        assert not same.changed
        changed = timed(figures, "plan: all changed", lambda: make_plan(second))
        assert changed.totals["change"] == wanted.agents, changed.totals
        timed(figures, "apply: all changed", lambda: apply_plan(second, by=ACTOR))
        empty = Document({})
        timed(figures, "apply: all removed", lambda: apply_plan(empty, by=ACTOR, remove=True))
        timed(figures, "apply: all restored", lambda: apply_plan(second, by=ACTOR))
        assert Agent.objects.filter(state="serving").count() == wanted.agents
    figures.write(wanted)


if __name__ == "__main__":
    main()
