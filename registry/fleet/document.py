"""What a fleet document says, as values; and such values as the document, without anything that is default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.kind import Kind
from agents.kinds import kind_of
from agents.models import Agent
from registry.base.yaml_out import to_yaml

FORMAT = 1  # the number behind `switchboard`; another one is another format
MAX_BYTES = 64 * 1024 * 1024  # of a document: 20,000 agents of 3 kB
UPLOAD_BYTES = 8 * 1024 * 1024  # of one that comes by the API or a form: 4,000 agents; the command has no such limit
UPLOAD_MARKS = 300_000  # and of its lines, commas and brackets: each takes 400 bytes while it is read
MAX_AGENTS = 20_000  # twice the fleet that everything is measured with
REFERENCE = "env:"
MARKS = (b"\n", b",", b"[", b"{")  # of which every node of a document has one


def marks_of(text: bytes) -> int:
    """About how many nodes a document has, told before it is read: `UPLOAD_MARKS` limits it."""
    return sum(map(text.count, MARKS))


def moment_text(moment: datetime | None) -> str:
    """A moment as documents have it: always the same text for the same moment."""
    return "" if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class FleetRoute:
    """A route and what leads to it."""

    path: str
    enabled: bool = True
    default: bool = False
    sip: Mapping[str, str] = field(default_factory=dict)  # chosen names: as compared → as typed
    auto_sip: tuple[str, ...] = ()  # automatic names that are bound
    all_auto_sip: bool = False  # `auto_sip: true`: those that are free

    def as_plain(self) -> dict[str, Any]:
        """As it stands in the document."""
        plain: dict[str, Any] = {}
        if self.default:
            plain["default"] = True
        if not self.enabled:
            plain["enabled"] = False
        if self.sip:
            plain["sip"] = list(self.sip.values())
        if self.auto_sip or self.all_auto_sip:
            plain["auto_sip"] = True if self.all_auto_sip else list(self.auto_sip)
        return plain


@dataclass(frozen=True)
class FleetAgent:
    """An agent with its routes, in the order in which they are registered: transfers go to the first."""

    name: str
    definition: Any  # or of another kind, {key: …}, as people write it
    routes: tuple[FleetRoute, ...]
    title: str = ""
    tags: tuple[str, ...] = ()
    state: str = Agent.State.SERVING.value
    pause_message: str = ""
    credentials: str = ""  # the variable that has them; "" = the fleet's
    signing_key: str = ""
    paused_until: str = ""  # as `moment_text` writes it; "" = until somebody resumes it
    upstream: str = ""  # the variable with the credentials of a remote agent's server; "" = it wants none

    @property
    def kind(self) -> Kind[Any]:
        """Its kind."""
        return kind_of(self.definition)

    def as_plain(self) -> dict[str, Any]:
        """As it stands in the document."""
        plain: dict[str, Any] = {
            "title": self.title,
            "tags": list(self.tags),
            "state": self.state if self.state != Agent.State.SERVING else "",
            "pause_message": self.pause_message,
            "paused_until": self.paused_until,
            "routes": {route.path: route.as_plain() for route in self.routes},
            "credentials": f"{REFERENCE}{self.credentials}" if self.credentials else "",
            "signing_key": f"{REFERENCE}{self.signing_key}" if self.signing_key else "",
            "upstream": f"{REFERENCE}{self.upstream}" if self.upstream else "",
        }
        return {key: value for key, value in plain.items() if value} | self.kind.keyed(self.definition)


@dataclass(frozen=True)
class Document:
    """A whole fleet. `left_out`: why which agents of the registry are not in it."""

    agents: Mapping[str, FleetAgent]
    left_out: Mapping[str, str] = field(default_factory=dict)
    checked: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # see checks.py

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it; agents by name."""
        return {"switchboard": FORMAT, "agents": {name: self.agents[name].as_plain() for name in sorted(self.agents)}}

    def as_yaml(self) -> str:
        """As YAML: the same bytes for the same fleet."""
        return "".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The YAML, an agent at a time."""
        for name, why in sorted(self.left_out.items()):
            yield f"# Left out: {name}, {why}\n"
        plain = self.as_plain()
        yield to_yaml({"switchboard": plain["switchboard"]})
        if not plain["agents"]:
            yield to_yaml({"agents": {}})
            return
        yield "agents:\n"
        for name, agent in plain["agents"].items():
            yield "".join(f"  {line}" if line != "\n" else line for line in to_yaml({name: agent}).splitlines(True))
