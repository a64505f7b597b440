"""What a document's agents are is checked as when it is published; what is live already was.

Definitions are read, which is quick; Python agents are built and remote servers asked, which takes seconds each.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from registry.actions.credentials import of_its_own
from registry.actions.definitions import warnings_about
from registry.actions.inspection import look_at, parsed
from registry.actions.transaction import Actor
from registry.actions.versions import same_definition
from registry.base.errors import Forbidden, Malformed, Outdated
from registry.fleet.document import Document, FleetAgent
from registry.fleet.present import PresentAgent
from registry.fleet.references import upstream_for
from registry.reports.describe import as_written

# Between two definitions, so that a worker that checks a thousand for the API answers calls: see serving/loader.py.
GENTLE_SECONDS = 0.00005
Progress = Callable[[str, int, int], None]  # what is being done, how many of how many
NOBODY = Actor("nobody", "plan")


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Checked:
    """A checked definition, or a Python or remote agent that was looked at."""

    stored: dict[str, Any] = field(default_factory=dict)
    targets: Mapping[str, set[str]] = field(default_factory=dict)  # of transfers, by function
    warnings: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)  # by path below the agent
    forbidden: bool = False  # the problem is that whoever asks may not
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # that a Python agent's own code asks for
    claims: tuple[str, ...] = ()  # SIP names that its code claims


def check_all(
    document: Document,
    present: Mapping[str, PresentAgent],
    live: Mapping[str, str],
    by: Actor | None = None,
    progress: Progress = no_progress,
) -> None:
    """Check what is not live already; `live` has the kept texts by agent. Nobody may have code run."""
    wanted = [agent for agent in document.agents.values() if not is_live(agent, live.get(agent.name))]
    for done, agent in enumerate(wanted):
        progress("checked", done, len(wanted))
        if not agent.kind.takes_time:
            checked(document, agent)
        elif agent.name not in document.checked:
            document.checked[agent.name] = looked_at(agent, present.get(agent.name), by or NOBODY)
        time.sleep(GENTLE_SECONDS)
    progress("checked", len(wanted), len(wanted))


def checked(document: Document, agent: FleetAgent) -> Checked:
    """The checked definition of an agent; each is checked once. Others were looked at before, or it is too late."""
    if agent.name not in document.checked:
        if agent.kind.takes_time:
            raise Outdated(f"agent {agent.name} was changed while the document was checked: apply it again")
        document.checked[agent.name] = read(agent)
    found: Checked = document.checked[agent.name]
    return found


def read(agent: FleetAgent) -> Checked:
    """An agent's definition, or whatever else takes no time to look at."""
    try:
        definition = parsed(agent.definition)
    except Malformed as error:
        problems = error.problems or {"": str(error)}
        return Checked(problems={agent.kind.path(path): problem for path, problem in problems.items()})
    return Checked(definition.stored(), definition.transfer_targets(), tuple(warnings_about(definition)))


def looked_at(agent: FleetAgent, present: PresentAgent | None, by: Actor) -> Checked:
    """A Python agent is built, a remote one's server asked."""
    try:
        seen = look_at(agent.definition, by=by, name=agent.name, upstream=upstream_for(agent, present))
    except Forbidden as error:
        return Checked(problems={agent.kind.key: str(error)}, forbidden=True)
    except Malformed as error:
        problems = error.problems or {agent.kind.key: str(error)}
        user = f"{agent.kind.key}.user"  # what documents call `upstream`
        return Checked(problems={"upstream" if path == user else path: text for path, text in problems.items()})
    source = seen.source
    warnings = (*seen.warnings, *warnings_about(source))
    return Checked(source.stored(), source.transfer_targets(), warnings, secrets=of_its_own(seen), claims=seen.claims)


def is_live(agent: FleetAgent, live: str | None) -> bool:
    """Whether the document has the live definition byte by byte, or the source that is live as people write it."""
    if live is None:
        return False
    if orjson.dumps(agent.definition) == live.encode():
        return True
    return same_definition(as_written(orjson.loads(live)), agent.definition)


def says_the_same(found: Checked, live: str | None) -> bool:
    """Whether a checked definition is the live one, though it was written in another way."""
    return live is not None and same_definition(orjson.loads(live), found.stored)
