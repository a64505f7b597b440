"""Agents in trouble, as all live workers tell: for the API, the commands and the dashboard alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registry.workers import live_workers

WORST_FIRST = ("down", "shaky")  # see agents/engines.py


@dataclass(frozen=True)
class AgentTrouble:
    """An agent that does not run as it should."""

    state: str  # the worst that any worker tells
    detail: str  # why, for people
    since: datetime  # when the first worker in that state noticed
    workers: int  # so many have trouble with it
    of: int  # live workers


def troubles(names: Iterable[str] | None = None) -> dict[str, AgentTrouble]:
    """Agents in trouble by name, of these or of all; one query."""
    told: list[Mapping[str, Any]] = list(live_workers().values_list("troubles", flat=True))
    wanted = {name for by_name in told for name in by_name}
    if names is not None:
        wanted &= set(names)
    return {
        name: summed_up([by_name[name] for by_name in told if name in by_name], len(told)) for name in sorted(wanted)
    }


def summed_up(found: list[Mapping[str, Any]], live: int) -> AgentTrouble:
    """What the workers that have trouble with an agent say, as one."""
    state = min((trouble["state"] for trouble in found), key=badness)
    first = min((trouble for trouble in found if trouble["state"] == state), key=lambda trouble: trouble["since"])
    return AgentTrouble(state, first["detail"], datetime.fromtimestamp(first["since"], UTC), len(found), live)


def badness(state: str) -> int:
    """How far from the worst a state is; one that is not known here is the least."""
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)
