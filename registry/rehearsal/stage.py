"""What a serving process lends to pages and operations: its table, its clients, its log."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.http import HttpRequest

from agents.wire import Webhooks
from registry.base.checks import Check
from registry.log.recorder import Recorder
from registry.routing.decide import Decision, decide
from registry.routing.facts import Facts
from registry.routing.table import RoutingTable, Tables
from registry.serving.loader import Loader


@dataclass(frozen=True)
class Stage:
    """What a serving process lends to pages and operations; a process that serves nothing has none of it."""

    tables: Tables
    webhooks: Webhooks
    recorder: Recorder
    checks: Callable[[], dict[str, Check]] = dict  # of /ready, with its word as `status`


def table_of(stage: Stage | None) -> RoutingTable:
    """The table that is served here, else the one that the database has."""
    current = stage.tables.current if stage else None
    return current or Loader().next(None)


def dry_run(facts: Facts, stage: Stage | None, at: float) -> tuple[RoutingTable, Decision]:
    """Decide as the dispatcher would, at a moment (seconds since 1970); and the table that decided."""
    table = table_of(stage)
    return table, decide(table, facts, at)


def stage_of(request: HttpRequest) -> Stage | None:
    """What this process lends for rehearsals, if it serves agents: config/asgi.py puts it there."""
    scope: Any = getattr(request, "scope", {})
    return cast("Stage | None", scope.get("stage"))
