"""A definition as a tree of JSON values: places in it, and changes of it that keep the order of everything else."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from agents.definition import MAX_DEFINITION_BYTES, deeper_than
from agents.definition.agent import MAX_DEPTH
from registry.base.errors import Malformed

Path = tuple[str | int, ...]
MAX_STATE_BYTES = 8 * MAX_DEFINITION_BYTES  # unpacked; escapes take six bytes a character


ESCAPES = {ord(character): f"~{number}" for number, character in enumerate('~/#"\n\r')}
ORIGINALS = {text: character for character, text in ESCAPES.items()}
ESCAPED = re.compile("~[0-5]")
MAX_DIGITS = 8  # of a number with its #


class Missing(Enum):
    """Stands for a value that is not there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def get(tree: Any, path: Sequence[str | int]) -> Any:
    """What stands at a place; MISSING if nothing does."""
    for part in path:
        if isinstance(part, int):
            inside = isinstance(tree, list) and 0 <= part < len(tree)
        else:
            inside = isinstance(tree, dict) and part in tree
        if not inside:
            return MISSING
        tree = tree[part]
    return tree


def put(tree: Any, path: Path, value: Any) -> None:
    """Set what stands at a place, or with MISSING take it away. Objects on the way are made if need be."""
    *before, last = path
    parent = tree
    for part in before:
        found = get(parent, [part])
        if found is MISSING:
            if value is MISSING:
                return
            if not isinstance(parent, dict) or not isinstance(part, str):
                raise misfit(path)
            found = parent[part] = {}
        parent = found
    if isinstance(parent, dict) and isinstance(last, str):
        if value is MISSING:
            parent.pop(last, None)
        else:
            parent[last] = value
    elif isinstance(parent, list) and isinstance(last, int) and 0 <= last < len(parent):
        if value is MISSING:
            del parent[last]
        else:
            parent[last] = value
    elif value is not MISSING:
        raise misfit(path)


def rename(tree: Any, path: Path, name: str) -> None:
    """Call a key of an object otherwise; it keeps its place."""
    *before, last = path
    parent = get(tree, before)
    if not isinstance(parent, dict) or last not in parent:
        raise misfit(path)
    items = [(name if key == last else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)


def move(tree: Any, path: Path, by: int) -> None:
    """Move an item of a list, or a key of an object, so many places on; at an end it stays."""
    *before, last = path
    parent = get(tree, before)
    if get(tree, path) is MISSING:
        raise misfit(path)
    if isinstance(parent, list):
        assert isinstance(last, int)
        target = min(max(last + by, 0), len(parent) - 1)
        parent.insert(target, parent.pop(last))
    else:
        keys = list(parent)
        at = keys.index(last)
        target = min(max(at + by, 0), len(keys) - 1)
        keys.insert(target, keys.pop(at))
        items = [(key, parent[key]) for key in keys]
        parent.clear()
        parent.update(items)


def replace_others(base: dict[str, Any], shown: Sequence[str], others: dict[str, Any]) -> dict[str, Any]:
    """`base` with these instead of all keys but the shown ones; what both have stays where it is."""
    waiting = list(others.items())
    found: dict[str, Any] = {}
    for key, value in base.items():
        if key in shown:
            found[key] = value
        elif waiting:
            other, item = waiting.pop(0)
            found[other] = item
    return {**found, **dict(waiting)}


def dotted(path: Sequence[str | int]) -> str:
    """A place as problems name it: functions.refill.description."""
    return ".".join(map(str, path))


def written(path: Sequence[str | int]) -> str:
    """A place as names of form fields have it: /languages/#0/name.

    Quotes and line ends are escaped too, for browsers write them in another way into multipart names.
    """
    return "".join(f"/#{part}" if isinstance(part, int) else f"/{part.translate(ESCAPES)}" for part in path)


def read_path(text: str) -> Path:
    """The place that `written` has written; `Malformed` for anything else."""
    parts = text.split("/")
    if parts.pop(0) or not parts or len(parts) > 2 * MAX_DEPTH:  # nothing that can be saved is so deep
        raise misfit(())
    return tuple(read_part(part) for part in parts)


def read_part(text: str) -> str | int:
    """A key, or a number in a list."""
    if text.startswith("#"):
        if not text[1:].isascii() or not text[1:].isdigit() or len(text) > MAX_DIGITS:
            raise misfit(())
        return int(text[1:])
    return ESCAPED.sub(lambda found: chr(ORIGINALS[found[0]]), text)


def pack(tree: Any) -> str:
    """The tree as a hidden field carries it."""
    return base64.b64encode(zlib.compress(json.dumps(tree).encode(), 6)).decode()


def unpack(text: str) -> Any:
    """The tree of a hidden field; `Malformed` if it holds none."""
    try:
        unpacked = zlib.decompressobj()
        raw = unpacked.decompress(base64.b64decode(text, validate=True), MAX_STATE_BYTES)
        if unpacked.unconsumed_tail:
            raise Malformed("the definition is too large for the form: send it by the API or by a command")
        tree = json.loads(raw)
        json.dumps(tree, ensure_ascii=False).encode()  # half of a surrogate pair, which no page can show
    except (ValueError, zlib.error, binascii.Error, RecursionError):
        raise misfit(()) from None
    if deeper_than(MAX_DEPTH + 2, tree):
        raise misfit(())
    return tree


def misfit(path: Path) -> Malformed:
    """The form is not of this definition: somebody made it by hand, or a proxy cut it."""
    where = f" at {dotted(path)[:200]}" if path else ""
    return Malformed(f"this form does not fit its definition{where}: load the page again")
