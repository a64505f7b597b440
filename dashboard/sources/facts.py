"""What is known of a Python or remote agent, for people. No secret is among it."""

from dataclasses import dataclass
from typing import Any

from agents.sources import FoundFunction, PythonSource, RemoteSource, kind_of
from dashboard.agents.functions import Answerer, FunctionRow, parameters_of
from registry.actions.inspection import Seen

ElsewhereSource = PythonSource | RemoteSource
SHOWN_DIGEST = 12  # characters


@dataclass(frozen=True)
class Fact:
    """A line of what was seen. `tone`: ok, warn or "" (neither)."""

    tone: str
    text: str


def facts_of(seen: Seen) -> list[Fact]:
    """What looking at a source has shown, beside its functions."""
    source = seen.source
    assert isinstance(source, PythonSource | RemoteSource)
    found = source.found
    facts = []
    if isinstance(source, PythonSource):
        named = f" It calls itself {found.name}." if found.name else ""
        facts.append(Fact("ok", f"{source} can be built, in a process of its own.{named}"))
    else:
        count = len(source.endpoints)
        each = "It answers" if count == 1 else f"All {count} endpoints answer"
        facts.append(Fact("ok", f"{each} with a SWML document, the credentials are accepted."))
        facts.append(
            Fact("ok", f"TLS with a good certificate: {encrypted} of {count}.")
            if (encrypted := sum(url.lower().startswith("https:") for url in source.endpoints))
            else Fact("", "It is asked without TLS: whoever is on the way can read along.")
        )
        if others := [origin for origin in found.origins if not source.url.startswith(origin)]:
            facts.append(Fact("", f"Its documents name {', '.join(others)}; callers get our address instead."))
    if found.mcp:
        facts.append(Fact("", "Its functions can be reached by MCP too."))
    if found.sip:
        facts.append(Fact("", f"It claims the SIP names {', '.join(found.sip)}: it gets those that nobody has."))
    if found.callbacks:
        facts.append(Fact("", f"It answers at further paths: {', '.join(f'/{each}' for each in found.callbacks)}."))
    if seen.credentials:
        facts.append(Fact("", "Its code asks for credentials of its own: they become the agent's, unless you choose."))
    if seen.signing_key:
        facts.append(Fact("", "Its code has a signing key: requests without a good signature are refused."))
    facts += [Fact("warn", f"Not served: {each}") for each in found.not_served]
    return facts + [Fact("warn", warning) for warning in seen.warnings]


def functions_found(source: ElsewhereSource) -> list[FunctionRow]:
    """The functions that were seen, as those of stored agents are told."""
    return [row_of(name, function, source) for name, function in source.found.functions.items()]


def row_of(name: str, function: FoundFunction, source: ElsewhereSource) -> FunctionRow:
    """One function."""
    return FunctionRow(
        name,
        function.description,
        function.secure,
        True,
        parameters_of(function.parameters),
        answerer(function, source),
    )


def answerer(function: FoundFunction, source: ElsewhereSource) -> Answerer:
    """What answers it."""
    if not function.runs_here:
        return Answerer("elsewhere", ["SignalWire runs it, or asks another server; Switchboard does not see it."])
    if isinstance(source, PythonSource):
        return Answerer("Python", [f"Run by {source} in the agent's own process"])
    return Answerer("remote", [f"Asked at {source.url}"])


def comparable(definition: Any) -> Any:
    """A version's JSON as fields to compare: of a source without what was seen, but for the names of functions."""
    kind = kind_of(definition)
    if kind is None:
        return definition
    given = definition[kind] if isinstance(definition[kind], dict) else {}
    fields = {name: value for name, value in given.items() if name != "found"}
    found = given.get("found")
    functions = found.get("functions") if isinstance(found, dict) else None
    return {"kind": kind, **fields} | ({"functions": list(functions)} if isinstance(functions, dict) else {})


def as_given(definition: Any) -> Any:
    """A version's JSON as people write it: `register` and `publish` take it."""
    kind = kind_of(definition)
    if kind is None or not isinstance(definition[kind], dict):
        return definition
    return {kind: {name: value for name, value in definition[kind].items() if name not in ("found", "code")}}


def digest_of(definition: Any) -> str:
    """The beginning of the digest of a Python agent's code; "" without."""
    source = definition.get("python") if isinstance(definition, dict) else None
    code = source.get("code") if isinstance(source, dict) else None
    return code[:SHOWN_DIGEST] if isinstance(code, str) else ""


def functions_in(definition: Any) -> list[str]:
    """The names of a version's functions, of whatever kind; nothing is checked."""
    kind = kind_of(definition)
    holder = definition
    if kind is not None:
        source = definition[kind]
        holder = source.get("found") if isinstance(source, dict) else None
    functions = holder.get("functions") if isinstance(holder, dict) else None
    return list(functions) if isinstance(functions, dict) else []
