"""How commands are told of a Python or remote agent, and how they tell what was found of it."""

import getpass
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from agents.kinds import USUAL, kind_of, kind_of_source, read_source
from agents.models import Agent
from agents.python.launch import script_below
from agents.python.source import PythonSource
from agents.sources import Source
from registry.actions import instead
from registry.actions.inspection import Upstream
from registry.base.errors import Malformed
from registry.base.text import safe
from registry.base.yaml_in import MAX_FILE_BYTES, parse, read_text, read_yaml
from registry.reports.agent_health import trouble_soon

NONE = "none"
PATIENCE = "Still waiting for the database or the workers."
OF_PYTHON = ("arguments",)
OF_SCRIPTS = ("at",)
OF_REMOTE = ("more_urls", "user", "password", "seconds", "document_seconds", "keep_last_document")


def add_arguments(parser: CommandParser) -> None:
    """--file, --python, --script, --remote, and what belongs to each."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--file", type=Path, help="the definition, in YAML or JSON")
    source.add_argument(
        "--python", metavar="MODULE:CLASS", help="an AgentBase subclass in a folder of AGENT_PATH, fleet.sales:Sales"
    )
    source.add_argument("--script", metavar="PATH", help="an AgentServer script in a folder of AGENT_PATH; with --at")
    source.add_argument("--remote", metavar="URL", help="a running SWML server, http://host:3000/sales")
    parser.add_argument(
        "--arguments", metavar="JSON", help="--python: keyword arguments of the class, as JSON; @FILE reads them"
    )
    parser.add_argument("--at", metavar="ROUTE", help="--script: the route at which it registers the agent")
    parser.add_argument(
        "--validate-arguments",
        action="store_true",
        help="--python, --script, --remote: check arguments by the function's JSON Schema before it runs",
    )
    parser.add_argument("--more-urls", nargs="+", metavar="URL", help="--remote: further instances of the same agent")
    parser.add_argument("--user", help="--remote: with which the server is asked; none = it wants no credentials")
    parser.add_argument("--password", help="--remote: env:NAME reads it; left out: you are asked for it")
    parser.add_argument("--seconds", type=float, help="--remote: for a function to answer (100)")
    parser.add_argument("--document-seconds", type=float, help="--remote: for a document (15)")
    parser.add_argument(
        "--keep-last-document",
        action="store_true",
        help="--remote: serve the last good document while the server is down; it may hold another caller's data",
    )


def misuse(options: dict[str, Any]) -> str:
    """What of the options does not go together, in words; "" if all does."""
    for word, belonging in (("python", OF_PYTHON), ("script", OF_SCRIPTS), ("remote", OF_REMOTE)):
        for option in belonging:
            if not options[word] and options[option] not in (None, False):
                return f"--{option.replace('_', '-')} is for --{word}"
    if options["file"] and options["validate_arguments"]:
        return "--validate-arguments is for --python, --script and --remote: a definition says it itself"
    if options["script"] and not options["at"]:
        return "--at is missing: the route at which the script registers the agent, such as /sales"
    if options["password"] is not None and not options["user"]:
        return "--user is missing: with which --password goes"
    return ""


def source_of(options: dict[str, Any]) -> Any:
    """The definition or source that the options give."""
    common = {"validate_arguments": True} if options["validate_arguments"] else {}
    if options["python"]:
        return {"python": {"class": options["python"], "arguments": arguments_of(options["arguments"]), **common}}
    if options["script"]:
        return {"python": {"script": below_agent_path(options["script"]), "route": options["at"], **common}}
    if options["remote"]:
        given = {
            **common,
            "url": options["remote"],
            "more_urls": options["more_urls"],
            "seconds": options["seconds"],
            "document_seconds": options["document_seconds"],
            "keep_last_document": options["keep_last_document"],
        }
        return {"remote": {word: value for word, value in given.items() if value is not None}}
    return read_yaml(options["file"])


def what_takes_so_long(source: Any) -> str:
    """Words for a command that waits for a source to be looked at, and for the database and the workers."""
    return kind_of(source).patience or PATIENCE


def former_arguments(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The arguments that an agent of the same class has, for an update that gives none."""
    live = live_source(name) if options["python"] and options["arguments"] is None else None
    return live.arguments if isinstance(live, PythonSource) and live.class_ == options["python"] else {}


def arguments_of(text: str | None) -> Any:
    """Keyword arguments: JSON, or @FILE for one that has them."""
    if text is None:
        return {}
    called, content = "--arguments", text
    if text.startswith("@"):
        called, content = text[1:], read_text(Path(text[1:]), MAX_FILE_BYTES)
    try:
        arguments = json.loads(content)
    except (ValueError, RecursionError):
        arguments = parse(content, called)
    if not isinstance(arguments, dict):
        raise Malformed(f'{called} must be an object, such as {{"greeting": "Hello"}}')
    return arguments


def below_agent_path(script: str) -> str:
    """A script as it is kept: below a folder of AGENT_PATH, also if the path leads there from here."""
    found = script_below(script, settings.AGENT_PATH)
    return found[0] if found else script


def upstream_of(options: dict[str, Any]) -> Upstream:
    """User and password of a remote server; asked for on a terminal if only the user is given."""
    user, password = options["user"], options["password"]
    if user == NONE and password is None:
        return instead.NOTHING
    if not user:
        return None
    if password is None:
        if not sys.stdin.isatty():
            raise Malformed("--password is missing: env:NAME reads it from a variable")
        password = getpass.getpass(f"Password of {user} at {options['remote']}: ")
    return user, from_environment(password)


def from_environment(text: str) -> str:
    """The value of a variable if the text is env:NAME, else the text."""
    if not text.startswith("env:"):
        return text
    value = os.environ.get(text[4:], "")
    if not value:
        raise Malformed(f"the environment has no variable {text[4:]}")
    return value


def live_source(name: str) -> Source | None:
    """What an agent is, with all that was found; None for one that has a definition."""
    agent = Agent.objects.select_related("live").filter(name=name).first()
    if agent is None or agent.live is None or kind_of(agent.live.definition).bare:
        return None
    return read_source(agent.live.definition)


def found_lines(source: Source) -> Iterator[str]:
    """What was found of an agent, for people."""
    found = kind_of_source(source).found(source)
    if found is None:
        return
    names = [name if function.runs_here else f"{name} (not here)" for name, function in found.functions.items()]
    yield safe(f"Found: functions {', '.join(names)}") if names else "Found: no functions"
    if found.mcp:
        yield "Found: its functions are MCP tools, too"
    if found.sip:
        yield safe(f"Found: its own SIP names {', '.join(found.sip)}")
    if found.callbacks:
        yield safe(f"Found: routing callbacks at {', '.join('/' + path for path in found.callbacks)}")
    for words in found.not_served:
        yield safe(f"Not served here: {words}")


def trouble_lines(name: str, source: Source | None) -> list[str]:
    """What keeps a Python agent from running in the workers, which may have other files and settings than a command."""
    trouble = trouble_soon(name) if source and kind_of_source(source).runs_code else None
    if trouble is None:
        return []
    where = f"on {trouble.workers} of {trouble.of} workers" if trouble.of > 1 else "in the server"
    return [
        safe(f"It does not run {where}: {trouble.detail}"),
        "The server must have its files, and this command's AGENT_PATH, AGENT_MODULES and other variables, too.",
    ]


def source_json(source: Source | None) -> dict[str, Any]:
    """The same for --json."""
    if source is None:
        return {"kind": USUAL}
    found = kind_of_source(source).found(source)
    return {"kind": source.KIND, "source": source.given(), "found": found and found.model_dump(mode="json")}
