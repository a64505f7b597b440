"""The installation itself: who asks, replicas, the audit, tokens, and the schema of definitions."""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from agents.definition import AgentDefinition
from registry.actions import tokens
from registry.api.answers import CHANGING, READING, TEXT, After, Limit, Page, answers, paged, position_of
from registry.api.problems import Refused
from registry.api.security import actor, may
from registry.api.sources import Strict
from registry.api.times import Since, Until, in_zone, zone_of
from registry.heartbeats import live_workers
from registry.models import ApiToken, RegistryChange, Worker
from registry.policy import Deed
from registry.reports.audit import Position, Search, read_audit
from registry.requests import principal_of

router = Router(tags=["system"])
MAX_ID = 2**63 - 1
Scope = Literal["read", "operate", "admin"]


class Me(Schema):
    """Who asks."""

    name: str
    level: Literal["read", "operate", "admin"]
    token: str = Field(description="visible key of the token; empty for somebody who has signed in")


class WorkerOut(Schema):
    """A worker process of a replica."""

    pid: int
    live: bool = Field(description="heard of within the last seconds")
    revision: int = Field(description="of the routing table that it serves")
    behind: int = Field(description="revisions that it has not got yet")
    spool_bytes: int = Field(description="of events that are not in the database yet")
    last_error: str
    started: datetime
    seen: datetime


class ReplicaOut(Schema):
    """A running `serve`."""

    name: str
    live: bool = Field(description="whether any of its workers is")
    revision: int = Field(description="that all its live workers serve")
    workers: list[WorkerOut]


class ReplicasOut(Schema):
    """Everything that serves, and how far it is."""

    revision: int = Field(description="the newest revision of the registry")
    items: list[ReplicaOut]


class DifferenceOut(Schema):
    """A field before and after a change."""

    before: Any = None
    after: Any = None


class AuditOut(Schema):
    """One change of one thing."""

    id: str
    time: datetime
    who: str = Field(description="empty for a change by SQL")
    via: str = Field(description="command, api, admin, dashboard, serve or sql")
    address: str
    request_id: str
    token: str = Field(description="visible key of the token that was used")
    what: str = Field(description="agent, route, sip, token, member or role")
    name: str
    agent: str
    action: str = Field(examples=["created", "changed", "removed", "credentials_revealed"])
    note: str = Field(description="what changed although it cannot be shown: credentials, signing key")
    changes: dict[str, DifferenceOut]


class AuditPage(Page):
    """Changes, newest first."""

    items: list[AuditOut]


class TokenOut(Schema):
    """A token, without what makes it one."""

    key: str = Field(description="the visible part")
    name: str
    scope: Scope
    state: Literal["active", "expired", "revoked"]
    owner: str = Field(description="whose roles limit it; empty = nobody's")
    author: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None


class TokenPage(Page):
    """Tokens, newest first."""

    items: list[TokenOut]


class TokenIn(Strict):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "ci", "scope": "operate"}})

    name: str = Field(max_length=100)
    scope: Scope
    days: int | None = Field(90, ge=1, le=tokens.MAX_DAYS, description="how long it lives; null = until it is revoked")


class TokenMade(TokenOut):
    """A token just made."""

    token: str = Field(description="all of it: shown this once")


@router.get(
    "/me", auth=may(Deed.SEE), response=answers({200: Me}), operation_id="who_am_i", summary="Who asks, and may what"
)
def who_am_i(request: HttpRequest) -> dict[str, Any]:
    """To try a token out."""
    principal = principal_of(request)
    return {"name": principal.name, "level": principal.level.name.lower(), "token": principal.token}


@router.get(
    "/definition-schema",
    auth=None,
    response=answers({200: dict[str, Any]}),
    operation_id="get_definition_schema",
    summary="The JSON Schema of definitions",
)
def get_definition_schema(request: HttpRequest) -> Any:
    """For editors and generators; the same everywhere, so anybody may read it."""
    return definition_schema()


@router.get(
    "/replicas",
    auth=may(Deed.SEE),
    response=answers({200: ReplicasOut}),
    operation_id="list_replicas",
    summary="Replicas and their workers",
)
def list_replicas(request: HttpRequest) -> dict[str, Any]:
    """Which revision each serves, what waits in its spool, and its last error. Dead ones stay for an hour."""
    newest = RegistryChange.newest()
    live = set(live_workers().values_list("pk", flat=True))
    replicas: dict[str, list[Worker]] = {}
    for worker in Worker.objects.all():
        replicas.setdefault(worker.replica, []).append(worker)
    return {"revision": newest, "items": [replica(name, workers, live, newest) for name, workers in replicas.items()]}


@router.get(
    "/audit",
    auth=may(Deed.SEE),
    response=answers({200: AuditPage}, *READING),
    operation_id="list_audit",
    summary="Who changed what",
)
def list_audit(
    request: HttpRequest,
    agent: Annotated[str, Query(max_length=63, pattern=TEXT)] = "",
    who: Annotated[str, Query(max_length=150, pattern=TEXT)] = "",
    what: Annotated[Literal["agent", "route", "sip", "token", "member", "role"] | None, Query()] = None,
    q: Annotated[str, Query(max_length=200, pattern=TEXT, description="text in the thing's name")] = "",
    request_id: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
    since: Since = None,
    until: Until = None,
    after: After = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Newest first; changes by SQL are there too, without a name."""
    zone = zone_of("UTC")
    wanted = Search(agent, who, what or "", q, request_id, in_zone(since, zone), in_zone(until, zone))
    rows = read_audit(wanted, limit + 1, audit_position(after))
    return paged(rows, limit, lambda row: row, lambda row: [row["time"].isoformat(), *row["id"].split("-")])


@router.get(
    "/tokens",
    auth=may(Deed.ADMINISTER),
    response=answers({200: TokenPage}, *READING),
    operation_id="list_tokens",
    summary="List the tokens",
)
def list_tokens(request: HttpRequest, after: After = "", limit: Limit = 100) -> dict[str, Any]:
    """Also those that are expired or revoked."""
    found_tokens: QuerySet[ApiToken] = ApiToken.objects.select_related("owner").order_by("-pk")
    if (position := position_of(after, [int])) is not None:
        found_tokens = found_tokens.filter(pk__lt=min(position[0], MAX_ID))
    found = list(found_tokens[: limit + 1])
    return paged(found, limit, described, lambda token: [token.pk])


@router.post(
    "/tokens",
    auth=may(Deed.ADMINISTER),
    response=answers({201: TokenMade}, *CHANGING),
    operation_id="create_token",
    summary="Make a token",
)
def create_token(request: HttpRequest, response: HttpResponse, body: TokenIn) -> Any:
    """It is shown this once; only its digest is kept."""
    made = tokens.create_token(body.name, body.scope, days=body.days, owner=owner_of(request), by=actor(request))
    response["Cache-Control"] = "no-store"
    return Status(201, {**described(made.token), "token": made.text})


@router.delete(
    "/tokens/{key}",
    auth=may(Deed.ADMINISTER),
    response=answers({200: TokenOut}, 400, 404, 409, 422),
    operation_id="revoke_token",
    summary="Revoke a token",
)
def revoke_token(request: HttpRequest, key: str) -> dict[str, Any]:
    """By its visible key, in every replica at once."""
    return described(tokens.revoke_token(key, by=actor(request))[0])


# --- what they have in common ----------------------------------------------------------------------------------------


def owner_of(request: HttpRequest) -> User | None:
    """Whose the tokens are that somebody makes: theirs, or the owner's of the token that they ask with."""
    key = principal_of(request).token
    if not key:
        return User.objects.get(username=request.user.get_username())
    return ApiToken.objects.select_related("owner").get(key=key).owner


@cache
def definition_schema() -> dict[str, Any]:
    """Made once: it takes some milliseconds."""
    return AgentDefinition.model_json_schema()


def replica(name: str, workers: list[Worker], live: set[int], newest: int) -> dict[str, Any]:
    """A replica from its workers' heartbeats."""
    serving = [worker.revision for worker in workers if worker.pk in live]
    return {
        "name": name,
        "live": bool(serving),
        "revision": min(serving, default=max(worker.revision for worker in workers)),
        "workers": [
            {
                "pid": worker.pid,
                "live": worker.pk in live,
                "revision": worker.revision,
                "behind": max(0, newest - worker.revision),
                "spool_bytes": worker.spool_bytes,
                "last_error": worker.last_error,
                "started": worker.started,
                "seen": worker.seen,
            }
            for worker in workers
        ],
    }


def audit_position(after: str) -> Position | None:
    """Where a page of the audit ended."""
    position = position_of(after, [str, str, str])
    if position is None:
        return None
    try:
        time = datetime.fromisoformat(position[0])
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        return Position(time, position[1], min(int(position[2]), MAX_ID))
    except (ValueError, OverflowError):
        raise Refused(422, "`after` must be the `next` of the page before") from None


def described(token: ApiToken) -> dict[str, Any]:
    """A token without its digest."""
    return {
        "key": token.key,
        "name": token.name,
        "scope": token.scope,
        "state": tokens.state_of(token, timezone.now()),
        "owner": token.owner.username if token.owner else "",
        "author": token.author,
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
        "last_used": token.last_used,
    }
