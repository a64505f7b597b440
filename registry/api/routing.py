"""What leads to agents: routes, SIP names, and the decision as a dry run."""

import time
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from registry.actions import routes as route_actions
from registry.actions import sip_names
from registry.actions.etags import route_tag
from registry.api.agent_shapes import RouteOut, SipName
from registry.api.answers import (
    CHANGING,
    READING,
    TEXT,
    After,
    Changed,
    IfMatch,
    Limit,
    OfAgent,
    Page,
    Wait,
    answers,
    edited,
    expected,
    paged,
    position_of,
    tagged,
)
from registry.api.security import actor, may
from registry.api.sources import Strict
from registry.api.times import in_zone, zone_of
from registry.base.errors import NotFound
from registry.models import Route, SipMapping
from registry.policy import Deed
from registry.rehearsal.stage import dry_run, stage_of
from registry.reports.describe import describe_route
from registry.requests import public_path
from registry.routing.decide import CENTRAL_SIP
from registry.routing.facts import Facts
from registry.routing.question import describe_decision

router = Router(tags=["routing"])
MAX_ID = 2**63 - 1


class RoutePage(Page):
    """Routes in the order in which they were registered."""

    items: list[RouteOut]


class RouteIn(Strict):
    """Another route for a registered agent."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"path": "/sales-emea", "agent": "sales"}})

    path: str = Field(max_length=200)
    agent: str = Field(max_length=63)
    sip: list[str] = Field([], max_length=200, description="SIP names that lead here")
    auto_sip: bool = Field(True, description="SIP names from the agent's name and the route, where nobody has them")


class RoutePatch(Strict):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"default": True}})

    enabled: bool | None = Field(None, description="false: 404 until it is switched on again; the names stay bound")
    default: bool | None = Field(None, description="takes the calls to SIP names that nobody has; one route at most")


class SipMappingOut(SipName):
    """A SIP username and where it leads."""

    route: str
    agent: str


class SipPage(Page):
    """SIP names in their order."""

    items: list[SipMappingOut]


class SipIn(Strict):
    """A SIP username for a route."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"username": "help-desk", "route": "/support"}}
    )

    username: str = Field(max_length=2048, description="as it is dialled: a name or a whole address")
    route: str = Field(max_length=200)


class Question(Strict):
    """A request to be decided: to a SIP address, or to a path."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"dialled": "sip:help-desk@example.com"}})

    path: str = Field(CENTRAL_SIP, max_length=2048, description="/sip, or a path such as /sales or /sales/swaig")
    method: str = Field("POST", pattern="^(GET|POST)$")
    dialled: str | None = Field(None, max_length=2048, description="call.to, such as sip:help-desk@example.com")
    function: str | None = Field(None, max_length=256, description="for …/swaig")
    token: str = Field("", max_length=2048, description="for …/swaig and …/post_prompt: a URL's __token")
    call_id: str = Field("", max_length=256)
    at: datetime | None = Field(None, description="when; left out: now")


class StepOut(Schema):
    """One step of a decision."""

    rule: str = Field(examples=["sip"])
    detail: str = Field(examples=["help-desk leads to /support"])
    ok: bool


class DecisionOut(Schema):
    """Who would answer, and why."""

    outcome: str = Field(description="agent, paused, redirect, not_found or broken")
    agent: str | None
    route: str | None
    sub_path: str
    version: int | None
    sip_user: str = Field(description="the SIP name that was dialled, as names are compared")
    fallback: bool = Field(description="nobody has the name; this agent takes it all the same")
    steps: list[StepOut]
    revision: int = Field(description="of the routing table that decided")


@router.get(
    "/routes",
    auth=may(Deed.SEE),
    response=answers({200: RoutePage}, *READING),
    operation_id="list_routes",
    summary="List the routes",
)
def list_routes(
    request: HttpRequest,
    agent: OfAgent = "",
    after: After = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """With their SIP names."""
    routes = Route.objects.select_related("agent").prefetch_related("sip_mappings").order_by("pk")
    if agent:
        routes = routes.filter(agent__name=agent)
    if (position := position_of(after, [int])) is not None:
        routes = routes.filter(pk__gt=min(position[0], MAX_ID))
    found = list(routes[: limit + 1])
    return paged(found, limit, describe_route, lambda route: [route.pk])


@router.post(
    "/routes",
    auth=may(Deed.CHANGE),
    response=answers({201: Changed}, 404, *CHANGING),
    operation_id="register_route",
    summary="Give an agent another route",
)
def register_route(request: HttpRequest, response: HttpResponse, body: RouteIn, wait: Wait = False) -> Any:
    """It answers there in every replica."""
    change = route_actions.register_route(
        body.agent, body.path, sip=body.sip, auto_sip=body.auto_sip, by=actor(request), wait=wait
    )
    response["Location"] = public_path(f"/api/v1/routes/{change.made}")
    return Status(201, edited(response, change))


@router.get(
    "/routes/{int:route_id}",
    auth=may(Deed.SEE),
    response=answers({200: RouteOut}, 404, 422),
    operation_id="get_route",
    summary="Look at a route",
)
def get_route(request: HttpRequest, response: HttpResponse, route_id: int) -> dict[str, Any]:
    """The ETag is for If-Match."""
    route = one_route(route_id)
    tagged(response, route_tag(route))
    return describe_route(route)


@router.patch(
    "/routes/{int:route_id}",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 404, 412, *CHANGING),
    operation_id="update_route",
    summary="Switch a route on or off, or make it the default",
)
def update_route(
    request: HttpRequest,
    response: HttpResponse,
    route_id: int,
    body: RoutePatch,
    if_match: IfMatch = None,
    wait: Wait = False,
) -> Any:
    """What is left out stays."""
    change = route_actions.update_route(
        min(route_id, MAX_ID),
        enabled=body.enabled,
        default=body.default,
        expected=expected(if_match),
        by=actor(request),
        wait=wait,
    )
    return edited(response, change)


@router.delete(
    "/routes/{int:route_id}",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 412, 422),
    operation_id="unregister_route",
    summary="Unregister a route",
)
def unregister_route(request: HttpRequest, route_id: int, if_match: IfMatch = None, wait: Wait = False) -> Any:
    """It and its SIP names are gone at once: 404. An agent without any route is in the trash."""
    change = route_actions.unregister(min(route_id, MAX_ID), expected=expected(if_match), by=actor(request), wait=wait)
    return change.as_json()


@router.get(
    "/sip",
    auth=may(Deed.SEE),
    response=answers({200: SipPage}, *READING),
    operation_id="list_sip_names",
    summary="List the SIP names",
)
def list_sip_names(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=200, pattern=TEXT, description="text in the name")] = "",
    agent: OfAgent = "",
    after: After = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """In their order."""
    names = SipMapping.objects.select_related("route__agent").order_by("username")
    if agent:
        names = names.filter(route__agent__name=agent)
    if q:
        names = names.filter(username__has_text=q)
    if (position := position_of(after, [str])) is not None:
        names = names.filter(username__gt=position[0])
    found = list(names[: limit + 1])
    return paged(found, limit, described_name, lambda mapping: [mapping.username])


@router.post(
    "/sip",
    auth=may(Deed.CHANGE),
    response=answers({201: Changed, 200: Changed}, 404, *CHANGING),
    operation_id="register_sip_username",
    summary="Bind a SIP name to a route",
)
def register_sip_username(request: HttpRequest, body: SipIn, wait: Wait = False) -> Any:
    """A name that another route has is a conflict, which names its owner. One that was bound so before: 200."""
    change = sip_names.register_sip_username(body.username, body.route, by=actor(request), wait=wait)
    return Status(201 if change.changed else 200, change.as_json())


@router.delete(
    "/sip/{path:username}",
    auth=may(Deed.CHANGE),
    response=answers({200: Changed}, 400, 404, 409, 422),
    operation_id="unregister_sip_username",
    summary="Remove a SIP name",
)
def unregister_sip_username(request: HttpRequest, username: str, wait: Wait = False) -> Any:
    """Calls to it go to the default route, if there is one."""
    return sip_names.unregister_sip_username(username, by=actor(request), wait=wait).as_json()


@router.post(
    "/decide",
    auth=may(Deed.SEE),
    response=answers({200: DecisionOut}, 400, 413, 422),
    operation_id="decide",
    summary="Who would answer, and why",
)
def decide(request: HttpRequest, body: Question) -> dict[str, Any]:
    """A dry run of the dispatcher's own decision: nothing is called, nothing logged."""
    stage = stage_of(request)
    facts = Facts(
        body.path, body.method, body.dialled, body.function, body.token, (body.call_id,) if body.call_id else ()
    )
    at = in_zone(body.at, zone_of("UTC"))
    table, decision = dry_run(facts, stage, at.timestamp() if at else time.time())
    return describe_decision(table, decision)


def one_route(route_id: int) -> Route:
    """A route by its id."""
    routes = Route.objects.select_related("agent").prefetch_related("sip_mappings")
    route = routes.filter(pk=route_id).first() if route_id <= MAX_ID else None
    if route is None:
        raise NotFound(f"there is no route with the id {route_id}")
    return route


def described_name(mapping: SipMapping) -> dict[str, Any]:
    """A SIP name and where it leads."""
    return {
        "username": mapping.username,
        "typed": mapping.typed,
        "source": mapping.source,
        "route": mapping.route.path,
        "agent": mapping.route.agent.name,
    }
