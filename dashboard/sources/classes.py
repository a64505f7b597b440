"""The classes that the folders of AGENT_PATH hold, to choose from. Files are read, nothing of them is run."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

MAX_FILES = 200  # that are read
MAX_BYTES = 256 * 1024  # of a file
CLASS = re.compile(r"^class\s+([A-Za-z]\w*)\s*\(", re.MULTILINE | re.ASCII)


def classes_offered() -> list[str]:
    """As module:Class, in the order of the folders; at most those of MAX_FILES files."""
    found: dict[str, None] = {}
    for number, (module, file) in enumerate(modules()):
        if number == MAX_FILES:
            break
        found |= dict.fromkeys(f"{module}:{name}" for name in classes_in(file))
    return list(found)


def modules() -> Iterator[tuple[str, Path]]:
    """Modules and those of packages, one level deep, but for folders that pip has filled (`install --target`)."""
    for folder in map(Path, settings.AGENT_PATH):
        if next(folder.glob("*.dist-info"), None) is not None:
            continue
        for path in listed(folder):
            if path.suffix == ".py":
                yield path.stem, path
            elif (path / "__init__.py").is_file():
                yield path.name, path / "__init__.py"
                yield from (
                    (f"{path.name}.{each.stem}", each)
                    for each in listed(path)
                    if each.suffix == ".py" and each.stem != "__init__"
                )


def listed(folder: Path) -> list[Path]:
    """What is in a folder and has a name that can be imported; nothing if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.stem.isidentifier())
    except OSError:
        return []


def classes_in(file: Path) -> list[str]:
    """The classes with a base that a file defines."""
    try:
        if file.stat().st_size > MAX_BYTES:
            return []
        return CLASS.findall(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
