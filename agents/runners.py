"""What a serving process lends to kinds of agents whose versions do not answer by themselves: engines, runners."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from agents.sources import ElsewhereSource, Source
from agents.tokens import TokenKey
from agents.wire import AgentRequest, Answer, Version, fault


@dataclass(frozen=True)
class Making:
    """What an engine must know of the version that it makes."""

    agent: str
    route: str  # the agent's first
    number: int
    version_id: int  # of the row
    key: TokenKey


class Engine(Protocol):
    """Makes the versions of one kind; one per process that serves."""

    def version(self, source: Source, making: Making) -> Version:
        """A version that answers. Called in the listener's thread: nothing may be started or waited for here."""
        ...


Engines = Mapping[str, Engine]  # by kind


class Trouble(NamedTuple):
    """An agent that does not run as it should in this process."""

    state: str  # down: it cannot be asked; shaky: some of it can; see docs/python-agents.md
    detail: str  # why, for people; no secret is in it
    since: float  # seconds since 1970
    away: tuple[str, ...] = ()  # endpoints of a remote agent that cannot be asked

    def as_plain(self) -> dict[str, Any]:
        """As heartbeats hold it."""
        return {**self._asdict(), "away": list(self.away)}


class Served(NamedTuple):
    """A version that is served, as its runner must know it."""

    agent: str
    live: bool
    version: Any  # what the runner's own engine has made
    upstream: str


class Runner(Engine, Protocol):
    """Makes the versions of a kind, and runs what they need."""

    def follow(self, served: Iterable[Served]) -> None:
        """From now on these are served, and no others. Called in the listener's thread; must not wait."""
        ...

    def troubles(self) -> Mapping[str, Trouble]:
        """Agents in trouble, by name. Called in the listener's thread."""
        ...

    def unbuilt(self) -> tuple[int, int]:
        """How many of the agents that there were at the start nobody has built or failed to build, and how many there
        were. Called in the event loop that answers.
        """
        ...

    def start(self) -> None:
        """Begin; called in the event loop that will answer."""
        ...

    async def close(self) -> None:
        """End: what runs drains and exits."""
        ...


class ElsewhereVersion:
    """A version that only serving processes can answer for; for all others that build a table, to decide by."""

    __slots__ = ("kind", "mcp", "number", "paths", "source")
    by_mark = True
    at_once = None

    def __init__(self, source: ElsewhereSource, making: Making):
        self.kind = source.KIND
        self.source = source
        self.number = making.number
        self.mcp = source.found.mcp
        self.paths = source.paths

    async def answer(self, request: AgentRequest) -> Answer:
        """It cannot."""
        return fault(503, f"{request.agent} does not run in this process", "error")
