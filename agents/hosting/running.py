"""How the processes of Python agents are started: by which interpreter, with which environment, with which orders."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.sources import PythonSource

HERE = Path(__file__).parent
# The package is found by its path, which is then forgotten: an agent may have a module of any name.
START = (
    "import sys, runpy; place = sys.argv.pop(1); sys.path.insert(0, place); import switchboard_host; "
    "sys.path.remove(place); runpy.run_module('switchboard_host', run_name='__main__', alter_sys=False)"
)


@dataclass(frozen=True)
class HostLimits:
    """What a Python agent may take, and where it may come from."""

    path: tuple[str, ...] = ()  # folders
    modules: tuple[str, ...] = ()  # patterns; empty = what is in the folders
    seconds: float = 100  # for a function and anything else in a call
    document_seconds: float = 15
    running: int = 40  # requests at once
    memory: int = 1024 * 1024 * 1024  # bytes of one host
    hidden: frozenset[str] = field(default_factory=frozenset)  # environment variables that are none of an agent's


def command(what: str, *arguments: str) -> list[str]:
    """The command line of one of the package's processes. `-P`: the folder we are in has no say in imports."""
    return [sys.executable, "-P", "-c", START, str(HERE), what, *arguments]


def environment(hidden: Iterable[str]) -> Mapping[str, str]:
    """This process's environment without what is ours alone."""
    ours = frozenset(hidden)
    return {name: value for name, value in os.environ.items() if name not in ours}


def order(source: PythonSource, path: Iterable[str], modules: Iterable[str], **more: Any) -> dict[str, Any]:
    """What a process of the package is to build."""
    what = {"class": source.class_, "arguments": source.arguments, "script": source.script, "at": source.route}
    return {"path": list(path), "modules": list(modules), **what, **more}
