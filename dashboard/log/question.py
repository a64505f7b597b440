"""What the address of the live log asks for: a filter, a stretch of the past, a place to go on from; and its chips."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.http import HttpRequest, QueryDict

from dashboard.zones import moment_typed
from registry.log.filters import MAX_TEXT, TERM, Filter, FilterError, condition_text
from registry.log.search import Range

FORGOTTEN = ("before", "tz")  # of an address, when its filter is changed: the zone is remembered without
# A condition, what its chip says.
PRESETS = {
    "outcome:error": "Errors",
    "outcome:not_found": "Unmatched",
    "outcome:refused": "Refused",
    "ms:>800": "Slow, over 800 ms",
    "kind:test": "Tests",
    "-kind:test": "Without tests",
}
AGENT_CHIPS = 4


class Asked(NamedTuple):
    """`text`: as it was typed; `problem`: what is wrong with it, then nothing is filtered."""

    text: str
    wanted: Filter
    within: Range
    problem: str = ""

    @property
    def is_live(self) -> bool:
        """Whether new rows belong to it: not to a stretch of the past, nor to a later page."""
        return self.within == Range()


class Chip(NamedTuple):
    """A condition to add, or if it is `on`, to take away."""

    label: str
    address: str
    on: bool = False


def asked(request: HttpRequest) -> Asked:
    """What the address asks for. Times without an offset are in the zone of the page."""
    text, problems = request.GET.get("filter", "").strip(), []
    wanted = Filter()
    try:
        wanted = Filter.parse(text)
    except FilterError as error:
        problems.append(str(error))
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        given = request.GET.get(name, "").strip()
        found = time_of(given)
        if given and found is None:
            problems.append(f"{name} is no time: {given[:40]!r}; they look like 2026-11-21T10:30")
        times[name] = found
    return Asked(
        text, wanted, Range(times["since"], times["until"], id_of(request.GET.get("before", ""))), "; ".join(problems)
    )


def time_of(text: str) -> datetime | None:
    """A moment in UTC; None if the text is none."""
    try:
        found = moment_typed(text)
        return None if found is None else found.astimezone(UTC)
    except ValueError:
        return None


def id_of(text: str) -> UUID | None:
    """An id; None if the text is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def chips(query: QueryDict, text: str, agents: Iterable[str]) -> list[Chip]:
    """The conditions that hold, to take away; then those that people want most often, to add."""
    typed = [found[0] for found in TERM.finditer(text)] if len(text) <= MAX_TEXT else []  # each makes an address
    on = [Chip(PRESETS.get(term, term), with_filter(query, without(typed, term)), on=True) for term in typed]
    names = {condition_text("agent", name): name for name in agents if name}
    offered = {} if any(term.startswith("agent:") for term in typed) else dict(list(names.items())[:AGENT_CHIPS])
    clash = {"kind:test", "-kind:test"} if {"kind:test", "-kind:test"} & set(typed) else set()
    outcome = any(term.startswith("outcome:") for term in typed)
    more = [
        Chip(label, with_filter(query, [*typed, term]))
        for term, label in {**PRESETS, **offered}.items()
        if term not in typed and term not in clash and not (outcome and term.startswith("outcome:"))
    ]
    return [*on, *more]


def without(typed: list[str], term: str) -> list[str]:
    """The conditions but this one."""
    return [each for each in typed if each != term]


def with_filter(query: QueryDict, terms: Iterable[str]) -> str:
    """The query of the page with another filter."""
    return with_query(query, filter=" ".join(terms))


def with_query(query: QueryDict, **changes: str) -> str:
    """The query of the page with changes, "" takes a word away; it begins with ? in any case."""
    changed = query.copy()
    for name in FORGOTTEN:
        changed.pop(name, None)
    for name, value in changes.items():
        if value:
            changed[name] = value
        else:
            changed.pop(name, None)
    return f"?{changed.urlencode()}"
