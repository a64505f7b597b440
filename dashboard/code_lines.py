"""JSON as numbered lines that fold: for people, and the same text when it is copied."""

import json
from typing import Any

import orjson
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

INDENT = 2
FOLDS_FROM = 8  # lines that a part must have to be worth a fold
CLOSED_FROM = 150  # of lines that a part has, inside the first levels: it is folded at first
CLOSED_DEPTH = 4  # levels that are never folded at first: else there is nothing to see


class Lines:
    """Writes the lines of one value."""

    def __init__(self) -> None:
        self.number = 0
        self.parts: list[str] = []

    def line(self, text: str, tag: str = "span", more: str = "") -> None:
        """One line; its newline is inside, so that what is copied has it."""
        self.number += 1
        self.parts.append(f'<{tag} class="l" data-n="{self.number}"{more}>{escape(text)}\n</{tag}>')

    def value(self, before: str, value: Any, after: str, depth: int) -> None:
        """A value with what stands before and after it in its lines."""
        items = children(value)
        if items is None:
            self.line(f"{before}{dumped(value)}{after}")
            return
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        count = lines_in(value)
        folds = count >= FOLDS_FROM and depth > 0
        if folds:
            closed = count >= CLOSED_FROM and depth > CLOSED_DEPTH
            self.parts.append("<details>" if closed else "<details open>")
            self.line(f"{before}{opening}", "summary", f' data-folded="… {count - 2} lines {closing}{after}"')
        else:
            self.line(f"{before}{opening}")
        space = " " * INDENT * (depth + 1)
        last = len(items) - 1
        for index, (key, item) in enumerate(items):
            name = f"{dumped(key)}: " if key is not None else ""
            self.value(f"{space}{name}", item, "" if index == last else ",", depth + 1)
        self.line(f"{' ' * INDENT * depth}{closing}{after}")
        if folds:
            self.parts.append("</details>")


def code_of(value: Any) -> SafeString:
    """The lines of a JSON value, for a `pre` of the class code."""
    lines = Lines()
    lines.value("", value, "", 0)
    return mark_safe("".join(lines.parts))  # noqa: S308 - every line is escaped


def pretty(value: Any) -> str:
    """The same as text."""
    return json.dumps(value, indent=INDENT, ensure_ascii=False)


def children(value: Any) -> list[tuple[Any, Any]] | None:
    """What a value contains, with its keys; None if it fits on a line."""
    if isinstance(value, dict):
        return list(value.items()) or None
    return [(None, item) for item in value] if isinstance(value, list) and value else None


def lines_in(value: Any) -> int:
    """How many lines a value takes."""
    items = children(value)
    return 1 if items is None else 2 + sum(lines_in(item) for _, item in items)


def dumped(value: Any) -> str:
    """A value on one line."""
    return orjson.dumps(value).decode()
