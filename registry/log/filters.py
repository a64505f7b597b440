"""What somebody wants to see of the routing log: `agent:sales outcome:error ms:>800 -kind:test refill`."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MAX_TEXT = 500  # characters of a filter
MAX_TERMS = 20  # conditions of a filter: each looks at every event
# The words of a filter, and the column that each looks at.
WORDS = {
    "agent": "agent",
    "call": "call_id",
    "channel": "channel",
    "digest": "digest",
    "fn": "function",
    "from": "from",
    "kind": "kind",
    "method": "method",
    "outcome": "outcome",
    "path": "path",
    "replica": "replica",
    "request": "request_id",
    "route": "route",
    "sip": "sip_user",
    "source": "source",
    "to": "to",
    "trace": "trace_id",
}
EXACT = {"call_id", "function", "request_id"}  # compared as they are written; of all others the case does not count
SWITCHES = {"replayable": "replayable"}
YES_OR_NO = {"yes": True, "no": False}
NUMBERS = {"ms": ("microseconds", 1000), "status": ("status", 1), "version": ("version", 1)}
SEARCHED = ("agent", "path", "query", "call_id", "from", "to", "function", "sip_user", "detail", "outcome")
NUMBER = re.compile(r"(?P<sign>[<>]=?)?(?P<number>\d+(\.\d+)?)\Z")
TERM = re.compile(r'(?P<without>-)?(?:(?P<word>[a-z]+):)?(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>\S+))')
NEEDS_QUOTES = re.compile(r"[\s\"]|^-|^[a-z]+:|^$")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "": lambda value, limit: value == limit,
}

Event = Mapping[str, Any]


class FilterError(ValueError):
    """A filter cannot be understood; the message says which part, and what is known."""


class Term(NamedTuple):
    """One condition: a column and its value, or a limit, or a text in any of the columns that people search."""

    column: str  # "" = search
    sign: str  # "" = equal
    value: str | float
    without: bool = False  # what does not meet it is wanted

    def holds(self, event: Event) -> bool:
        """Whether an event meets it."""
        return self.found_in(event) is not self.without

    def found_in(self, event: Event) -> bool:
        """Whether an event has what it looks for."""
        if not self.column:
            return any(str(self.value) in str(event[column]).casefold() for column in SEARCHED)
        found = event[self.column]
        if self.column == "request_id" and not found:
            found = event["id"]  # by which a request is known that its sender gave no id
        if isinstance(self.value, str):
            return str(found if self.column in EXACT else str(found).casefold()) == self.value
        return found is not None and COMPARISONS[self.sign](found, self.value)


class Filter(NamedTuple):
    """Conditions that must all hold; none = everything. Equal filters are one, however they were typed."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """Read a filter: `word:value`, `ms:>800`, or plain words that are searched. `FilterError` if it is none."""
        if len(text) > MAX_TEXT:
            raise FilterError(f"the filter is longer than {MAX_TEXT} characters")
        terms = {term_of(found) for found in TERM.finditer(text)}
        if len(terms) > MAX_TERMS:
            raise FilterError(f"the filter has more than {MAX_TERMS} conditions")
        return cls(tuple(sorted(terms, key=repr)))

    def matches(self, event: Event) -> bool:
        """Whether an event meets all conditions."""
        return all(term.holds(event) for term in self.terms)


def term_of(found: re.Match[str]) -> Term:
    """One condition from its text."""
    word, without = found["word"], found["without"] is not None
    value = found["plain"] if found["quoted"] is None else found["quoted"].replace('""', '"')
    if word is None:
        return Term("", "", value.casefold(), without)
    if word in WORDS:
        return Term(WORDS[word], "", value if WORDS[word] in EXACT else value.casefold(), without)
    if word in SWITCHES:
        if value.casefold() not in YES_OR_NO:
            raise FilterError(f"{word}: is yes or no, not {value!r}")
        return Term(SWITCHES[word], "", YES_OR_NO[value.casefold()], without)
    if word not in NUMBERS:
        known = ", ".join(sorted([*WORDS, *NUMBERS, *SWITCHES]))
        raise FilterError(f"{word}: is not known; use {known}, or put a text with a colon in quotes")
    number = NUMBER.match(value)
    if not number:
        raise FilterError(f"{word}: needs a number, such as {word}:>800, not {value!r}")
    column, scale = NUMBERS[word]
    return Term(column, number["sign"] or "", float(number["number"]) * scale, without)


def condition_text(word: str, value: str) -> str:
    """A condition as it is typed: `call:C1`, in quotes where the value needs them. `word`: "" searches."""
    quoted = '"' + value.replace('"', '""') + '"' if NEEDS_QUOTES.search(value) else value
    return f"{word}:{quoted}" if word else quoted
