"""Definitions of a document are checked as when they are published; those that are live already were."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from registry.definitions import read_definition, warnings_about
from registry.errors import Malformed
from registry.fleet.document import Document, FleetAgent
from registry.versions import same_definition

# Between two definitions, so that a worker that checks a thousand for the API goes on answering calls: see loading.py.
GENTLE_SECONDS = 0.00005
Progress = Callable[[str, int, int], None]  # what is being done, how many of how many


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Checked:
    """A checked definition."""

    stored: dict[str, Any] = field(default_factory=dict)
    targets: Mapping[str, set[str]] = field(default_factory=dict)  # of transfers, by function
    warnings: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)  # by field


def check_all(document: Document, live: Mapping[str, str], progress: Progress = no_progress) -> None:
    """Check what is not live already; `live` has the kept texts by agent."""
    wanted = [agent for agent in document.agents.values() if not is_live(agent, live.get(agent.name))]
    for done, agent in enumerate(wanted):
        progress("checked", done, len(wanted))
        checked(document, agent)
        time.sleep(GENTLE_SECONDS)
    progress("checked", len(wanted), len(wanted))


def checked(document: Document, agent: FleetAgent) -> Checked:
    """The checked definition of an agent; each is checked once."""
    if agent.name not in document.checked:
        try:
            definition = read_definition(agent.definition)
        except Malformed as error:
            document.checked[agent.name] = Checked(problems=error.problems or {"": str(error)})
        else:
            document.checked[agent.name] = Checked(
                definition.stored(), definition.transfer_targets(), tuple(warnings_about(definition))
            )
    found: Checked = document.checked[agent.name]
    return found


def is_live(agent: FleetAgent, live: str | None) -> bool:
    """Whether the document has the live definition byte by byte."""
    return live is not None and orjson.dumps(agent.definition) == live.encode()


def says_the_same(found: Checked, live: str | None) -> bool:
    """Whether a checked definition is the live one, though it was written in another way."""
    return live is not None and same_definition(orjson.loads(live), found.stored)
