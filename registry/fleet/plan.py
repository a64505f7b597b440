"""What a document would change, as values: for people, for JSON, and for saying later whether it still holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Absent(Enum):
    """Stands for a value that is not there; null is a value."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
ADD, CHANGE, REMOVE = "add", "change", "remove"
ORDER = " (order)"  # behind a path: the same items, in another order


@dataclass(frozen=True)
class Difference:
    """A field that is another one, by its path."""

    path: str
    before: Any = ABSENT
    after: Any = ABSENT

    def as_json(self) -> dict[str, Any]:
        """Without what is not there."""
        both = {"before": self.before, "after": self.after}
        return {"path": self.path} | {key: value for key, value in both.items() if value is not ABSENT}


@dataclass(frozen=True)
class Step:
    """What becomes of one agent. `routes` and `sip`: those that a new one gets, or a removed one loses."""

    agent: str
    action: str
    differences: tuple[Difference, ...] = ()
    routes: tuple[str, ...] = ()
    sip: tuple[str, ...] = ()
    restored: bool = False  # it comes out of the trash

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "agent": self.agent,
            "action": self.action,
            "restored": self.restored,
            "routes": list(self.routes),
            "sip": list(self.sip),
            "differences": [difference.as_json() for difference in self.differences],
        }


@dataclass(frozen=True)
class Plan:
    """All that a document would change. With problems it cannot be applied."""

    steps: tuple[Step, ...]
    unchanged: int  # agents of the document that are so already
    kept: int  # agents that are not in it and stay
    removes: bool  # whether agents that are not in it go
    digest: str  # of what it was made from: the document, the registry, the secrets of this environment
    warnings: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)  # by path
    forbidden: Mapping[str, str] = field(default_factory=dict)  # by path: only an Admin may
    conflicts: Mapping[str, str] = field(default_factory=dict)  # by path: somebody else has it

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)

    @property
    def all_problems(self) -> dict[str, str]:
        """Whatever keeps it from being applied, by path."""
        return {**self.problems, **self.forbidden, **self.conflicts}

    @property
    def totals(self) -> dict[str, int]:
        """How many agents."""
        count = {action: sum(step.action == action for step in self.steps) for action in (ADD, CHANGE, REMOVE)}
        return count | {"unchanged": self.unchanged, "kept": self.kept}

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "digest": self.digest,
            "removes": self.removes,
            "totals": self.totals,
            "steps": [step.as_json() for step in self.steps],
            "warnings": list(self.warnings),
            "problems": self.all_problems,
        }
