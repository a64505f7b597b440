"""What is another one between two JSON values: by field, and line by line. Pure; nothing here reads a database."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from dashboard.code_lines import pretty
from registry.fleet.compare import leaf_differences
from registry.fleet.plan import ABSENT

CONTEXT = 3  # equal lines that are shown around those that differ
MAX_PAIRS = 16_000_000  # lines of the one times lines of the other that are compared: a second at most
BUSY_LINES = 2_000  # from here on lines that are everywhere (brackets) are no landmarks
MAX_LINES = 4_000  # that are shown; a browser lays out more for seconds
MAX_VALUE = 2_000  # characters of a value that are shown


Block = tuple[str, int, int, int, int]  # difflib's opcodes


@dataclass(frozen=True)
class FieldDifference:
    """A field that is another one. `before` and `after` as JSON in short; "" = it is not there."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """A line of a difference. `kind`: add, del, fold or "" (equal); `mark` is what differs inside `start` … `end`."""

    kind: str
    number: str
    start: str
    mark: str = ""
    end: str = ""


@dataclass(frozen=True)
class Lines:
    """A difference line by line. `lines` is empty if nothing differs, or if it is `too_large`."""

    lines: tuple[Line, ...] = ()
    added: int = 0
    removed: int = 0
    too_large: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.too_large)


def field_differences(before: Any, after: Any) -> list[FieldDifference]:
    """Every leaf that is another one, by its dotted path, in the order of the fields."""
    return [
        FieldDifference(found.path.removeprefix("."), short(found.before), short(found.after))
        for found in leaf_differences("", before, after)
    ]


def short(value: Any) -> str:
    """A value in one line; "" for none."""
    if value is ABSENT:
        return ""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def whole_lines(value: Any) -> Lines:
    """All lines of one value."""
    lines = [Line("", str(number), text) for number, text in enumerate(pretty(value).split("\n"), 1)]
    return Lines(cut(lines))


def line_differences(before: Any, after: Any, *, whole: bool = False) -> Lines:
    """Two JSON values line by line. `whole`: equal lines are shown too, not folded."""
    old, new = pretty(before).split("\n"), pretty(after).split("\n")
    if old == new:
        return Lines()
    head = common(old, new)
    tail = common(old[head:][::-1], new[head:][::-1])
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(middle[0]) * len(middle[1]) > MAX_PAIRS:
        return Lines(too_large=True)
    matcher = SequenceMatcher(None, *middle, autojunk=len(middle[0]) + len(middle[1]) > BUSY_LINES)
    blocks: list[Block] = [
        (tag, one + head, two + head, other + head, last + head) for tag, one, two, other, last in matcher.get_opcodes()
    ]
    end = len(old) - tail, len(new) - tail
    blocks = [("equal", 0, head, 0, head), *blocks, ("equal", end[0], len(old), end[1], len(new))]
    lines = list(lines_of(blocks, old, new, whole))
    return Lines(
        cut(lines),
        sum(last - other for tag, _, _, other, last in blocks if tag != "equal"),
        sum(two - one for tag, one, two, _, _ in blocks if tag != "equal"),
    )


def lines_of(blocks: list[Block], old: list[str], new: list[str], whole: bool) -> Iterator[Line]:
    """The lines of difflib's blocks."""
    for place, (tag, one, two, other, last) in enumerate(blocks):
        if tag == "equal":
            yield from equal_lines(new, other, last, whole, first=place == 0, final=place == len(blocks) - 1)
        elif two - one == last - other:
            for step in range(two - one):
                start, gone, came, end = marked(old[one + step], new[other + step])
                yield Line("del", str(one + step + 1), start, gone, end)
                yield Line("add", str(other + step + 1), start, came, end)
        else:
            yield from (Line("del", str(number + 1), old[number]) for number in range(one, two))
            yield from (Line("add", str(number + 1), new[number]) for number in range(other, last))


def equal_lines(new: list[str], start: int, end: int, whole: bool, *, first: bool, final: bool) -> Iterator[Line]:
    """Lines that both have; those far from any difference are folded into one."""
    shown_before, shown_after = 0 if first else CONTEXT, 0 if final else CONTEXT
    folded = end - start - shown_before - shown_after
    if whole or folded <= 1:
        yield from (Line("", str(number + 1), new[number]) for number in range(start, end))
        return
    yield from (Line("", str(number + 1), new[number]) for number in range(start, start + shown_before))
    yield Line("fold", "···", f"{folded} lines unchanged")
    yield from (Line("", str(number + 1), new[number]) for number in range(end - shown_after, end))


def marked(old: str, new: str) -> tuple[str, str, str, str]:
    """Two lines as what they begin with alike, what differs in each, and what they end with alike."""
    head = common(old, new)
    tail = common(old[head:][::-1], new[head:][::-1])
    return new[:head], old[head : len(old) - tail], new[head : len(new) - tail], new[len(new) - tail :]


def common(one: Any, other: Any) -> int:
    """How many items two sequences begin with alike."""
    return next(
        (number for number, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )


def cut(lines: list[Line]) -> tuple[Line, ...]:
    """As many lines as a browser can show."""
    if len(lines) <= MAX_LINES:
        return tuple(lines)
    return (*lines[:MAX_LINES], Line("fold", "···", f"{len(lines) - MAX_LINES} more lines"))
