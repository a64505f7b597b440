"""How values stand in the fields of a form, and what a field's text says: one kind of field for each kind of value.

A value that a kind cannot show as it is (a number where a text belongs) is shown as YAML, so that nothing is lost.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from agents.definition.agent import MAX_DEPTH, deeper_than
from agents.definition.parts import FieldError, check_tree
from dashboard.definition.tree import MISSING
from dashboard.definition.yaml import text_of
from registry.base.errors import Malformed
from registry.base.yaml_in import parse_either

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


class FieldProblem(ValueError):  # noqa: N818 - reads as what it is
    """A field's text cannot be read."""

    def __init__(self, message: str, line: int = 0):
        """`line`: of the text, where it goes wrong; 0 = it is not known."""
        super().__init__(message)
        self.line = line


class Kind(NamedTuple):
    """`shown`: a value's text, None if the kind cannot show it. `read`: the value of a text, MISSING for none."""

    shown: Callable[[Any], str | None]
    read: Callable[[str], Any]


def newlines(text: str) -> str:
    """A text with the line ends that we keep; browsers send others."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_shown(value: Any) -> str | None:
    """A text, or nothing."""
    return "" if value is MISSING else newlines(value) if isinstance(value, str) else None


def line_shown(value: Any) -> str | None:
    """A text of one line."""
    text = text_shown(value)
    return None if text is None or "\n" in text else text


def text_read(text: str) -> Any:
    """The text; an empty one is none."""
    return text or MISSING


def number_shown(value: Any) -> str | None:
    """A number, or the variable that stands for one."""
    if isinstance(value, bool):
        return None
    return json.dumps(value) if isinstance(value, (int, float)) else line_shown(value)


def number_read(text: str) -> Any:
    """A number; anything else stays a text, which may be a variable."""
    text = text.strip()
    return json.loads(text) if NUMBER.match(text) and len(text) < 300 else text_read(text)


def flag(default: bool) -> Kind:
    """Yes or no, as the value of a checkbox."""

    def shown(value: Any) -> str | None:
        found = default if value is MISSING else value
        return str(int(found)) if isinstance(found, bool) else None

    def read(text: str) -> Any:
        return MISSING if (text == "1") is default else text == "1"

    return Kind(shown, read)


def lines_shown(value: Any) -> str | None:
    """A list of texts, one a line."""
    if value is MISSING:
        return ""
    if not isinstance(value, list):
        return None
    fits = all(isinstance(item, str) and item == item.strip() and len(item.splitlines()) == 1 for item in value)
    return "\n".join(value) if fits else None


def lines_read(text: str) -> Any:
    """The lines that have something in them."""
    return [line.strip() for line in text.split("\n") if line.strip()] or MISSING


def yaml_shown(value: Any) -> str:
    """A value as YAML."""
    return "" if value is MISSING else text_of(value)


def yaml_read(text: str) -> Any:
    """The value of a YAML or JSON text; `FieldProblem` says where it goes wrong."""
    return MISSING if not text.strip() else value_of(text)


def value_of(text: str) -> Any:
    """A text's value, which JSON must be able to hold."""
    try:
        value = parse_either(text, "")
        if deeper_than(MAX_DEPTH, value):
            raise FieldProblem(f"is nested too deeply: more than {MAX_DEPTH} levels")
        check_tree(value, ())
    except Malformed as error:
        raise FieldProblem(str(error), error.line) from None
    except FieldError as error:
        raise FieldProblem(f"{error.path}: {error}" if error.path else str(error)) from None
    return value


KINDS = {
    "text": Kind(text_shown, text_read),
    "line": Kind(line_shown, text_read),
    "number": Kind(number_shown, number_read),
    "off": flag(False),
    "on": flag(True),
    "lines": Kind(lines_shown, lines_read),
    "yaml": Kind(yaml_shown, yaml_read),
}


def show_as(kind: str, value: Any) -> tuple[str, str]:
    """The kind that can show a value, and its text."""
    text = KINDS[kind].shown(value)
    if text is None and kind == "line" and isinstance(value, str):
        return "text", newlines(value)
    return ("yaml", yaml_shown(value)) if text is None else (kind, text)
