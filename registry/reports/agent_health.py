"""Agents in trouble, as all live workers tell: for the API, the commands and the dashboard alike."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registry.base.pool import let_go
from registry.heartbeats import live_workers

DOWN = "down"
WORST_FIRST = (DOWN, "shaky")  # see agents/runners.py
POLL_SECONDS = 0.1
SOON_SECONDS = 1.5  # an agent that cannot be built is told of by then


@dataclass(frozen=True)
class AgentTrouble:
    """An agent that does not run as it should."""

    state: str  # the worst that any worker tells
    detail: str  # why, for people
    since: datetime  # when the first worker in that state noticed
    workers: int  # so many have trouble with it
    of: int  # live workers
    away: tuple[str, ...] = ()  # a remote agent's endpoints that cannot be asked; none if a worker does not tell them


def troubles(names: Iterable[str] | None = None) -> dict[str, AgentTrouble]:
    """Agents in trouble by name, of these or of all; one query."""
    told: list[Mapping[str, Any]] = list(live_workers().values_list("troubles", flat=True))
    wanted = {name for by_name in told for name in by_name}
    if names is not None:
        wanted &= set(names)
    return {
        name: summed_up([by_name[name] for by_name in told if name in by_name], len(told)) for name in sorted(wanted)
    }


def trouble_soon(name: str) -> AgentTrouble | None:
    """What keeps an agent that was just registered or reloaded from running, if workers tell of it soon."""
    end = time.monotonic() + SOON_SECONDS
    while live_workers().exists():
        found = troubles([name]).get(name)
        if (found is not None and found.state == DOWN) or time.monotonic() > end:
            return found if found is not None and found.state == DOWN else None
        let_go()
        time.sleep(POLL_SECONDS)
    return None


def summed_up(found: list[Mapping[str, Any]], live: int) -> AgentTrouble:
    """What the workers that have trouble with an agent say, as one."""
    state = min((trouble["state"] for trouble in found), key=badness)
    first = min((trouble for trouble in found if trouble["state"] == state), key=lambda trouble: trouble["since"])
    since = datetime.fromtimestamp(first["since"], UTC)
    away = tuple(first.get("away", ()))  # an older worker does not tell
    return AgentTrouble(state, first["detail"], since, len(found), live, away)


def badness(state: str) -> int:
    """How far from the worst a state is; one that is not known here is the least."""
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)
