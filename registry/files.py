"""Definitions and fleets in files: YAML, or JSON, which is YAML too."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from registry.errors import Malformed

MAX_FILE_BYTES = 1024 * 1024  # twice the largest definition that is accepted


class Loader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can name gigabytes, and definitions have no need of them."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias where it stands."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", event.start_mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """What a file says; `Malformed` names the file, and the line where it goes wrong."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Malformed(f"{path} has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8: byte {error.start}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Malformed(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from None


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
