"""Builds a Python agent once, in a process of its own, to see what it is."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

from agents.errors import UnusableSource
from agents.hosting.running import command, environment, order
from agents.sources import Found, FoundFunction, PythonSource

MAX_SEEN = 4 * 1024 * 1024  # bytes of an answer
SHOWN_OUTPUT = 300  # characters of what a process that died said last


@dataclass(frozen=True)
class Whereabouts:
    """Where Python agents may come from."""

    path: tuple[str, ...]  # folders
    modules: tuple[str, ...] = ()  # patterns; empty = what is in the folders
    seconds: float = 30  # for building one
    memory: int = 1024 * 1024 * 1024  # bytes
    hidden: frozenset[str] = field(default_factory=frozenset)  # environment variables that are none of an agent's


@dataclass
class Inspected:
    """What was seen of an agent."""

    found: Found
    code: str  # digest of the code that was loaded
    credentials: str = ""  # user:password that its code asks for
    signing_key: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass
class ScriptAgent:
    """An agent that a script registers."""

    route: str  # "/" for the root
    name: str
    inspected: Inspected
    sip: list[str] = field(default_factory=list)  # names that the script chose for it


@dataclass
class Script:
    """What a script serves."""

    agents: list[ScriptAgent]
    not_served: list[str]  # of it by us, in words
    code: str
    auto_sip: bool = False  # whether it has names made from agents' names and routes


def inspect(source: PythonSource, whereabouts: Whereabouts) -> Inspected:
    """Build the agent; `UnusableSource` says why it cannot be."""
    asked = order(source, whereabouts.path, whereabouts.modules, route="/inspection", memory=whereabouts.memory)
    answer = ask(asked, whereabouts)
    return inspected(answer["seen"], answer["code"])


def inspect_script(script: str, whereabouts: Whereabouts) -> Script:
    """Run a script until it would serve; `UnusableSource` says why it never comes to that."""
    source = PythonSource(script=script, route="/")
    asked = order(source, whereabouts.path, whereabouts.modules, list=True, memory=whereabouts.memory)
    answer = ask(asked, whereabouts)
    seen, code = answer["seen"], answer["code"]
    agents = [
        ScriptAgent(each["at"], each["seen"]["name"], inspected(each["seen"], code), each["seen"]["sip"])
        for each in seen["agents"]
    ]
    return Script(agents, seen["not_served"], code, seen["auto_sip"])


def inspected(seen: dict[str, Any], code: str) -> Inspected:
    """What a process says that it saw."""
    found = Found(
        name=seen["name"],
        functions={name: FoundFunction(**function) for name, function in seen["functions"].items()},
        mcp=seen["mcp"],
        callbacks=seen["callbacks"],
        sip=seen["sip"],
        not_served=seen["not_served"],
    )
    return Inspected(found, code, seen["credentials"], seen["signing_key"], seen["warnings"])


def ask(asked: dict[str, Any], whereabouts: Whereabouts) -> dict[str, Any]:
    """Start the process, give it the order, read its answer."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answers:
        try:
            process = subprocess.Popen(
                command("inspect", str(writing)),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[writing],
                env=environment(whereabouts.hidden),
                process_group=0,
            )
        finally:
            os.close(writing)
        try:
            _, errors = process.communicate(json.dumps(asked).encode(), timeout=whereabouts.seconds)
        except subprocess.TimeoutExpired:
            words = f"it was not built within {whereabouts.seconds:g} seconds: what does its constructor wait for?"
            raise UnusableSource(words) from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        text = answers.read(MAX_SEEN)
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        said = errors.decode(errors="replace").strip().rpartition("\n")[2][:SHOWN_OUTPUT]
        words = (
            f"its process ended with exit code {process.returncode} before it was built{f': {said}' if said else ''}"
        )
        raise UnusableSource(words) from None
    if "failed" in answer:
        raise UnusableSource(answer["failed"])
    return answer
