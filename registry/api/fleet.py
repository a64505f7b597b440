"""Fleet as code: the whole registry as one document, out and in."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from registry.actions.transaction import shown_once
from registry.api.answers import Credentials, Served, Wait, answers
from registry.api.problems import Refused
from registry.api.security import actor, may
from registry.fleet.apply import NOTE, apply_plan, make_plan
from registry.fleet.document import UPLOAD_MARKS, marks_of
from registry.fleet.export import export_fleet
from registry.policy import Deed

router = Router(tags=["fleet"])
YAML = "application/yaml"  # RFC 9512
KINDS = (YAML, "application/json", "application/x-yaml", "text/yaml", "text/plain")
EXAMPLE = """switchboard: 1
agents:
  hours:
    routes:
      /hours: {}
    definition:
      prompt: {text: We are open from 9 to 5.}
"""


class Difference(Schema):
    """A field that is another one; what is not there has no `before` or no `after`."""

    path: str = Field(examples=["definition.prompt.text"])
    before: Any = None
    after: Any = None


class Step(Schema):
    """What becomes of one agent."""

    agent: str
    action: Literal["add", "change", "remove"]
    restored: bool = Field(description="it comes out of the trash")
    routes: list[str] = Field(description="that a new agent gets, or a removed one loses")
    sip: list[str]
    differences: list[Difference]


class PlanOut(Schema):
    """What a document would change. With problems it cannot be applied."""

    digest: str = Field(description="pass it to apply exactly this plan, or nothing")
    removes: bool
    totals: dict[str, int] = Field(examples=[{"add": 1, "change": 0, "remove": 0, "unchanged": 3, "kept": 0}])
    steps: list[Step]
    warnings: list[str]
    problems: dict[str, str] = Field(description="by path in the document")


class Applied(Schema):
    """A plan, and what became of it."""

    applied: bool = Field(description="false for a dry run, and when there was nothing to do")
    plan: PlanOut
    revision: int | None = Field(None, description="of the registry, from which on it is so")
    credentials: dict[str, Credentials] = Field({}, description="made just now, by agent: shown this once")
    everywhere: Served | None = Field(None, description="with wait=true: how far it has come")


@router.get(
    "/export",
    auth=may(Deed.SEE),
    response=answers({200: None}),
    operation_id="export_fleet",
    summary="The whole registry as YAML",
    openapi_extra={"responses": {200: {"content": {YAML: {"schema": {"type": "object"}}}}}},
)
def export(request: HttpRequest) -> HttpResponse:
    """Stable: the same registry gives the same bytes. Secrets are references to variables (docs/fleet.md)."""
    headers = {"Content-Disposition": 'attachment; filename="fleet.yaml"'}
    return HttpResponse(export_fleet(), content_type=f"{YAML}; charset=utf-8", headers=headers)


@router.post(
    "/apply",
    auth=may(Deed.CHANGE),
    response=answers({200: Applied}, 400, 409, 412, 413, 415, 422),
    operation_id="apply_fleet",
    summary="Make the registry what a document says",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                YAML: {"schema": {"type": "object"}, "example": EXAMPLE},
                "application/json": {"schema": {"type": "object"}, "example": {"switchboard": 1, "agents": {}}},
            },
        }
    },
)
def apply(
    request: HttpRequest,
    dry_run: Annotated[bool, Query(description="only make the plan")] = False,
    remove: Annotated[bool, Query(description="agents that are not in the document go to the trash")] = False,
    digest: Annotated[str, Query(max_length=100, description="of the plan that was seen: 412 if it is another")] = "",
    note: Annotated[str, Query(max_length=500, description="kept with the versions that come about")] = NOTE,
    wait: Wait = False,
) -> dict[str, Any]:
    """One change: all of it or nothing. Applied twice it changes nothing the second time."""
    kind = request.headers.get("content-type", YAML).partition(";")[0].strip().lower()
    if kind not in KINDS:
        raise Refused(415, f"send {YAML} or application/json, not {kind[:100]}")
    document = request.read()  # not `body`, whose limit is that of all other operations
    if marks_of(document) > UPLOAD_MARKS:
        raise Refused(413, "the document is too large for the API: use `python3 manage.py apply`, which has no limit")
    if dry_run:
        return {"applied": False, "plan": make_plan(document, by=actor(request), remove=remove).as_json()}
    result = apply_plan(
        document, remove=remove, expected_digest=digest or None, note=note, wait=wait, by=actor(request)
    )
    return {
        "applied": result.changed,
        "plan": result.plan.as_json(),
        "revision": result.revision,
        "credentials": {agent: shown_once(pair) for agent, pair in result.credentials.items()},
        "everywhere": result.everywhere.as_json() if result.everywhere else None,
    }
