"""Builds a Python agent once, in a process of its own, to see what it is."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO, Any

from agents.errors import UnusableSource
from agents.python.launch import Whereabouts, command, environment, order
from agents.python.source import PythonSource
from agents.sources import Found, FoundFunction

MAX_SEEN = 4 * 1024 * 1024  # bytes of an answer
MAX_OUTPUT = 64 * 1024  # bytes of what a process said last
SHOWN_OUTPUT = 300  # characters of what a process that died said last


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
    asked = order(source, whereabouts, route="/inspection")
    answer = ask(asked, whereabouts)
    return inspected(answer["seen"], answer["code"])


def inspect_script(script: str, whereabouts: Whereabouts) -> Script:
    """Run a script until it would serve; `UnusableSource` says why it never comes to that."""
    source = PythonSource(script=script, route="/")
    asked = order(source, whereabouts, list=True)
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
    """Start the process, give it the order, read its answer.

    Both it and what it says on the way come in files: a pipe holds only so much, and stays open as long as any process
    that the agent's code has started.
    """
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command("inspect", str(answers.fileno())),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[answers.fileno()],
            env=environment(whereabouts.hidden),
            process_group=0,
        )
        try:
            process.communicate(json.dumps(asked).encode(), timeout=whereabouts.seconds)
        except subprocess.TimeoutExpired:
            words = f"it was not built within {whereabouts.seconds:g} seconds: what does its constructor wait for?"
            raise UnusableSource(words) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what its code has started
            process.wait()
        text = beginning(answers, MAX_SEEN)
        last_words = ending(errors).decode(errors="replace").strip().rpartition("\n")[2][:SHOWN_OUTPUT]
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        said = f": {last_words}" if last_words else ""
        words = f"its process ended with exit code {process.returncode} before it was built{said}"
        raise UnusableSource(words) from None
    if "failed" in answer:
        printed = f": {last_words}" if "sys.exit" in answer["failed"] and last_words else ""
        raise UnusableSource(f"{answer['failed']}{printed}")
    return answer


def beginning(file: IO[bytes], size: int) -> bytes:
    """So many bytes of a file at most."""
    file.seek(0)
    return file.read(size)


def ending(file: IO[bytes]) -> bytes:
    """The last bytes of a file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_OUTPUT))
    return file.read()
