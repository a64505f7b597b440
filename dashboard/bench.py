"""The state of the test bench: what was chosen and typed, and the API calls that do the same."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from agents.definition.functions import Function, WebhookHandler
from agents.errors import InvalidDefinition
from agents.kinds import kind_of_source, read_source
from agents.models import Agent, AgentVersion
from agents.sources import AnyFunction
from dashboard.code_lines import pretty
from dashboard.fields import MAX_LINE, MAX_WORD, line_of
from dashboard.schema_form import PREFIX, Field, WrongValue, arguments_of, fields_of, read_object, typed_of
from registry.actions.lookups import get_agent
from registry.base.errors import RegistryError, sentence
from registry.rehearsal.rehearsal import Call, version_of

VERSIONS = 50  # that are offered; older ones by their number in the address
TOKEN = "$SWITCHBOARD_TOKEN"  # noqa: S105 - stands for one


@dataclass
class Bench:
    """Everything that the page shows. Problems by field."""

    tool: str = "function"
    agent: str = ""
    version: str = "live"
    function: str = ""
    view: str = "form"  # form or raw
    call: Call = field(default_factory=Call)
    typed: dict[str, str] = field(default_factory=dict)  # by parameter
    raw: str = ""
    data: dict[str, str] = field(default_factory=dict)  # global_data and meta_data, as typed
    problems: dict[str, str] = field(default_factory=dict)
    versions: list[tuple[str, str]] = field(default_factory=list)  # value, label
    asks: str = ""  # of a version that runs elsewhere: who is asked for its functions
    runs_code: bool = False  # whether that is code here
    functions: dict[str, AnyFunction] = field(default_factory=dict)

    @property
    def chosen(self) -> AnyFunction | None:
        """The function that is chosen."""
        return self.functions.get(self.function)

    @property
    def fields(self) -> list[Field]:
        """Its form."""
        return fields_of(self.chosen.parameters) if self.chosen else []

    @property
    def shown_fields(self) -> list[dict[str, Any]]:
        """Its form with what was typed."""
        return [
            {"field": each, "text": self.typed.get(each.name, ""), "problem": self.problems.get(each.key, "")}
            for each in self.fields
        ]

    @property
    def webhook(self) -> str:
        """Whom a run asks for real: the author's server; "" if nobody."""
        if self.asks:
            return self.asks
        handler = self.chosen.handler if isinstance(self.chosen, Function) else None
        return (handler.webhook.url or "its server") if isinstance(handler, WebhookHandler) else ""

    @property
    def schema(self) -> str:
        """The parameters' schema, to look at."""
        return pretty(self.chosen.parameters) if self.chosen else ""

    def arguments(self) -> dict[str, Any]:
        """What was typed, as arguments; what is wrong is noted."""
        if self.view == "raw":
            return self.read("raw", self.raw)
        arguments, problems = arguments_of(self.fields, self.typed)
        self.problems |= {f"{PREFIX}{name}": problem for name, problem in problems.items()}
        return arguments

    def extra(self) -> dict[str, Any]:
        """global_data and meta_data, if they were given."""
        return {name: self.read(name, text) for name, text in self.data.items() if text.strip()}

    def read(self, name: str, text: str) -> dict[str, Any]:
        """A JSON object; if it is none, that is noted."""
        try:
            return read_object(text)
        except WrongValue as error:
            self.problems[name] = str(error)
            return {}

    def fill(self, arguments: dict[str, Any]) -> None:
        """Show these arguments: in the form if it can say them, else as JSON."""
        typed = typed_of(self.fields, arguments)
        if typed is None:
            self.view = "raw"
        else:
            self.typed = typed
        self.raw = pretty(arguments)


def bench_of(given: Mapping[str, str]) -> Bench:
    """What a query or a form says. Unknown names are problems, not errors."""

    def text(name: str, usual: str = "", most: int = MAX_LINE) -> str:
        return line_of(given, name, most) or usual

    tool = text("tool", "function")
    bench = Bench(
        tool=tool if tool in ("document", "function", "routing") else "function",
        agent=text("agent", most=63),
        version=text("version", "live", 10),
        function=text("function", most=200),
        view="raw" if text("view") == "raw" else "form",
        call=Call(text("call_id", most=MAX_WORD), text("caller", most=MAX_WORD), text("dialled", most=MAX_WORD)),
        typed={name.removeprefix(PREFIX): given[name] for name in given if name.startswith(PREFIX)},
        raw=given.get("raw", ""),
        data={name: given.get(name, "") for name in ("global_data", "meta_data")},
    )
    if bench.agent:
        look_up(bench)
    if "arguments" in given:
        bench.fill(bench.read("raw", given["arguments"]))
        if "raw" in bench.problems:
            bench.view, bench.raw = "raw", given["arguments"]
    return bench


def look_up(bench: Bench) -> None:
    """The versions of the agent, and the functions of the one that is chosen."""
    try:
        agent = get_agent(bench.agent, changing=False)
    except RegistryError as error:
        bench.problems["agent"] = sentence(error)
        return
    bench.versions = versions_of(agent, bench.version)
    if bench.tool != "function":
        return
    try:
        version = version_of(agent, bench.version)
        source = read_source(version.definition)
    except RegistryError as error:
        bench.problems["version"] = sentence(error)
        return
    except InvalidDefinition as error:
        bench.problems["version"] = f"This version cannot be served any more: {error}"
        return
    kind = kind_of_source(source)
    functions = kind.functions(source)
    if not kind.here:
        bench.asks, bench.runs_code = str(source), kind.runs_code
        if version.pk != agent.live_id:
            bench.problems["version"] = f"Of a {kind.label} agent only the live version runs."
            return
    bench.functions = {name: function for name, function in functions.items() if function.runs_here}
    if bench.function and bench.function not in bench.functions:
        there = bench.function in functions
        words = "is run by the platform, not here" if there else "is not among the functions of this version"
        bench.problems["function"] = f"{bench.function} {words}."
        bench.function = ""
    if not bench.function and len(bench.functions) == 1:
        bench.function = next(iter(bench.functions))


def versions_of(agent: Agent, chosen: str) -> list[tuple[str, str]]:
    """What can be chosen: live, draft, and the newest numbers."""
    found = [("live", f"live (v{agent.live.number})")] if agent.live else []
    if agent.draft:
        found.append(("draft", f"draft (v{agent.draft.number})"))
    numbers = AgentVersion.objects.filter(agent=agent).order_by("-number").values_list("number", flat=True)[:VERSIONS]
    found += [(str(number), f"v{number}") for number in numbers]
    if chosen not in dict(found):
        found.append((chosen, f"v{chosen}" if chosen.isdigit() else chosen))
    return found


def document_curl(bench: Bench, base: str) -> str:
    """The API call that shows the document."""
    asked = {"version": bench.version, "call_id": bench.call.call_id, "caller": bench.call.caller}
    query = urlencode({name: value for name, value in {**asked, "dialled": bench.call.dialled}.items() if value})
    return curl(f"{base}/api/v1/agents/{quote(bench.agent)}/document?{query}")


def run_curl(bench: Bench, arguments: dict[str, Any], extra: dict[str, Any], base: str) -> str:
    """The API call that runs the function."""
    call = {name: value for name, value in vars(bench.call).items() if value and name != "at"}
    body = {"arguments": arguments, "version": bench.version, **({"call": call} if call else {}), **extra}
    url = f"{base}/api/v1/agents/{quote(bench.agent)}/functions/{quote(bench.function)}/run"
    return curl(url, json.dumps(body, ensure_ascii=False))


def curl(url: str, body: str = "") -> str:
    """A line for a shell. The token's variable is filled in by the shell."""
    sent = f" \\\n  -H 'Content-Type: application/json' -d {shlex.quote(body)}" if body else ""
    return f'curl -H "Authorization: Bearer {TOKEN}"{sent} \\\n  {shlex.quote(url)}'
