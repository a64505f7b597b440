"""Fields of forms and addresses as pages use them: without space around them, and no longer than they may be.

A field with a NUL never comes here: dashboard/nul.py has refused it.
"""

from collections.abc import Mapping

MAX_LINE = 2048  # characters
MAX_WORD = 256  # characters of what callers choose, as the log and the API have them: a caller, a call's id
MAX_SEARCH = 200  # characters that are searched for


def line_of(given: Mapping[str, str], name: str, most: int = MAX_LINE) -> str:
    """What stands in a field, "" if it is not there."""
    return given.get(name, "").strip()[:most]
