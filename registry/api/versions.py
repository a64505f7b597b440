"""Definitions of agents: versions, the draft, and what they come out as."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from agents.kinds import kind_of
from agents.models import Agent, AgentVersion
from registry.actions import agents
from registry.actions import versions as version_actions
from registry.actions.etags import draft_tag
from registry.actions.versions import draft_of, get_version
from registry.api.agents import Note, one_agent
from registry.api.answers import (
    CHANGING,
    READING,
    After,
    Changed,
    IfMatch,
    Limit,
    Page,
    Wait,
    answers,
    edited,
    expected,
    paged,
    position_of,
    tagged,
)
from registry.api.problems import Refused
from registry.api.security import actor, may
from registry.api.sources import SourceIn, SourceOut, Strict
from registry.policy import Deed
from registry.rehearsal.rehearsal import Call, preview, rehearsal_of, run
from registry.rehearsal.stage import stage_of
from registry.reports.describe import describe_source, describe_version
from registry.requests import public_base

router = Router(tags=["definitions"])
MAX_ARGUMENTS = 200  # more no language model sends


class VersionOut(Schema):
    """A version of an agent's definition."""

    number: int
    state: Literal["live", "draft", "retired", "unpublished"]
    note: str
    author: str
    created: datetime
    retired: datetime | None = Field(description="when it stopped being live; running calls keep it for a day")


class VersionWhole(VersionOut, SourceOut):
    """A version with what it says: a definition, or else `python` or `remote`."""

    definition: dict[str, Any] | None = Field(description="null for Python and remote agents")


class VersionPage(Page):
    """Versions, newest first."""

    items: list[VersionOut]


class VersionIn(SourceIn):
    """What an agent shall be, and why."""

    note: Note = ""


class PreviewOut(Schema):
    """A document as a caller would get it, without credentials, tokens and secrets."""

    version: int | None
    state: str = Field(description="paused: the document is what callers of a paused agent hear")
    document: dict[str, Any]


class CallIn(Strict):
    """A made-up call."""

    call_id: str = Field("", max_length=256, description="left out: one is made up")
    caller: str = Field("", max_length=256, description="who calls", examples=["+15550100"])
    dialled: str = Field("", max_length=256, description="what they dialled")


class RunIn(Strict):
    """How to call a function."""

    arguments: dict[str, Any] = Field({}, max_length=MAX_ARGUMENTS, examples=[{"product": "widget"}])
    version: str = Field("live", max_length=10, description="live, draft or a number")
    call: CallIn | None = None
    global_data: dict[str, Any] | None = None
    meta_data: dict[str, Any] | None = None


class RunOut(Schema):
    """What the function answered. Its row in the routing log has the kind `test`."""

    version: int
    status: int = Field(description="that the platform would have got")
    outcome: str = Field(examples=["ok", "invalid_arguments", "error"])
    detail: str
    answer: dict[str, Any] = Field(examples=[{"response": "A widget costs $99.99."}])
    microseconds: int
    event: UUID = Field(description="its id in the routing log")


@router.get(
    "/{name}/versions",
    auth=may(Deed.SEE),
    response=answers({200: VersionPage}, 404, *READING),
    operation_id="list_versions",
    summary="List an agent's versions, newest first",
)
def list_versions(request: HttpRequest, name: str, after: After = "", limit: Limit = 100) -> dict[str, Any]:
    """Without their definitions."""
    agent = one_agent(name)
    versions = AgentVersion.objects.filter(agent=agent).defer("definition").order_by("-number")
    if (position := position_of(after, [int])) is not None:
        versions = versions.filter(number__lt=position[0])
    found = list(versions[: limit + 1])
    return paged(found, limit, lambda version: describe_version(version, agent), lambda version: [version.number])


@router.post(
    "/{name}/versions",
    auth=may(Deed.CHANGE),
    response=answers({201: Changed, 200: Changed}, 404, 412, *CHANGING),
    operation_id="publish_definition",
    summary="Publish a definition as a new version",
)
def publish_definition(
    request: HttpRequest,
    response: HttpResponse,
    name: str,
    body: VersionIn,
    if_match: IfMatch = None,
    wait: Wait = False,
) -> Any:
    """It is live at once, running calls keep theirs. A definition that is live already makes none: 200."""
    change = agents.publish(
        name,
        body.source,
        upstream=body.upstream,
        note=body.note,
        expected=expected(if_match),
        by=actor(request),
        wait=wait,
    )
    tagged(response, change.tag)
    return Status(201 if change.changed else 200, change.as_json())


@router.get(
    "/{name}/versions/{int:number}",
    auth=may(Deed.SEE),
    response=answers({200: VersionWhole}, 404, 422),
    operation_id="get_version",
    summary="Look at a version",
)
def look_at_version(request: HttpRequest, name: str, number: int) -> dict[str, Any]:
    """With its definition."""
    agent = one_agent(name)
    return whole(get_version(agent, min(number, 2**31 - 1)), agent)


@router.get(
    "/{name}/draft",
    auth=may(Deed.SEE),
    response=answers({200: VersionWhole}, 404, 422),
    operation_id="get_draft",
    summary="Look at an agent's draft",
)
def get_draft(request: HttpRequest, response: HttpResponse, name: str) -> dict[str, Any]:
    """The ETag is for If-Match."""
    agent = one_agent(name)
    draft = draft_of(agent)
    tagged(response, draft_tag(agent) or "")
    return whole(draft, agent)


@router.put(
    "/{name}/draft",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, 412, *CHANGING),
    operation_id="save_draft",
    summary="Save an agent's draft",
)
def save_draft(
    request: HttpRequest, response: HttpResponse, name: str, body: VersionIn, if_match: IfMatch = None
) -> Any:
    """Callers do not hear it before it is published. A remote server's credentials are the agent's: PATCH has them."""
    if body.upstream is not None:
        raise Refused(422, "a draft has no credentials of its own: change the agent's `upstream`, or publish a version")
    change = version_actions.save_draft(
        name, body.source, note=body.note, expected=expected(if_match), by=actor(request)
    )
    return edited(response, change)


@router.delete(
    "/{name}/draft",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 412, 422),
    operation_id="discard_draft",
    summary="Discard an agent's draft",
)
def discard_draft(request: HttpRequest, name: str, if_match: IfMatch = None) -> Any:
    """Its version stays among the others, unpublished."""
    return version_actions.discard_draft(name, expected=expected(if_match), by=actor(request)).as_json()


@router.post(
    "/{name}/publish",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 412, 422),
    operation_id="publish_draft",
    summary="Publish an agent's draft",
)
def publish_draft(request: HttpRequest, name: str, if_match: IfMatch = None, wait: Wait = False) -> Any:
    """The draft goes live, running calls keep their version. If-Match takes the draft's ETag."""
    change = version_actions.publish_draft(name, expected=expected(if_match), by=actor(request), wait=wait)
    return change.as_json()


@router.get(
    "/{name}/document",
    auth=may(Deed.SEE),
    response=answers({200: PreviewOut}, 404, 409, *READING),
    operation_id="preview_document",
    summary="The SWML document as a given caller would get it",
)
def preview_document(
    request: HttpRequest,
    name: str,
    version: Annotated[str, Query(max_length=10, description="live, draft or a number")] = "live",
    call_id: Annotated[str, Query(max_length=256)] = "",
    caller: Annotated[str, Query(max_length=256, description="who calls")] = "",
    dialled: Annotated[str, Query(max_length=256, description="what they dialled")] = "",
) -> Any:
    """Tokens, credentials and variables are masked."""
    return vars(preview(name, version, Call(call_id, caller, dialled), public_base(request), stage_of(request)))


@router.post(
    "/{name}/functions/{function}/run",
    auth=may(Deed.REHEARSE),
    response=answers({200: RunOut}, 404, *CHANGING),
    operation_id="run_function",
    summary="Run a function",
)
def run_function(request: HttpRequest, name: str, function: str, body: RunIn | None = None) -> Any:
    """As the platform would call it: authors' servers are really asked. It counts as a test, not as a request."""
    body = body or RunIn.model_validate({})
    given = body.call or CallIn.model_validate({})
    stage = stage_of(request)
    if stage is None:
        raise Refused(503, "this process serves no agents: ask one that does", {"Retry-After": "1"})
    extra = {word: value for word in ("global_data", "meta_data") if (value := getattr(body, word)) is not None}
    call = Call(given.call_id, given.caller, given.dialled)
    version, asked = rehearsal_of(
        name, function, body.version, body.arguments, call, extra, public_base(request), stage.webhooks, stage
    )
    return vars(async_to_sync(run)(version, asked, actor(request).name, stage))


def whole(version: AgentVersion, agent: Agent) -> dict[str, Any]:
    """A version with what it says."""
    definition = version.definition if kind_of(version.definition).bare else None
    return {**describe_version(version, agent), "definition": definition, **describe_source(version)}
