"""The kinds of agents, by word. A new one is a package, and a line here: nothing else lists them."""

from typing import Any

from agents.kind import Kind
from agents.python.kind import PYTHON
from agents.remote.kind import REMOTE
from agents.sources import Source
from agents.stored.kind import STORED

# In the order in which they are offered.
KINDS: dict[str, Kind[Any]] = {kind.word: kind for kind in (STORED, PYTHON, REMOTE)}
USUAL = STORED.word  # of an agent of which nothing else is said


def kind_of(value: Any) -> Kind[Any]:
    """The kind of a version's JSON, right or wrong."""
    if isinstance(value, dict) and len(value) == 1:
        (key,) = value
        for kind in KINDS.values():
            if kind.key == key and not kind.bare:
                return kind
    return STORED


def kind_named(word: str) -> Kind[Any]:
    """The kind of this word; one that only a newer version of ours knows is taken for the usual one."""
    return KINDS.get(word, STORED)


def kind_of_source(source: Source) -> Kind[Any]:
    """The kind of what has been read."""
    return KINDS[source.KIND]


def read_source(value: Any) -> Source:
    """What a version's JSON says; `InvalidDefinition` lists every problem by field."""
    found: Source = kind_of(value).read(value)
    return found


def keys() -> list[str]:
    """Under which bodies and documents have agents."""
    return [kind.key for kind in KINDS.values()]
