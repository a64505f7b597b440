"""A plan of what a document would change, and its application: one change, or none."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from registry.actions.transaction import Actor, changing, shown_once, wait_until_everywhere
from registry.base.errors import Conflict, Forbidden, Malformed, Outdated
from registry.base.text import check_storable
from registry.fleet.checks import Progress, check_all, no_progress
from registry.fleet.collector import without_collector
from registry.fleet.compare import Comparison, compare
from registry.fleet.document import Document
from registry.fleet.parse import read_document
from registry.fleet.plan import Plan
from registry.fleet.present import PresentAgent, one_moment, read_definitions, read_present
from registry.fleet.writes import carry_out
from registry.heartbeats import Everywhere, in_short

NOTE = "applied"  # of the versions that come about, unless the caller gives another


@dataclass(frozen=True)
class Result:
    """What was applied. `everywhere` is there if the caller waited for the workers."""

    plan: Plan
    revision: int
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)  # made just now: shown once
    everywhere: Everywhere | None = None

    @property
    def changed(self) -> bool:
        """Whether anything was another one."""
        return self.plan.changes

    def as_json(self) -> dict[str, Any]:
        """As the command's --json tells it."""
        return {
            "changed": self.changed,
            "revision": self.revision,
            "plan": self.plan.as_json(),
            "credentials": {agent: shown_once(pair) for agent, pair in self.credentials.items()},
            **in_short(self.everywhere),
        }


@without_collector
def make_plan(
    document: str | bytes | Document,
    *,
    by: Actor | None = None,
    remove: bool = False,
    progress: Progress = no_progress,
) -> Plan:
    """What a document would change. `remove`: agents that are not in it go to the trash.

    `by`: for whom Python agents are built and remote servers asked; without anybody a plan says that Python agents need
    an Admin.

    `Malformed` for a text that is no fleet document; what is wrong with definitions and names is in the plan.
    """
    document = as_document(document)
    with one_moment():
        present, live = read_state(document)
    check_all(document, present, live, by, progress)
    return compare(document, present, live, remove=remove).plan


def apply_plan(
    document: str | bytes | Document,
    *,
    by: Actor,
    remove: bool = False,
    expected_digest: str | None = None,
    note: str = NOTE,
    wait: bool = False,
    progress: Progress = no_progress,
) -> Result:
    """Make the registry what a document says, in one change; what is so already is not touched.

    `expected_digest`: of the plan that was seen; `Outdated` if another one would be carried out now. `Malformed` and
    `Conflict` have every problem of every agent by its path.
    """
    result = carried_out(document, by, remove, expected_digest, note, progress)
    return replace(result, everywhere=wait_until_everywhere(result.revision)) if wait else result


@without_collector
def carried_out(
    document: str | bytes | Document,
    by: Actor,
    remove: bool,
    expected_digest: str | None,
    note: str,
    progress: Progress,
) -> Result:
    """The same without waiting for the workers."""
    check_storable("note", note)
    document = as_document(document)
    with one_moment():
        present, live = read_state(document)
    check_all(document, present, live, by, progress)  # before the lock, so that nobody waits for it
    credentials: Mapping[str, tuple[str, str]] = {}
    with changing(by) as change:
        present, live = read_state(document)
        comparison = compare(document, present, live, remove=remove)
        refuse(comparison, expected_digest)
        if comparison.plan.changes:
            progress("written", 0, len(comparison.plan.steps))
            credentials = carry_out(comparison, by, note).credentials
            progress("written", len(comparison.plan.steps), len(comparison.plan.steps))
    return Result(comparison.plan, change.revision, credentials)


def as_document(document: str | bytes | Document) -> Document:
    """The document itself, or that of a text."""
    return document if isinstance(document, Document) else read_document(document)


def read_state(document: Document) -> tuple[dict[str, PresentAgent], dict[str, str]]:
    """What is registered, and the live definitions of the document's agents as they are kept."""
    present = read_present()
    versions = {
        name: agent.live for name, agent in present.items() if name in document.agents and agent.live is not None
    }
    texts = read_definitions(versions.values())
    return present, {name: texts[version] for name, version in versions.items()}


def refuse(comparison: Comparison, expected_digest: str | None) -> None:
    """Raise what keeps a plan from being carried out."""
    plan = comparison.plan
    if expected_digest is not None and expected_digest != plan.digest:
        raise Outdated("something has changed since this plan was made: make it again, then apply that")
    if plan.all_problems:
        lines = "\n".join(f"  {path}: {problem}" for path, problem in plan.all_problems.items())
        error = Malformed if plan.problems else Forbidden if plan.forbidden else Conflict
        raise error(f"the document cannot be applied:\n{lines}", problems=plan.all_problems)
