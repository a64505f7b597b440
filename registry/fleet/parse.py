"""From the text of a fleet document to its values, with every problem named by its path."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from agents.definition.agent import MAX_DEPTH, deeper_than
from agents.definition.parts import FieldError, check_tree
from agents.errors import InvalidDefinition
from agents.kind import Kind
from agents.kinds import KINDS, keys, kind_of, read_source
from agents.models import Agent, is_over
from registry.actions.agents import check_tags, check_title
from registry.actions.pauses import check_end_of_pause, check_pause_message
from registry.base.errors import Malformed, RegistryError
from registry.base.yaml_in import parse_either
from registry.fleet.collector import without_collector
from registry.fleet.document import (
    FORMAT,
    MAX_AGENTS,
    MAX_BYTES,
    REFERENCE,
    Document,
    FleetAgent,
    FleetRoute,
    moment_text,
)
from registry.reports.describe import as_written
from registry.routing.addresses import check_agent_name, normalise_route, normalise_sip_username

DOCUMENT_KEYS = ("switchboard", "agents")
AGENT_KEYS = (
    "title",
    "tags",
    "state",
    "pause_message",
    "paused_until",
    "routes",
    "credentials",
    "signing_key",
    "upstream",
)
ROUTE_KEYS = ("default", "enabled", "sip", "auto_sip")
STATES = (Agent.State.SERVING.value, Agent.State.PAUSED.value)
VARIABLE_REFERENCE = re.compile(rf"{REFERENCE}([A-Za-z_][A-Za-z0-9_]*)\Z")
T = TypeVar("T")


@without_collector
def read_document(text: str | bytes, called: str = "the document") -> Document:
    """The fleet that a text in YAML or JSON says; `Malformed` has all problems by path."""
    if len(text if isinstance(text, bytes) else text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise Malformed(f"{called} has more than {MAX_BYTES:,} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"{called} is not UTF-8: byte {error.start}") from None
    value = parse_either(text, called)
    return document_of(value, called)


def document_of(value: Any, called: str = "the document") -> Document:
    """The same of a value that has been parsed."""
    reader = Reader()
    agents = reader.document(value)
    if reader.problems:
        lines = "\n".join(f"  {path}: {problem}" for path, problem in reader.problems.items())
        summary = f"{called} has problems"
        raise Malformed(f"{summary}:\n{lines}", problems=reader.problems, summary=summary)
    return Document({agent.name: agent for agent in agents})


def end_of_pause(until: datetime | None) -> str:
    """The end of a pause as documents have it, checked."""
    if until is not None:
        check_end_of_pause(until)
    return moment_text(until)


def kinds_in(found: dict[str, Any]) -> list[Kind[Any]]:
    """The kinds under whose keys something stands: there should be one."""
    return [kind for kind in KINDS.values() if found.get(kind.key) is not None]


class Reader:
    """Goes through a document and notes what is wrong, so that all of it can be said at once."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def note(self, path: str, problem: str) -> None:
        """Note a problem; the first of a path counts."""
        self.problems.setdefault(path, problem)

    def attempt(self, path: str, check: Callable[[Any], T], value: Any, instead: T) -> T:
        """What a check makes of a value, or a problem."""
        try:
            return check(value)
        except RegistryError as error:
            self.note(path, str(error))
            return instead

    def object(self, path: str, value: Any, keys: tuple[str, ...] = ()) -> dict[Any, Any]:
        """An object, of these keys if some are given."""
        if not isinstance(value, dict):
            self.note(path, "must be an object")
            return {}
        for key in value if keys else ():
            if key not in keys:
                self.note(f"{path}.{key}" if path else str(key), f"is not known here: {', '.join(keys)} are")
        return value

    def text(self, path: str, value: Any) -> str:
        """A text."""
        if isinstance(value, str):
            return value
        self.note(path, "must be a text: put it in quotes" if isinstance(value, (int, float)) else "must be a text")
        return ""

    def texts(self, path: str, value: Any) -> list[tuple[str, str]]:
        """A list of texts, each with its path."""
        if isinstance(value, list):
            found = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
            return [(where, self.text(where, item)) for where, item in found]
        self.note(path, "must be a list")
        return []

    def flag(self, path: str, value: Any) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.note(path, "must be true or false")
        return value is True

    def document(self, value: Any) -> list[FleetAgent]:
        """The whole of it."""
        if not isinstance(value, dict) or not value:
            self.note("document", f"must begin with `switchboard: {FORMAT}` and have agents by name")
            return []
        found = self.object("", value, DOCUMENT_KEYS)
        number = found.get("switchboard")
        if number != FORMAT or isinstance(number, bool):
            self.note("switchboard", f"must be {FORMAT}: the document's format, which is the only one known here")
        agents = self.object("agents", found.get("agents"))
        if len(agents) > MAX_AGENTS:
            self.note("agents", f"has {len(agents):,} agents, more than {MAX_AGENTS:,}")
            return []
        return [self.agent(f"agents.{name}", name, about) for name, about in agents.items()]

    def agent(self, path: str, name: Any, value: Any) -> FleetAgent:
        """An agent."""
        self.attempt(path, check_agent_name, name, "")
        found = self.object(path, value, (*AGENT_KEYS, *keys()))
        state, message, until = self.state(path, found)
        title = self.text(f"{path}.title", found.get("title", ""))
        tags = [tag for _, tag in self.texts(f"{path}.tags", found.get("tags", []))]
        if found.get("upstream") and not any(kind.has_upstream for kind in kinds_in(found)):
            self.note(f"{path}.upstream", "is for remote agents: credentials of their server")
        return FleetAgent(
            str(name),
            self.source(path, found),
            self.routes(f"{path}.routes", found.get("routes")),
            self.attempt(f"{path}.title", check_title, title, ""),
            tuple(self.attempt(f"{path}.tags", check_tags, tags, [])),
            state,
            message,
            self.reference(f"{path}.credentials", found.get("credentials", "")),
            self.reference(f"{path}.signing_key", found.get("signing_key", "")),
            until,
            self.reference(f"{path}.upstream", found.get("upstream", "")),
        )

    def state(self, path: str, found: dict[str, Any]) -> tuple[str, str, str]:
        """An agent's state, its pause message, and when the pause ends. One that is over is none: it serves."""
        state = found.get("state", STATES[0])
        message = self.text(f"{path}.pause_message", found.get("pause_message", ""))
        if state not in STATES:
            self.note(f"{path}.state", f"must be {' or '.join(STATES)}; an agent that is to go is left out")
        elif state == STATES[1]:
            message = self.attempt(f"{path}.pause_message", check_pause_message, message, "")
            until = self.moment(f"{path}.paused_until", found["paused_until"]) if found.get("paused_until") else None
            if is_over(until):
                return STATES[0], "", ""
            written = self.attempt(f"{path}.paused_until", end_of_pause, until, "")
            return STATES[1], message, written
        for word in ("pause_message", "paused_until"):
            if found.get(word):
                self.note(f"{path}.{word}", "is of no use without state: paused")
        return str(state), message, ""

    def moment(self, path: str, value: Any) -> datetime | None:
        """A moment with its offset; YAML's readers may have made one of it already."""
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self.note(path, "must be a time such as 2026-01-31T09:00:00Z")
            return None
        if found.tzinfo is None:
            self.note(path, "must have an offset from UTC, such as Z or +02:00")
            return None
        return found

    def source(self, path: str, found: dict[str, Any]) -> Any:
        """What an agent is: a definition, or what stands under the key of another kind, as people write it."""
        given = kinds_in(found)
        for kind in given[1:]:
            *others, last = keys()
            words = f"an agent is one of {', '.join(others)} and {last}"
            self.note(f"{path}.{kind.key}", f"stands beside {given[0].key}: {words}")
        if not given or given[0].bare:
            return self.definition(f"{path}.definition", found.get("definition"))
        (kind, *_) = given
        inner = found[kind.key]
        value = kind.unkeyed(inner)
        for word in kind.unwritten:
            if isinstance(inner, dict) and word in inner:
                self.note(f"{path}.{kind.key}.{word}", "is not for people to write: it is found out")
        try:
            check_tree(inner, ())
            return as_written(read_source(value).stored())
        except FieldError as error:
            self.note(f"{path}.{kind.key}.{error.path}".removesuffix("."), str(error))
        except InvalidDefinition as error:
            for where, problem in error.problems.items():
                self.note(f"{path}.{where}", problem)
        return value

    def definition(self, path: str, definition: Any) -> Any:
        """A definition: JSON, whatever it says. It is checked when it is compared, unless it is live already."""
        if definition is None:
            others = [kind.key for kind in KINDS.values() if not kind.bare]
            self.note(path, f"is missing: an agent has a definition, or {' or '.join(others)}")
        elif not (kind := kind_of(definition)).bare:
            self.note(path, f"must not have {kind.key} in it: {kind.key} stands instead of definition")
        elif not isinstance(definition, dict):
            self.note(path, "must be an object")
        elif deeper_than(MAX_DEPTH, definition):
            self.note(path, f"is nested too deeply: more than {MAX_DEPTH} levels")
        else:
            try:
                check_tree(definition, ())
            except FieldError as error:
                self.note(f"{path}.{error.path}".removesuffix("."), str(error))
        return definition

    def reference(self, path: str, value: Any) -> str:
        """The variable that `env:NAME` names."""
        found = VARIABLE_REFERENCE.match(value) if isinstance(value, str) else None
        if value != "" and not found:
            self.note(path, f"must be {REFERENCE}NAME: secrets are in variables, never in the document")
        return found[1] if found else ""

    def routes(self, path: str, value: Any) -> tuple[FleetRoute, ...]:
        """An agent's routes."""
        found = self.object(path, value)
        if value is None or value == {}:
            self.problems[path] = "is missing: an agent answers at one route at least, such as {/sales: {}}"
        routes: dict[str, FleetRoute] = {}
        for typed, about in found.items():
            where = f"{path}.{typed}"
            route = self.route(where, self.attempt(where, normalise_route, typed, ""), about)
            if route.path in routes and route.path:
                self.note(where, f"is {route.path}, which stands here already")
            routes[route.path] = route
        return tuple(routes.values())

    def route(self, path: str, normalised: str, value: Any) -> FleetRoute:
        """A route."""
        found = self.object(path, {} if value is None else value, ROUTE_KEYS)
        automatic = found.get("auto_sip", [])
        return FleetRoute(
            normalised,
            enabled=self.flag(f"{path}.enabled", found.get("enabled", True)),
            default=self.flag(f"{path}.default", found.get("default", False)),
            sip=self.names(f"{path}.sip", found.get("sip", [])),
            auto_sip=() if automatic is True else tuple(self.names(f"{path}.auto_sip", automatic)),
            all_auto_sip=automatic is True,
        )

    def names(self, path: str, value: Any) -> dict[str, str]:
        """SIP names as they are compared, with what was typed."""
        names: dict[str, str] = {}
        for where, typed in self.texts(path, value):
            if where not in self.problems:
                username = self.attempt(where, normalise_sip_username, typed, "")
                if username in names:
                    self.note(where, f"is {username}, which stands here already")
                names[username] = typed
        return names
