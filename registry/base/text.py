"""Texts: what can be stored, what may be shown, and how they are searched."""

import re

from registry.base.errors import Malformed


def is_storable(text: str) -> bool:
    """Whether Postgres can hold a text: no NUL, no half surrogate pairs."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def check_storable(what: str, text: str) -> None:
    """Raise `Malformed` for text that Postgres cannot hold."""
    if not is_storable(text):
        raise Malformed(f"the {what} contains a character that cannot be stored")


def like(text: str) -> str:
    """The pattern of LIKE for texts that contain this one, whatever its characters."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # what a terminal might obey


def safe(text: str) -> str:
    """A text that does nothing to a terminal."""
    return NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
