"""What adopting is about: one entry for each agent that was found, what shall become of it, what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.sources import Found
from registry.actions.inspection import Upstream
from registry.actions.transaction import Change
from registry.base.errors import Malformed, RegistryError
from registry.heartbeats import Everywhere

# What shall become of an entry, and what became of it.
REGISTER, UPDATE = "register", "update"
REGISTERED, UPDATED, SKIPPED, REFUSED = "registered", "updated", "skipped", "refused"


@dataclass(frozen=True)
class Wishes:
    """How to adopt."""

    only: tuple[str, ...] = ()  # routes of the original; none = all
    name_prefix: str = ""
    route_prefix: str = ""
    auto_sip: bool = True  # SIP names from agents' names and routes; a script that has none gets none either
    update: bool = False  # give agents that were adopted before what has changed since
    dry_run: bool = False
    upstream: Upstream = None  # user and password of a server
    note: str = ""


@dataclass
class Entry:
    """An agent of the original."""

    original: str  # its route there; / = the root
    route: str = ""  # here
    agent: str = ""  # its name here
    source: dict[str, Any] = field(default_factory=dict)  # what is registered
    state: str = REGISTER
    reason: str = ""  # why it is skipped or refused
    found: Found = field(default_factory=Found)
    sip: list[str] = field(default_factory=list)  # SIP names that somebody chose for it there
    auto_sip: bool = True
    warnings: list[str] = field(default_factory=list)
    change: Change | None = None

    def refuse(self, reason: str | RegistryError) -> None:
        """Say that it cannot be registered."""
        self.state, self.reason = REFUSED, reason if isinstance(reason, str) else str(reason)

    def skip(self, reason: str) -> None:
        """Say that nothing is to be done."""
        self.state, self.reason = SKIPPED, reason

    @property
    def planned(self) -> bool:
        """Whether something is still to be done."""
        return self.state in (REGISTER, UPDATE)

    def as_json(self) -> dict[str, Any]:
        """For --json and the API. It has newly made credentials, once."""
        told = (self.change or Change(sip=self.sip)).as_json()
        return {
            "original": self.original,
            "route": self.route,
            "agent": self.agent,
            "state": self.state,
            "reason": self.reason,
            "functions": sorted(self.found.functions),
            "not_served": self.found.not_served,
            "version": told["version"],
            "sip": told["sip"],
            "sip_skipped": told["sip_skipped"],
            "warnings": self.warnings,
            "credentials": told["credentials"],
        }


@dataclass
class Report:
    """All that was found, and what became of it."""

    origin: str  # what was adopted, in words
    entries: list[Entry]
    dry_run: bool
    not_served: list[str] = field(default_factory=list)  # what the original serves and we do not
    notes: list[str] = field(default_factory=list)  # what changes for those agents
    everywhere: Everywhere | None = None

    @property
    def revision(self) -> int | None:
        """From which on all is served."""
        return max((entry.change.revision for entry in self.entries if entry.change), default=None)

    @property
    def totals(self) -> dict[str, int]:
        """How many entries became what."""
        states = (REGISTER, UPDATE) if self.dry_run else (REGISTERED, UPDATED)
        return {state: sum(entry.state == state for entry in self.entries) for state in (*states, SKIPPED, REFUSED)}

    def as_json(self) -> dict[str, Any]:
        """For --json and the API."""
        return {
            "origin": self.origin,
            "dry_run": self.dry_run,
            "agents": [entry.as_json() for entry in self.entries],
            "totals": self.totals,
            "not_served": self.not_served,
            "notes": self.notes,
            "revision": self.revision,
        }


def chosen(entries: list[Entry], only: Iterable[str], origin: str) -> list[Entry]:
    """The entries with these routes of the original; all if there are none. `Malformed` names what is not there."""
    wanted = {as_path(route) for route in only}
    missing = wanted - {entry.original for entry in entries}
    if missing:
        there = ", ".join(entry.original for entry in entries) or "none"
        raise Malformed(f"{origin} has no route {', '.join(sorted(missing))}. Its routes: {there}")
    return [entry for entry in entries if entry.original in wanted] if wanted else entries


def as_path(route: str) -> str:
    """A route with one slash before it and none behind it, but for the root; not checked any further."""
    return route.rstrip("/") if route.startswith("/") and route.rstrip("/") else f"/{route.rstrip('/')}"
