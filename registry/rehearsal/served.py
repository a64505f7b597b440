"""Python and remote agents in rehearsals: only their live version runs, and only where agents are served."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings

from agents.kinds import kind_of_source
from agents.models import Agent, AgentVersion
from agents.sources import Source
from agents.wire import (
    AgentRequest,
    Answer,
    Version,
    awaited,
)
from registry.base.errors import Conflict, NotFound, RegistryError
from registry.environment import environment
from registry.log.masking import Masker
from registry.routing.http import parse_query
from registry.routing.table import AgentEntry, RoutingTable

MAX_NESTED = 64  # levels of a document in which functions are looked for
JSON_HEADERS = {b"content-type": b"application/json", b"accept": b"application/json"}


class NotHere(RegistryError):  # noqa: N818 - reads as the sentence
    """This process cannot ask the agent."""

    status = 503


class NoDocument(RegistryError):  # noqa: N818
    """The agent was asked and gave none."""

    status = 409


def served_entry(table: RoutingTable | None, agent: Agent, version: AgentVersion) -> AgentEntry:
    """The agent as this process serves it, its live version ready to be asked; a `RegistryError` says why not."""
    if version.pk != agent.live_id:
        raise Conflict(
            f"version {version.number} of {agent.name} runs outside of Switchboard: of such versions only the live one"
            " can be asked; its fields stand under Versions"
        )
    if table is None:
        raise NotHere("this process serves no agents: Python and remote agents are asked where agents are served")
    route = table.agents.get(agent.name)
    if route is None:
        raise NotHere(f"{agent.name} is not served at present: it has no route that is on")
    if route.agent.live is None or route.agent.live.number != version.number:
        raise NotHere(f"version {version.number} of {agent.name} is not served here yet: try again in a moment")
    return route.agent


def refuse_unknown(source: Source, function: str, number: int, name: str) -> None:
    """Refuse a function that was not found, or that the platform runs itself."""
    functions = kind_of_source(source).functions(source)
    here = [each for each, found in functions.items() if found.runs_here]
    if function not in here:
        there = function in functions
        why = "is run by the platform itself, not here" if there else "is not among its functions"
        raise NotFound(
            f"{function!r} {why}: version {number} of {name} runs {', '.join(here) or 'none'}; reload it if that is old"
        )


async def document_answer(version: Version, request: AgentRequest) -> tuple[Any, Answer]:
    """The document that the agent renders for this call, with its tokens; `NoDocument` if it gives none."""
    answer = await awaited(version.answer(request))
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    if answer.status >= 400 or not isinstance(document, dict):
        said = document.get("error") if isinstance(document, dict) else None
        raise NoDocument(f"{request.agent} gives no document: {answer.detail or said or f'status {answer.status}'}")
    return document, answer


async def with_token(version: Version, request: AgentRequest) -> AgentRequest:
    """A function's request as the platform makes it: with the query that the agent's own document gives for the call.

    Without a document, or if it does not name the function, the agent itself says what it thinks of the request.
    """
    call = {"call": {"direction": "inbound", **request.body["call"]}}
    raw = orjson.dumps(call)
    asked = request._replace(sub_path="", sent=request.sent._replace(raw=raw), body=call, claim=None)
    try:
        document, _ = await document_answer(version, asked)
    except NoDocument:
        return request
    query = query_of(document, request.body["function"]).encode()
    return request._replace(sent=request.sent._replace(query=parse_query(query), query_string=query))


def query_of(document: Any, function: str) -> str:
    """The query with which a document has a function called; "" if it has none."""
    for swaig in swaigs_of(document, MAX_NESTED):
        functions = swaig.get("functions")
        for each in functions if isinstance(functions, list) else ():
            if isinstance(each, dict) and each.get("function") == function:
                defaults = swaig.get("defaults")
                usual = defaults.get("web_hook_url") if isinstance(defaults, dict) else None
                url = each.get("web_hook_url") or usual
                return urlsplit(url).query if isinstance(url, str) else ""
    return ""


def swaigs_of(value: Any, left: int) -> Iterator[dict[str, Any]]:
    """The SWAIG objects of a document, wherever its sections have them."""
    if left == 0:
        return
    if isinstance(value, dict):
        swaig = value.get("SWAIG")
        if isinstance(swaig, dict):
            yield swaig
        for item in value.values():
            yield from swaigs_of(item, left - 1)
    elif isinstance(value, list):
        for item in value:
            yield from swaigs_of(item, left - 1)


def shown(body: bytes, entry: AgentEntry | None = None) -> Any:
    """A JSON answer of an agent without tokens, users and passwords, and without what this server keeps secret."""
    secrets = [*environment().values()]
    if entry is not None:
        secrets += [entry.credentials.password] if entry.credentials else []
        secrets += [entry.upstream, entry.upstream.partition(":")[2], entry.signing_key]
    masker = Masker(settings.MASKED_KEYS, [secret for secret in secrets if secret])
    return texts_masked(orjson.loads(masker.line(body)), masker)


def texts_masked(value: Any, masker: Masker) -> Any:
    """A JSON value with known secrets masked in its texts; keys are the agent's own words and stay."""
    if isinstance(value, dict):
        return {key: texts_masked(item, masker) for key, item in value.items()}
    if isinstance(value, list):
        return [texts_masked(item, masker) for item in value]
    return masker.known.masked(value) if isinstance(value, str) else value
