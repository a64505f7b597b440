"""How the processes of Python agents are started: by which interpreter, with which environment, with which orders."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.python.source import PythonSource

HERE = Path(__file__).parent
INSPECT_SECONDS = 30  # for building an agent when it is looked at
# The package is found by its path, which is then forgotten: an agent may have a module of any name.
START = (
    "import sys, runpy; place = sys.argv.pop(1); sys.path.insert(0, place); import switchboard_host; "
    "sys.path.remove(place); runpy.run_module('switchboard_host', run_name='__main__', alter_sys=False)"
)


@dataclass(frozen=True)
class Whereabouts:
    """Where Python agents may come from, and what their processes get."""

    path: tuple[str, ...] = ()  # folders
    modules: tuple[str, ...] = ()  # patterns; empty = what is in the folders
    seconds: float = INSPECT_SECONDS
    memory: int = 1024 * 1024 * 1024  # bytes of one process
    hidden: frozenset[str] = field(default_factory=frozenset)  # environment variables that are none of an agent's


@dataclass(frozen=True)
class HostLimits:
    """What a Python agent may take that is served."""

    whereabouts: Whereabouts = Whereabouts()
    seconds: float = 100  # for a function and anything else in a call
    document_seconds: float = 15
    running: int = 40  # requests at once


def command(what: str, *arguments: str) -> list[str]:
    """The command line of one of the package's processes. `-P`: the folder we are in has no say in imports."""
    return [sys.executable, "-P", "-c", START, str(HERE), what, *arguments]


def environment(hidden: Iterable[str]) -> Mapping[str, str]:
    """This process's environment without what is ours alone."""
    ours = frozenset(hidden)
    return {name: value for name, value in os.environ.items() if name not in ours}


def order(source: PythonSource, whereabouts: Whereabouts, **more: Any) -> dict[str, Any]:
    """What a process of the package is to build."""
    what = {"class": source.class_, "arguments": source.arguments, "script": source.script, "at": source.route}
    limits = {"path": whereabouts.path, "modules": whereabouts.modules, "memory": whereabouts.memory}
    return {**limits, **what, **more}


def spelt_out(file: str) -> Path:
    """A path from the root, without `~` and `..`; links in it stay."""
    return Path(os.path.abspath(Path(file).expanduser()))  # noqa: PTH100 - `resolve` would follow them


def script_below(file: str, folders: Sequence[str]) -> tuple[str, str] | None:
    """A script's path below a folder of AGENT_PATH, and that folder; None if it is in none of them.

    The path may be spelt from where we are, with links or without, or from one of the folders.
    """
    given = spelt_out(file)
    spellings = [given, given.resolve()]
    if not Path(file).is_absolute():
        spellings += [Path(folder, file) for folder in folders]
    for path in spellings:
        for folder in folders:
            if path.is_relative_to(folder) and path.is_file():
                return path.relative_to(folder).as_posix(), folder
    return None
