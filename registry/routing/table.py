"""The routing table: a frozen snapshot of all that is registered, replaced whole by one assignment."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from urllib.parse import quote

import orjson

from agents.tokens import Key
from agents.wire import SUB_PATHS, Version


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: in words that an operator understands, and what they are about, for programs.

    Only the words and `count` are kept in the log: the row itself has path, name, agent and version.
    """

    rule: str  # route, sip, default, fallback, state, version, credentials, signature, host, mcp, folded, test
    detail: str
    ok: bool = True
    path: str = ""  # the route, or the path that is nobody's
    name: str = ""  # the SIP name
    count: int = 0  # requests that the row stands for, if not for one
    # Serialised here, once: the steps of most requests are those of their route and version.
    json: orjson.Fragment = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        detail = self.detail.encode(errors="replace").decode()  # callers can send half surrogates
        # Copied: orjson's own bytes keep 4 kB behind them, and there are two steps for each agent.
        kept: dict[str, object] = {"rule": self.rule, "detail": detail, "ok": self.ok}
        if self.count:
            kept["count"] = self.count
        text = bytes(bytearray(orjson.dumps(kept)))
        object.__setattr__(self, "json", orjson.Fragment(text))


NOT_PAUSED = Step("state", "it is not paused")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request to an agent must prove, ready to compare."""

    user: str
    password: str
    header: bytes = b""  # the usual form of the Authorization header
    userinfo: str = ""  # the form in URLs, escaped (RFC 3986, 3.2.1), with its @

    @classmethod
    def of(cls, user: str, password: str) -> "Credentials":
        """Work out the two forms."""
        header = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        return cls(user, password, header, f"{quote(user, safe='')}:{quote(password, safe='')}@")


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as it is served: its live version, and those that running calls may still be on."""

    id: int
    name: str
    credentials: Credentials | None  # None = nobody can get in
    signing_key: str  # "" = signatures are not checked
    key: Key
    live: Version | None  # None = its definition cannot be served; `problem` says why
    versions: Mapping[int, Version]
    paused: bytes | None  # the document for new calls while it is paused
    problem: str = ""
    live_step: Step = Step("version", "")
    paused_until: float = math.inf  # seconds since 1970, from when on new calls are answered again
    pause_over: Step = NOT_PAUSED  # what a decision says from then on
    by_mark: bool = False  # its documents name versions by a mark, and so does what is asked of one that is gone
    upstream: str = field(default="", repr=False)  # user:password for a remote agent's server
    callbacks: frozenset[str] = frozenset()  # further sub-paths: the SDK's routing callbacks


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route, the agent behind it, and the step that says so."""

    id: int
    path: str
    agent: AgentEntry
    step: Step
    prefix: str  # what stands before a sub-path: the path, nothing for the root


@dataclass(frozen=True)
class RoutingTable:
    """All routes and SIP names of one revision."""

    revision: int = 0
    routes: Mapping[str, RouteEntry] = field(default_factory=lambda: MappingProxyType({}))
    sip: Mapping[str, RouteEntry] = field(default_factory=lambda: MappingProxyType({}))
    agents: Mapping[str, RouteEntry] = field(default_factory=lambda: MappingProxyType({}))  # by name: their first route
    default: RouteEntry | None = None
    callbacks: Mapping[str, tuple[RouteEntry, str]] = field(default_factory=lambda: MappingProxyType({}))  # by path

    def find(self, path: str) -> tuple[RouteEntry, str] | None:
        """The route that a request path belongs to, and the sub-path behind it; None if nobody's.

        Exact: case counts, one slash at the end does not. Doubled slashes are forgiven behind a route, not in it.
        """
        routes = self.routes
        entry = routes.get(path)
        if entry is not None:
            return entry, ""
        route, _, last = path.rpartition("/")
        if last == "":  # a slash at the end
            if (entry := routes.get(route)) is not None:
                return entry, ""
            route, _, last = route.rpartition("/")
        if last in SUB_PATHS and (entry := routes.get(route or "/")) is not None:
            return entry, last
        if self.callbacks and (found := self.callbacks.get(path.rstrip("/"))) is not None:
            return found
        return self.find_doubled(path) if "//" in path else None

    def find_doubled(self, path: str) -> tuple[RouteEntry, str] | None:
        """The same for a path with doubled slashes: rare, so it may take its time."""
        path = path.rstrip("/")
        if (entry := self.routes.get(path)) is not None:
            return entry, ""
        route, _, last = path.rpartition("/")
        route = route.rstrip("/")
        if last in SUB_PATHS and route and (entry := self.routes.get(route)) is not None:
            return entry, last
        return None

    @cached_property
    def health(self) -> bytes:
        """The answer of /health (docs/contract.md, 1.1)."""
        paths = [entry.path for entry in sorted(self.routes.values(), key=lambda entry: entry.id)]
        return orjson.dumps({"status": "ok", "agents": len(self.agents), "routes": paths})

    def with_changes(
        self, revision: int, changed: set[int], entries: list[tuple[RouteEntry, list[str], bool]]
    ) -> "RoutingTable":
        """The next table: the agents with these ids as `entries` says, all others as they are.

        An entry is a route, the SIP names bound to it, and whether it is the default; the first entry of an agent is
        where transfers go.
        """
        routes = {path: entry for path, entry in self.routes.items() if entry.agent.id not in changed}
        sip = {name: entry for name, entry in self.sip.items() if entry.agent.id not in changed}
        agents = {name: entry for name, entry in self.agents.items() if entry.agent.id not in changed}
        callbacks = {path: found for path, found in self.callbacks.items() if found[0].agent.id not in changed}
        default = self.default if self.default and self.default.agent.id not in changed else None
        for entry, usernames, is_default in entries:
            routes[entry.path] = entry
            agents.setdefault(entry.agent.name, entry)
            sip.update(dict.fromkeys(usernames, entry))
            callbacks.update((f"{entry.prefix}/{path}", (entry, path)) for path in entry.agent.callbacks)
            default = entry if is_default else default
        frozen = MappingProxyType
        return RoutingTable(revision, frozen(routes), frozen(sip), frozen(agents), default, frozen(callbacks))


class Tables:
    """Where the current routing table is. The listener replaces it; whoever reads it keeps what it got."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current: RoutingTable | None = None
