"""Agents: register, look, change, pause, unregister, bring back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status
from pydantic import ConfigDict, Field

from agents.models import Agent
from registry.actions import agents as agent_actions
from registry.actions import credentials as credential_actions
from registry.actions import instead, pauses, trash, versions
from registry.actions.etags import agent_tag
from registry.api.agent_shapes import AgentOut, AgentWhole
from registry.api.answers import (
    CHANGING,
    READING,
    TEXT,
    After,
    Changed,
    Credentials,
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
from registry.api.sources import DEFINITION, CredentialsIn, KindWord, SourceIn, Strict
from registry.api.times import in_zone, zone_of
from registry.base.errors import NotFound
from registry.policy import Deed
from registry.reports.agent_health import AgentTrouble, troubles
from registry.reports.describe import describe_agent, describe_source, describe_trouble, described_agents
from registry.requests import public_path

router = Router(tags=["agents"])
Note = Annotated[str, Field(max_length=500, description="why; kept with the version")]


class AgentPage(Page):
    """Agents by name."""

    items: list[AgentOut]


class Registration(SourceIn):
    """An agent to be registered."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "hours", "route": "/hours", "definition": DEFINITION, "sip": ["hours"]}},
    )

    name: str = Field(max_length=63, description="lower-case letters, digits, - and _")
    route: str = Field(max_length=200, description="URL path at which it answers")
    sip: list[str] = Field([], max_length=200, description="SIP names that lead here")
    auto_sip: bool = Field(True, description="SIP names from its name and route, too, where nobody has them")
    credentials: CredentialsIn | None = Field(None, description="of its own; left out: the fleet's, or made up")
    signing_key: str = Field("", max_length=1000, description="the platform's signing key, if not the fleet's")
    note: Note = ""


class AgentPatch(Strict):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"title": "Sales desk", "tags": ["emea"]}})

    title: str | None = Field(None, max_length=200)
    tags: list[str] | None = Field(None, max_length=20)
    credentials: CredentialsIn | None = Field(None, description="of its own; null = the fleet's from now on")
    signing_key: str | None = Field(None, max_length=1000, description="of its own; null = the fleet's from now on")
    upstream: CredentialsIn | None = Field(
        None,
        description="with which a remote agent's server is asked; null = it wants none. Reload tries them out",
    )


class PauseIn(Strict):
    """What new callers hear, and for how long: `until` or `minutes`; without both until somebody resumes it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"message": "Back at nine.", "minutes": 15}}
    )

    message: str = Field("", max_length=500, description="left out: a sentence of ours")
    until: datetime | None = Field(
        None, description="callers reach it again at this time, 30 days away at most; without an offset it is in UTC"
    )
    minutes: int | None = Field(
        None, ge=1, le=pauses.MAX_PAUSE_MINUTES, description="callers reach it again so many minutes from now"
    )


class ReloadIn(Strict):
    """How to reload."""

    force: bool = Field(False, description="a new version also of code that is the same: its data has changed, say")


class RestoreIn(Strict):
    """What to bring back."""

    version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="an old version, which becomes the newest; left out: out of the trash"
    )
    note: Note = ""


State = Literal["serving", "paused", "trashed"]


@router.get(
    "",
    auth=may(Deed.SEE),
    response=answers({200: AgentPage}, *READING),
    operation_id="list_agents",
    summary="List the agents by name",
)
def list_agents(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=200, pattern=TEXT, description="text in the name or title")] = "",
    state: Annotated[State | None, Query(description="left out: all but the trash")] = None,
    kind: Annotated[KindWord | None, Query(description="what they are; left out: all")] = None,
    tag: Annotated[str, Query(max_length=50, pattern=TEXT)] = "",
    after: After = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Agents with their routes and SIP names, by name; those in the trash only if they are asked for."""
    agents = described_agents().order_by("name")
    agents = agents.filter(Agent.in_state(state)) if state else agents.exclude(state=Agent.State.TRASHED)
    if kind:
        agents = agents.filter(kind=kind)
    if tag:
        agents = agents.filter(tags__contains=[tag])
    if q:
        agents = agents.filter(Q(name__has_text=q) | Q(title__has_text=q))
    if (position := position_of(after, [str])) is not None:
        agents = agents.filter(name__gt=position[0])
    found = list(agents[: limit + 1])
    in_trouble = troubles(agent.name for agent in found)
    return paged(found, limit, lambda agent: shown(agent, in_trouble), lambda agent: [agent.name])


@router.post(
    "",
    auth=may(Deed.CHANGE),
    response=answers({201: Changed}, *CHANGING),
    operation_id="register_agent",
    summary="Register an agent",
)
def register_agent(request: HttpRequest, response: HttpResponse, body: Registration, wait: Wait = False) -> Any:
    """It goes live, its route and SIP names answer in every replica. One call does it all, or nothing.

    A Python agent is built once on the way, a remote one asked for its document; what was found is in the agent.
    """
    change = agent_actions.register(
        body.name,
        body.route,
        body.source,
        sip=body.sip,
        auto_sip=body.auto_sip,
        credentials=pair(body.credentials),
        signing_key=body.signing_key,
        upstream=body.upstream,
        note=body.note,
        by=actor(request),
        wait=wait,
    )
    response["Location"] = public_path(f"/api/v1/agents/{change.agent}")
    return Status(201, edited(response, change))


@router.get(
    "/{name}",
    auth=may(Deed.SEE),
    response=answers({200: AgentWhole}, 404, 422),
    operation_id="get_agent",
    summary="Look at an agent",
)
def get_agent(request: HttpRequest, response: HttpResponse, name: str) -> dict[str, Any]:
    """Also one in the trash. The ETag is for If-Match."""
    agent = one_agent(name)
    tagged(response, agent_tag(agent))
    return shown(agent, troubles([name])) | describe_source(agent.live)


@router.patch(
    "/{name}",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, 412, *CHANGING),
    operation_id="update_agent",
    summary="Change an agent's title, tags or secrets",
)
def update_agent(
    request: HttpRequest,
    response: HttpResponse,
    name: str,
    body: AgentPatch,
    if_match: IfMatch = None,
    wait: Wait = False,
) -> Any:
    """What is left out stays. The definition is changed by its versions and draft."""
    given = body.model_fields_set
    own, upstream = pair(body.credentials), pair(body.upstream)
    change = agent_actions.update_agent(
        name,
        title=body.title,
        tags=body.tags,
        credentials=None if "credentials" not in given else own or instead.FLEET,
        signing_key="" if "signing_key" not in given else body.signing_key or instead.FLEET,
        upstream=None if "upstream" not in given else upstream or instead.NOTHING,
        expected=expected(if_match),
        by=actor(request),
        wait=wait,
    )
    return edited(response, change)


@router.delete(
    "/{name}",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 412, 422),
    operation_id="unregister_agent",
    summary="Unregister an agent",
)
def unregister_agent(request: HttpRequest, name: str, if_match: IfMatch = None, wait: Wait = False) -> Any:
    """All its routes and SIP names are gone at once: 404. It is in the trash, from which `restore` brings it back."""
    return trash.unregister_agent(name, expected=expected(if_match), by=actor(request), wait=wait).as_json()


@router.post(
    "/{name}/pause",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, *CHANGING),
    operation_id="pause_agent",
    summary="Pause an agent",
)
def pause_agent(request: HttpRequest, name: str, body: PauseIn | None = None, wait: Wait = False) -> Any:
    """New calls hear the message and are hung up; running calls go on.

    With `until` or `minutes` callers reach it again at that moment by themselves, also while the database is away.
    """
    body = body or PauseIn.model_validate({})
    until = in_zone(body.until, zone_of("UTC"))
    if body.minutes is not None:
        if until is not None:
            raise Refused(422, "the pause ends at `until` or after `minutes`: give one of them")
        until = pauses.end_of_pause(body.minutes)
    return pauses.pause(name, body.message, until=until, by=actor(request), wait=wait).as_json()


@router.post(
    "/{name}/resume",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 422),
    operation_id="resume_agent",
    summary="Resume an agent",
)
def resume_agent(request: HttpRequest, name: str, wait: Wait = False) -> Any:
    """New calls are answered again."""
    return pauses.resume(name, by=actor(request), wait=wait).as_json()


@router.post(
    "/{name}/reload",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, *CHANGING),
    operation_id="reload_agent",
    summary="Reload a Python or remote agent",
)
def reload_agent(request: HttpRequest, name: str, body: ReloadIn | None = None, wait: Wait = False) -> Any:
    """Its code is loaded, or its server asked, again: what changed becomes a new version, running calls keep theirs.

    `changed` is false if it is the same. A Python agent needs the level admin.
    """
    force = body is not None and body.force
    return agent_actions.reload(name, force=force, by=actor(request), wait=wait).as_json()


@router.post(
    "/{name}/restore",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, 412, *CHANGING),
    operation_id="restore_agent",
    summary="Bring back an old version, or an agent from the trash",
)
def restore_agent(
    request: HttpRequest, name: str, body: RestoreIn | None = None, if_match: IfMatch = None, wait: Wait = False
) -> Any:
    """With a version: what it says becomes the newest, live one. Without: the agent gets its routes and names back."""
    if body is None or body.version is None:
        return trash.restore_agent(name, expected=expected(if_match), by=actor(request), wait=wait).as_json()
    change = versions.restore_version(
        name, body.version, note=body.note, expected=expected(if_match), by=actor(request), wait=wait
    )
    return change.as_json()


@router.post(
    "/{name}/credentials",
    auth=may(Deed.REVEAL),
    response=answers({200: Credentials}, 404, 409, 422),
    operation_id="reveal_credentials",
    summary="Reveal an agent's credentials",
)
def reveal_credentials(request: HttpRequest, response: HttpResponse, name: str) -> dict[str, str]:
    """With which the platform asks it; the audit says who looked."""
    user, password = credential_actions.reveal_credentials(name, by=actor(request))
    response["Cache-Control"] = "no-store"
    return {"user": user, "password": password}


def shown(agent: Agent, in_trouble: Mapping[str, AgentTrouble]) -> dict[str, Any]:
    """An agent, with its trouble."""
    return describe_agent(agent) | {"trouble": describe_trouble(in_trouble.get(agent.name))}


def pair(given: CredentialsIn | None) -> tuple[str, str] | None:
    """User and password, as actions take them."""
    return (given.user, given.password) if given else None


def one_agent(name: str) -> Agent:
    """An agent, also from the trash."""
    agent = described_agents().filter(name=name).first()
    if agent is None:
        raise NotFound(f"there is no agent {name!r}")
    return agent
