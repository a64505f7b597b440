"""What a definition comes out as, before anything of it is saved."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition
from agents.kinds import kind_of, kind_of_source
from agents.models import Agent
from agents.runners import Making
from agents.sources import Source
from agents.tokens import TokenKey
from dashboard.differences import Lines, line_differences, whole_lines
from registry.actions.definitions import read_definition, warnings_of
from registry.base.errors import Malformed
from registry.environment import environment
from registry.log.masking import MASK
from registry.rehearsal.rehearsal import first_prefix


@dataclass(frozen=True)
class Checked:
    """A definition that was looked at. `checked` is None if it has problems; `problems` by dotted path."""

    checked: AgentDefinition | None
    problems: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Preview:
    """A rendered document, and what is another one in it than in the live version's."""

    lines: Lines
    size: int = 0  # bytes
    whole: bool = False


def look_at(definition: Any, name: str) -> Checked:
    """Check a definition as it would be when saved, and write nothing. One query."""
    try:
        checked = read_definition(definition)
    except Malformed as error:
        return Checked(None, error.problems or {"definition": str(error)})
    return Checked(checked, {}, warnings_of(checked, name))


def document_of(agent: Agent, definition: Source, base: str) -> Any:
    """The document that callers would get, without secrets. `base`: our public URL."""
    masked, prefix = dict.fromkeys(environment(), MASK), first_prefix(agent)
    key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), agent.name)
    version = kind_of_source(definition).local(definition, Making(agent.name, prefix or "/", 0, 0, key), masked)
    return orjson.loads(version.shown(f"{base}{prefix}".encode(), base.encode(), MASK.encode()))


def stored_document(agent: Agent, definition: Any, base: str) -> Any:
    """The document of a kept definition; None if it cannot be rendered here, or not any more."""
    kind = kind_of(definition)
    if not kind.here:
        return None
    try:
        return document_of(agent, kind.read(definition), base)
    except InvalidDefinition:
        return None


def preview_of(agent: Agent, definition: AgentDefinition, base: str, *, whole: bool) -> Preview:
    """What a definition comes out as, compared with the live version; the whole of it if there is none."""
    document = document_of(agent, definition, base)
    live = stored_document(agent, agent.live.definition, base) if agent.live else None
    size = len(orjson.dumps(document))
    if live is None:
        return Preview(whole_lines(document), size, whole=True)
    lines = line_differences(live, document, whole=whole)
    return Preview(whole_lines(document) if whole and lines.same else lines, size, whole)
