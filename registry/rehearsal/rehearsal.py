"""Trying things out without a call: who would answer, with which document, and what a function says.

A run of a function is a row of the routing log like any request, of the kind `test`, and is not counted among the
agent's requests. Nothing here shows a secret: variables and tokens are masked, URLs come without credentials.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import orjson
from asgiref.sync import async_to_sync
from django.conf import settings

from agents.definition import deeper_than
from agents.errors import InvalidDefinition
from agents.kinds import kind_named, kind_of
from agents.models import Agent, AgentVersion
from agents.runners import Making
from agents.swml.document import pause_document
from agents.tokens import TokenKey, for_function
from agents.wire import AgentRequest, Answer, FixedUrls, LocalVersion, Onward, Sent, Version, Webhooks, request_to
from registry.actions.inspection import parsed
from registry.actions.lookups import get_agent
from registry.actions.versions import get_version
from registry.base.errors import Conflict, Malformed, NotFound
from registry.environment import environment
from registry.log.event import BLANK, Event
from registry.log.masking import MASK, Masker
from registry.log.recorder import Excerpts, Recorder
from registry.models import Route
from registry.rehearsal import served
from registry.rehearsal.stage import Stage
from registry.routing.addresses import prefix_of
from registry.routing.table import AgentEntry, Step
from registry.routing.trace_headers import current, new_id

TEST = "test"  # kind and channel of the rows in the routing log
MAX_GIVEN = 64 * 1024  # bytes of arguments and data
MAX_DEPTH = 32  # levels of them


@dataclass(frozen=True)
class Call:
    """A made-up call. `at`: seconds since 1970, None = now."""

    call_id: str = ""
    caller: str = ""
    dialled: str = ""
    at: float | None = None

    def body(self) -> dict[str, Any]:
        """What the platform says of it when it asks for a document."""
        return {"call": {"call_id": self.call_id, "from": self.caller, "to": self.dialled, "direction": "inbound"}}


@dataclass(frozen=True)
class Preview:
    """A document as a caller would get it."""

    version: int | None
    state: str  # serving or paused: then the document is the pause message
    document: Any
    problem: str = ""  # why it is not what the agent should have given


def preview(name: str, which: str, call: Call, base: str, stage: Stage | None = None) -> Preview:
    """The document of an agent's version. `which`: live, draft or a number. `base`: our public URL.

    The live version of a paused agent is its pause message, as callers hear it. A Python or remote agent is asked
    itself, through `stage`: a `RegistryError` says why it cannot be.
    """
    agent = get_agent(name, changing=False)
    version = version_of(agent, which)
    if which == "live" and agent.current_state == Agent.State.PAUSED:
        return Preview(version.number, agent.current_state, orjson.loads(pause_document(agent.pause_message)))
    if not kind_of(version.definition).here:
        return asked_itself(agent, version, call, base, stage)
    masked = dict.fromkeys(environment(), MASK)
    prepared = prepared_version(agent, version, masked)
    text = prepared.shown(f"{base}{first_prefix(agent)}".encode(), base.encode(), MASK.encode())
    return Preview(version.number, agent.current_state, orjson.loads(text))


def asked_itself(agent: Agent, version: AgentVersion, call: Call, base: str, stage: Stage | None) -> Preview:
    """The document that the agent's own code or server gives for a call, masked."""
    entry = served.served_entry(stage.tables.current if stage else None, agent, version)
    assert stage is not None
    assert entry.live is not None
    known = call if call.call_id else replace(call, call_id=f"test-{uuid4()}")
    request = request_of(agent, known, known.body(), base, stage.webhooks, entry)
    _, answer = async_to_sync(served.document_answer)(entry.live, request)
    problem = "" if answer.outcome == "ok" else answer.detail or answer.outcome
    return Preview(version.number, agent.current_state, served.shown(answer.body, entry), problem)


@dataclass(frozen=True)
class Run:
    """What a function answered in a rehearsal."""

    version: int
    status: int
    outcome: str
    detail: str
    answer: Any
    microseconds: int
    event: str  # id of its row in the routing log


async def run(version: Version, request: AgentRequest, by: str, stage: Stage) -> Run:
    """Call a function of a prepared version, and log it as a test."""
    if not kind_named(version.kind).here:
        request = await served.with_token(version, request)
    started = time.perf_counter_ns()
    answer = await version.answer(request)
    microseconds = (time.perf_counter_ns() - started) // 1000
    event = log(version, request, answer, microseconds, by, stage.recorder)
    masker = Masker(settings.MASKED_KEYS, environment().values())
    shown = masker.value(orjson.loads(masker.line(answer.body)), masker.known)
    detail = masker.known.masked(answer.detail)
    return Run(version.number, answer.status, answer.outcome, detail, shown, microseconds, event)


def log(version: Version, request: AgentRequest, answer: Answer, microseconds: int, by: str, recorder: Recorder) -> str:
    """One row of the routing log; its id."""
    call = request.body["call"]
    path = request.urls.own.decode().removeprefix(request.urls.base.decode())
    event: Event = {
        **BLANK,
        "kind": TEST,
        "method": "POST",
        "path": f"{path}/swaig",
        "route": path or "/",
        "agent": request.agent,
        "version": version.number,
        "call_id": request.call_id,
        "from": call["from"],
        "to": call["to"],
        "function": answer.function,
        "status": answer.status,
        "outcome": answer.outcome,
        "detail": answer.detail,
        "steps": [Step("test", f"run by {by}").json],
        "microseconds": microseconds,
        "request_id": request.onward.headers()["X-Request-ID"],
        "channel": TEST,
    }
    recorder.record(event, Excerpts(request.sent.raw, request.body, answer.body))
    return str(UUID(str(event["id"])))


def rehearsal_of(
    name: str,
    function: str,
    which: str,
    arguments: Mapping[str, Any],
    call: Call,
    extra: Mapping[str, Any],
    base: str,
    webhooks: Webhooks,
    stage: Stage | None = None,
) -> tuple[Version, AgentRequest]:
    """The prepared version and the request that `run` needs. `extra`: global_data and meta_data, if given.

    `stage`: where Python and remote agents run; those of them are asked for their own document first, by `run`.
    """
    agent = get_agent(name, changing=False)
    version, entry = version_to_run(agent, version_of(agent, which), function, stage)
    if deeper_than(MAX_DEPTH, [arguments, extra]):
        raise Malformed(f"the arguments or data are nested more than {MAX_DEPTH} levels deep")
    raw_arguments = orjson.dumps(arguments)
    if len(raw_arguments) + len(orjson.dumps(extra)) > MAX_GIVEN:
        raise Malformed(f"the arguments and data have more than {MAX_GIVEN:,} bytes")
    known = call if call.call_id else replace(call, call_id=f"test-{uuid4()}")
    body = {
        "function": function,
        "call_id": known.call_id,
        "caller_id_num": call.caller,
        "argument": {"parsed": [arguments], "raw": raw_arguments.decode()},
        **extra,
        "call": {"call_id": known.call_id, "from": call.caller, "to": call.dialled},
    }
    request = request_of(agent, known, body, base, webhooks, entry)
    return version, request._replace(sub_path="swaig", claim=for_function(function))


def version_to_run(
    agent: Agent, version: AgentVersion, function: str, stage: Stage | None
) -> tuple[Version, AgentEntry | None]:
    """The version that has the function, ready to answer; of an agent that runs elsewhere, how it is served too."""
    if not kind_of(version.definition).here:
        served.refuse_unknown(parsed(version.definition), function, version.number, agent.name)
        entry = served.served_entry(stage.tables.current if stage else None, agent, version)
        assert entry.live is not None
        return entry.live, entry
    prepared = prepared_version(agent, version, environment())
    if function not in prepared.functions:
        known = ", ".join(prepared.functions) or "none"
        raise NotFound(f"version {version.number} of {agent.name} has no function {function!r}; it has: {known}")
    return prepared, None


def request_of(
    agent: Agent, call: Call, body: dict[str, Any], base: str, webhooks: Webhooks, entry: AgentEntry | None
) -> AgentRequest:
    """A request for an agent's document, as the platform would make it; no URL in it has credentials."""
    request_id = current.get() or new_id()  # of whoever asked for the rehearsal
    routes = list(Route.objects.order_by("-id").values_list("agent__name", "path"))
    by_agent, paths = dict(routes), {path for _, path in routes}
    return request_to(
        agent=agent.name,
        body=body,
        call_id=call.call_id,
        now=time.time() if call.at is None else call.at,
        sent=Sent(orjson.dumps(body), served.JSON_HEADERS),
        urls=FixedUrls(
            f"{base}{first_prefix(agent)}".encode(),
            base.encode(),
            lambda other: f"{base}{prefix_of(by_agent[other])}" if other in by_agent else None,
            lambda path: f"{base}{prefix_of(path)}" if path in paths else None,
        ),
        onward=Onward(webhooks, lambda: {"X-Request-ID": request_id}, entry.upstream if entry else ""),
    )


# --- what they have in common ----------------------------------------------------------------------------------------


def version_of(agent: Agent, which: str) -> AgentVersion:
    """The version that `live`, `draft` or a number means."""
    if which in ("live", "draft"):
        found: AgentVersion | None = getattr(agent, which)
        if found is None:
            raise NotFound(f"agent {agent.name} has no {which} version")
        return found
    if not which.isascii() or not which.isdigit() or len(which) > 9:
        raise Malformed("the version is live, draft or a number", problems={"version": "live, draft or a number"})
    return get_version(agent, int(which))


def prepared_version(agent: Agent, version: AgentVersion, variables: Mapping[str, str]) -> LocalVersion:
    """A version, ready to answer."""
    kind = kind_of(version.definition)
    try:
        source = kind.read(version.definition)
    except InvalidDefinition as error:
        raise Conflict(f"version {version.number} cannot be served any more:\n{error}") from None
    key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), agent.name)
    return kind.local(
        source, Making(agent.name, first_prefix(agent) or "/", version.number, version.pk, key), variables
    )


def first_prefix(agent: Agent) -> str:
    """What stands before an agent's sub-paths: its first route, nothing for the root."""
    return prefix_of(agent.routes.order_by("pk").values_list("path", flat=True).first() or "/")
