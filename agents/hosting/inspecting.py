"""Builds a Python agent once, in a process of its own, to see what it is."""

from dataclasses import dataclass, field

from agents.errors import UnusableSource
from agents.sources import Found, PythonSource


@dataclass(frozen=True)
class Whereabouts:
    """Where Python agents may come from."""

    path: tuple[str, ...]  # folders
    modules: tuple[str, ...] = ()  # patterns; empty = what is in the folders
    seconds: float = 30  # for building one


@dataclass
class Inspected:
    """What was seen of an agent."""

    found: Found
    code: str  # digest of the code that was loaded
    credentials: str = ""  # user:password that its code asks for
    signing_key: str = ""
    warnings: list[str] = field(default_factory=list)


def inspect(source: PythonSource, whereabouts: Whereabouts) -> Inspected:
    """Build the agent; `UnusableSource` says why it cannot be."""
    raise UnusableSource("Python agents are not there yet")
