"""Adopting a running AgentServer through the API."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from registry.adopting import Wishes, adopt_server
from registry.api.answers import CHANGING, Credentials, Served, Wait, answers
from registry.api.problems import Refused
from registry.api.security import actor, may
from registry.api.sources import Strict
from registry.policy import Deed

router = Router(tags=["fleet"])
Url = Annotated[str, Field(max_length=2000)]


class AdoptIn(Strict):
    """A running AgentServer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"url": "http://agents.example.com:3000", "user": "u", "password": "p"}},
    )

    url: Url = Field(description="of the server, without user and password: http://host:3000")
    more_urls: list[Url] = Field([], max_length=15, description="further instances of the same server")
    user: str = Field("", max_length=200, description="with which the server is asked")
    password: str = Field("", max_length=1000)
    routes: list[Annotated[str, Field(max_length=2000)]] | None = Field(
        None, min_length=1, max_length=500, description="only these of its routes; left out: all"
    )
    name_prefix: str = Field("", max_length=40, description="before the agents' names here")
    route_prefix: str = Field("", max_length=200, description="before their routes here")
    auto_sip: bool = Field(True, description="SIP names from agents' names and routes, where nobody has them")
    update: bool = Field(False, description="agents that were adopted before get what has changed since")
    dry_run: bool = Field(False, description="only say what would be done")
    note: str = Field("", max_length=500, description="why; kept with the versions")


class AdoptedAgent(Schema):
    """An agent of the server."""

    original: str = Field(description="its route on the server")
    route: str = Field(description="its route here")
    agent: str = Field(description="its name here")
    state: Literal["register", "update", "registered", "updated", "skipped", "refused"] = Field(
        description="what became of it; register and update: what would become of it"
    )
    reason: str = Field(description="why it was skipped or refused")
    functions: list[str]
    not_served: list[str] = Field(description="what the original serves there and Switchboard does not")
    version: int | None
    sip: list[str]
    sip_skipped: dict[str, str] = Field(description="SIP names that another agent has, with its name")
    warnings: list[str]
    credentials: Credentials | None = Field(description="made just now: shown this once")


class Adopted(Schema):
    """What a server has, and what became of it."""

    origin: str
    dry_run: bool
    agents: list[AdoptedAgent]
    totals: dict[str, int] = Field(examples=[{"registered": 3, "updated": 0, "skipped": 0, "refused": 1}])
    not_served: list[str] = Field(description="what it may serve and Switchboard does not")
    notes: list[str]
    revision: int | None = Field(description="of the registry, from which on it is so")
    everywhere: Served | None = Field(None, description="with wait=true: how far it has come")


@router.post(
    "/adopt",
    auth=may(Deed.CHANGE),
    response=answers({200: Adopted}, *CHANGING),
    operation_id="adopt_server",
    summary="Register all agents of a running AgentServer",
)
def adopt(request: HttpRequest, body: AdoptIn, wait: Wait = False) -> dict[str, Any]:
    """Each of its routes becomes a remote agent; what cannot be registered is said, and the others go on.

    Doing it again changes nothing. Addresses inside the network need the level admin.
    """
    if bool(body.user) != bool(body.password):
        raise Refused(422, "user and password go together")
    wishes = Wishes(
        only=tuple(body.routes or ()),
        name_prefix=body.name_prefix,
        route_prefix=body.route_prefix,
        auto_sip=body.auto_sip,
        update=body.update,
        dry_run=body.dry_run,
        upstream=(body.user, body.password) if body.user else None,
        note=body.note,
    )
    report = adopt_server([body.url, *body.more_urls], wishes, by=actor(request), wait=wait)
    return report.as_json() | {"everywhere": report.everywhere.as_json() if report.everywhere else None}
