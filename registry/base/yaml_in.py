"""Definitions and fleets in files: YAML, or JSON, which is YAML too."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.reader import Reader

from registry.base.errors import Malformed

MAX_FILE_BYTES = 1024 * 1024  # twice the largest definition that is accepted


class Refused(yaml.MarkedYAMLError):
    """What is YAML, but not in a file of ours."""


class Strict:
    """What makes a YAML loader one without aliases and double keys.

    A few lines of aliases can name gigabytes, and definitions have no need of them. Of two equal keys YAML takes the
    last, so what stands under the first would be lost unseen.
    """

    def compose_node(self: Any, parent: Any, index: Any) -> Any:
        """Refuse an alias where it stands."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise Refused(problem="aliases (*name) are not allowed", problem_mark=event.start_mark)
        return super().compose_node(parent, index)  # type: ignore[misc]

    def compose_mapping_node(self: Any, anchor: Any) -> Any:
        """Refuse the second of two equal keys where it stands."""
        node = super().compose_mapping_node(anchor)  # type: ignore[misc]
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
                        problem=f"duplicate key {key.value[:80]!r}; the first is in line {line}",
                        problem_mark=key.start_mark,
                    )
        return node

    def construct_object(self: Any, node: Any, deep: bool = False) -> Any:
        """Say where a value stands that is none, such as 2020-99-99."""
        try:
            return super().construct_object(node, deep)  # type: ignore[misc]
        except (AttributeError, LookupError, TypeError, ValueError):  # whatever its constructor stumbles over
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:80]!r} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


class Loader(Strict, yaml.SafeLoader):
    """Of small files."""


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    class QuickLoader(Strict, Composer, CParser, yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
        """Of large texts: libyaml finds the tokens, six times as fast as PyYAML's own scanner."""

        def __init__(self, stream: str):
            CParser.__init__(self, stream)
            Composer.__init__(self)
            yaml.constructor.SafeConstructor.__init__(self)
            yaml.resolver.Resolver.__init__(self)

else:
    QuickLoader = Loader  # type: ignore[misc, assignment]  # slow, but the same


def read_yaml(path: Path) -> Any:
    """What a file says; `Malformed` names the file, and the line where it goes wrong."""
    return parse(read_text(path, MAX_FILE_BYTES), str(path), Loader)


def read_text(path: Path, limit: int) -> str:
    """A file's text, of so many bytes at most."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise Malformed(f"{path} has {size:,} bytes, more than {limit:,}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8: byte {error.start}") from None


def parse(text: str, called: str, loader: Any = QuickLoader) -> Any:
    """What a text says, which messages call so ("" = by no name); `Malformed` has the line where it goes wrong."""
    try:
        if wrong := Reader.NON_PRINTABLE.search(text):  # libyaml counts in bytes
            raise yaml.reader.ReaderError(called, wrong.start(), ord(wrong[0]), "unicode", "")
        return yaml.load(text, loader)  # noqa: S506 - a SafeLoader
    except Refused as error:
        words = f"{called}, {where(error.problem_mark)}: {error.problem}".removeprefix(", ")
        raise Malformed(words, line=line_of(error.problem_mark)) from None
    except (yaml.YAMLError, RecursionError) as error:
        words, line = in_words(error, text)
        raise Malformed(f"{called} is neither YAML nor JSON: {words}".lstrip(), line=line) from None


def in_words(error: Exception, text: str) -> tuple[str, int]:
    """What is wrong in a file and where, in one line; and the number of that line, 0 if it is not known."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply", 0
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        return f"line {line}, column {column}: character {error.character:#06x} is not allowed", line
    assert isinstance(error, yaml.MarkedYAMLError)
    # The context says what was being read, and the mark where that begins.
    mark = error.problem_mark or error.context_mark
    problem = " ".join((error.problem or error.context or "").split())
    if error.context and error.problem and error.context_mark:
        problem += f" ({' '.join(error.context.split())} that begins in {where(error.context_mark)})"
    return f"{where(mark)}: {problem}", line_of(mark)


def line_of(mark: Any) -> int:
    """The number of a line, counted from one; 0 if there is no such place."""
    return mark.line + 1 if mark else 0


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


def parse_either(text: str, called: str) -> Any:
    """What a text says that begins as JSON or else is YAML."""
    return parse_json(text, called) if text.lstrip().startswith("{") else parse(text, called)


def parse_json(text: str, called: str) -> Any:
    """JSON by its own rules, for YAML 1.1 takes 1e5 for a text; what is no JSON may be YAML all the same."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in pairs:
            if key in found:
                raise Malformed(f"{called}: duplicate key {key[:80]!r} in one object".removeprefix(": "))
            found[key] = item
        return found

    try:
        value = json.loads(text, object_pairs_hook=once)
        if "\\ud" in text or "\\uD" in text:  # half surrogate pairs, which nothing can keep
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        words = f"{called} has a character that cannot be stored: half of a surrogate pair"
        raise Malformed(words.lstrip()) from None
    except ValueError:  # no JSON, or a number of thousands of digits: YAML's reader says where
        return parse(text, called)
    except RecursionError:
        raise Malformed(f"{called} is nested too deeply".lstrip()) from None
