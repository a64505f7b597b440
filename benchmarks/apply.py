#!/usr/bin/env python3
"""What fleet as code costs: seconds for the export, plan and application of a fleet of so many agents.

    .venv/bin/python benchmarks/apply.py [AGENTS]          1,000 unless said

It needs no database: an embedded Postgres in a temporary folder, which is removed again. Prints one line a step.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
FOLDER = tempfile.mkdtemp(prefix="switchboard-bench-")
os.environ.pop("DATABASE_URL", None)
os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": FOLDER, "SWML_BASIC_AUTH_PASSWORD": "p"}

import django  # noqa: E402 - the environment comes first

django.setup()

import sample  # noqa: E402 - after django.setup()
from django.db import connection  # noqa: E402

from agents.models import Agent  # noqa: E402
from config.embedded.cluster import close_all  # noqa: E402
from config.embedded.locks import STOP_SECONDS  # noqa: E402
from config.prepare import prepare  # noqa: E402
from registry.actions.transaction import Actor  # noqa: E402
from registry.fleet import Document, FleetAgent, FleetRoute, apply_plan, export_fleet, make_plan  # noqa: E402

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


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Do it and print how long it took."""
    began = time.perf_counter()
    result = work()
    print(f"{what:<44}{time.perf_counter() - began:7.2f} s", flush=True)
    return result


def main() -> None:
    """Measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    try:
        prepare(example=False, say=lambda text: None)
        first, second = fleet(count, "Widgets"), fleet(count, "Gadgets")
        print(f"{count:,} agents, {len(first) / 1e6:.1f} MB")
        plan = timed("plan: all new", lambda: make_plan(first))
        assert plan.totals["add"] == count, plan.totals
        timed("apply: all new", lambda: apply_plan(first, by=ACTOR))
        exported = timed("export", export_fleet)
        assert not timed("apply the export: nothing to change", lambda: apply_plan(exported, by=ACTOR)).changed
        assert timed("plan: all changed", lambda: make_plan(second)).totals["change"] == count
        timed("apply: all changed", lambda: apply_plan(second, by=ACTOR))
        empty = Document({})
        timed("apply: all removed", lambda: apply_plan(empty, by=ACTOR, remove=True))
        timed("apply: all restored", lambda: apply_plan(second, by=ACTOR))
        assert Agent.objects.filter(state="serving").count() == count
        connection.close()
    finally:
        close_all(wait=STOP_SECONDS)
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
