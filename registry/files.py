"""Definitions and fleets in files: YAML, or JSON, which is YAML too."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from registry.errors import Malformed

MAX_FILE_BYTES = 1024 * 1024  # twice the largest definition that is accepted

OTHER_LINE_ENDS = {"\r", "\x85", "\u2028", "\u2029"}  # which reading a file makes spaces or plain line ends of


class Refused(yaml.MarkedYAMLError):
    """What is YAML, but not in a file of ours."""


class Loader(yaml.SafeLoader):
    """YAML without aliases and double keys.

    A few lines of aliases can name gigabytes, and definitions have no need of them. Of two equal keys YAML takes the
    last, so what stands under the first would be lost unseen.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias where it stands."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise Refused(problem="aliases (*name) are not allowed", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuse the second of two equal keys where it stands."""
        node = super().compose_mapping_node(anchor)
        seen: dict[Any, Any] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                # As it will be a key of the dict: "a" and a are one, so are 1 and 0x1.
                merge = key.tag == "tag:yaml.org,2002:merge"
                value = key.value if merge else self.construct_object(key)
                first = seen.setdefault(value, key)
                if first is not key:
                    line = first.start_mark.line + 1
                    raise Refused(
                        problem=f"the key {key.value[:80]!r} stands here again; the first is in line {line}",
                        problem_mark=key.start_mark,
                    )
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Say where a value stands that is none, such as 2020-99-99."""
        try:
            return super().construct_object(node, deep)
        except (AttributeError, LookupError, TypeError, ValueError):  # whatever its constructor stumbles over
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:80]!r} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def read_yaml(path: Path) -> Any:
    """What a file says; `Malformed` names the file, and the line where it goes wrong."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Malformed(f"{path} has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8: byte {error.start}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """What a text says; `name` is what it is called where it goes wrong."""
    if len(text) > MAX_FILE_BYTES:
        raise Malformed(f"{name} has {len(text):,} characters, more than {MAX_FILE_BYTES:,}")
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except Refused as error:
        raise Malformed(f"{name}, {where(error.problem_mark)}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Malformed(f"{name} is neither YAML nor JSON: {in_words(error, text)}") from None


class Dumper(yaml.SafeDumper):
    """YAML that reads as people write it: keys in their order, long texts in blocks, no aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        """None: `Loader` refuses them."""
        return True


def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text of several lines as a block, where YAML can; one with line ends of other kinds is written in quotes."""
    style = '"' if OTHER_LINE_ENDS & set(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, represent_text)


def write_yaml(value: Any) -> str:
    """A definition as a text that `parse_yaml` reads back."""
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)


def in_words(error: Exception, text: str) -> str:
    """What is wrong in a file and where, in one line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        return f"line {line}, column {column}: character {error.character:#06x} is not allowed"
    assert isinstance(error, yaml.MarkedYAMLError)
    # The context says what was being read, and the mark where that begins.
    place = where(error.problem_mark or error.context_mark)
    problem = " ".join((error.problem or error.context or "").split())
    if error.context and error.problem and error.context_mark:
        problem += f" ({' '.join(error.context.split())} that begins in {where(error.context_mark)})"
    return f"{place}: {problem}"


def where(mark: Any) -> str:
    """A place in a file, counted from one as editors do."""
    return f"line {mark.line + 1}, column {mark.column + 1}"


@dataclass(frozen=True)
class FleetEntry:
    """An agent of a fleet file: name, route, SIP names, definition."""

    name: str
    route: str
    definition: Any
    sip: tuple[str, ...] = ()


def read_fleet(path: Path) -> list[FleetEntry]:
    """The agents of a file `{name: {route, sip, definition}}`, in its order."""
    fleet = read_yaml(path)
    if not isinstance(fleet, dict):
        raise Malformed(f"{path} must have agents by name")
    entries = []
    for name, about in fleet.items():
        if not isinstance(about, dict) or not {"route", "definition"} <= set(about) <= {"route", "definition", "sip"}:
            raise Malformed(f"{path}: {name} needs a route and a definition, and may have sip")
        names = about.get("sip", [])
        if not isinstance(names, list):
            raise Malformed(f"{path}: sip of {name} must be a list, such as [help-desk]")
        entries.append(FleetEntry(name, about["route"], about["definition"], tuple(names)))
    return entries
