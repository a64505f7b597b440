"""The routing log: events, their export, and calls."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from registry.api.answers import READING, TEXT, After, Limit, Page, answers, paged, position_of
from registry.api.problems import Refused
from registry.api.routing import StepOut
from registry.api.security import may
from registry.api.times import Since, Until, Zone, in_zone, zone_of
from registry.base.errors import NotFound
from registry.log.calls import Wanted, call_of, is_running, list_calls
from registry.log.export import export, shown
from registry.log.filters import Filter, FilterError
from registry.log.search import Range, event_with_bodies, events_of_call, search
from registry.policy import Deed

router = Router(tags=["log"])
MAX_CALLS = 100  # of a page: each is told from all its events
FilterText = Annotated[
    str,
    Query(
        alias="filter",
        max_length=500,
        description="as in the live log: agent:sales outcome:error fn:get_pricing ms:>800, or plain words",
    ),
]


class EventOut(Schema):
    """One logged request with its decision."""

    id: UUID = Field(description="a UUIDv7: its time is the event's")
    time: str = Field(description="ISO 8601, to the millisecond")
    replica: str
    kind: str = Field(examples=["swml", "swaig", "post_prompt", "sip", "unmatched", "test"])
    method: str
    path: str
    source: str = Field(description="address of the sender")
    route: str
    agent: str
    version: int | None
    call_id: str
    sip_user: str
    caller: str = Field(alias="from")
    dialled: str = Field(alias="to")
    function: str
    status: int
    outcome: str
    detail: str
    steps: list[StepOut]
    microseconds: int
    request_id: str = Field(description="X-Request-ID of the request; empty: it is known by this event's id")
    trace_id: str = Field(description="of the W3C trace that it belongs to")
    channel: str = Field(description="over which it came; `kind` is what was asked", examples=["voice", "test"])
    query: str = Field(description="of its URL, without tokens; secrets are masked")
    via: str = Field(description="the router that was asked and picked the agent; empty: the agent was asked")
    rule: str = Field(description="the router's rule that picked it")
    side: str = Field(description="of a canary, that the call is on")
    digest: str = Field(
        description="of what the agent answered: the same whenever the answer is, but for tokens and our own URLs"
    )
    replayable: bool = Field(description="its request is kept whole, and nothing in it masked")
    asked_twice: bool = Field(description="the same request had come before: the platform sends it again in vain")


class EventWhole(EventOut):
    """An event with excerpts of its request and answer; secrets are masked."""

    request: Any = None
    response: Any = None


class EventPage(Page):
    """Events, newest first."""

    items: list[EventOut]


class CallLine(Schema):
    """A call in a list."""

    call_id: str
    started: str
    ended: str = Field(description="time of the last event so far")
    seconds: float
    caller: str
    dialled: str
    agents: list[str] = Field(description="that answered, in their order")
    functions_ok: int
    functions_failed: int
    outcome: str = Field(description="ok, or the outcome of the last event that failed")
    running: bool = Field(description="heard of lately, and its post-prompt has not come")


class CallOut(CallLine):
    """A call: all events with its id."""

    events: list[EventOut] = Field(description="oldest first; the first thousand")


class CallPage(Page):
    """Calls, newest first."""

    items: list[CallLine]


@router.get(
    "/events",
    auth=may(Deed.SEE),
    response=answers({200: EventPage}, *READING),
    operation_id="list_events",
    summary="Search the routing log",
    by_alias=True,
)
def list_events(
    request: HttpRequest,
    wanted: FilterText = "",
    since: Since = None,
    until: Until = None,
    tz: Zone = "UTC",
    after: After = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Newest first."""
    zone = zone_of(tz)
    found = search(filter_of(wanted), range_of(since, until, zone, after), limit + 1)
    return paged(found, limit, lambda event: shown(event, zone), lambda event: [event["id"]])


@router.get(
    "/events/export",
    auth=may(Deed.SEE),
    response=answers({200: None}, *READING),
    operation_id="export_events",
    summary="Export the routing log as CSV or JSON lines",
    openapi_extra={
        "responses": {
            200: {
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/jsonl": {"schema": {"type": "string"}},
                }
            }
        }
    },
)
def export_events(
    request: HttpRequest,
    wanted: FilterText = "",
    since: Since = None,
    until: Until = None,
    tz: Zone = "UTC",
    format: Annotated[Literal["csv", "jsonl"], Query()] = "csv",  # noqa: A002 - the parameter's name
) -> Any:
    """Everything that meets the filter, newest first, as a stream: of a million rows none are held in memory."""
    zone = zone_of(tz)
    return export(filter_of(wanted), range_of(since, until, zone, ""), zone, format)


@router.get(
    "/events/{uuid:event_id}",
    auth=may(Deed.SEE),
    response=answers({200: EventWhole}, 404, 422),
    operation_id="get_event",
    summary="Look at an event",
    by_alias=True,
)
def get_event(request: HttpRequest, event_id: UUID) -> dict[str, Any]:
    """With excerpts of its request and answer."""
    event = event_with_bodies(event_id)
    if event is None:
        raise NotFound(f"there is no event {event_id}")
    return event


@router.get(
    "/calls",
    auth=may(Deed.SEE),
    response=answers({200: CallPage}, *READING),
    operation_id="list_calls",
    summary="List calls",
    by_alias=True,
)
def list_all_calls(
    request: HttpRequest,
    agent: Annotated[str, Query(max_length=255, pattern=TEXT, description="that took part")] = "",
    q: Annotated[str, Query(max_length=256, pattern=TEXT, description="in the call id, the caller or dialled")] = "",
    outcome: Annotated[Literal["", "ok", "failed"], Query(description="failed: something in it did")] = "",
    since: Since = None,
    until: Until = None,
    tz: Zone = "UTC",
    after: After = "",
    limit: Annotated[int, Query(ge=1, le=MAX_CALLS, description="how many at most")] = 50,
) -> dict[str, Any]:
    """Newest first, by their first event; with `agent` by the first that this agent answered."""
    within = range_of(since, until, zone_of(tz), after)
    found = list_calls(Wanted(agent, q, outcome), within, limit + 1)
    return paged(found, limit, lambda one: listed(one[1]), lambda one: [one[0]])


@router.get(
    "/calls/{path:call_id}",
    auth=may(Deed.SEE),
    response=answers({200: CallOut}, 404, 422),
    operation_id="get_call",
    summary="Look at a call",
    by_alias=True,
)
def get_call(request: HttpRequest, call_id: str) -> dict[str, Any]:
    """All that happened in it, oldest first."""
    events = events_of_call(call_id)
    if not events:
        raise NotFound(f"the routing log has nothing of a call {call_id!r}")
    return listed(call_of(events))


# --- what they have in common ----------------------------------------------------------------------------------------


def listed(call: dict[str, Any]) -> dict[str, Any]:
    """A call, and whether it goes on."""
    return {**call, "running": is_running(call["events"])}


def filter_of(text: str) -> Filter:
    """The filter, or a problem that says what is wrong with it."""
    try:
        found = Filter.parse(text)
    except FilterError as error:
        raise Refused(422, str(error)) from None
    if "\0" in text:
        raise Refused(422, "the filter contains a character that no event has")
    return found


def range_of(since: datetime | None, until: datetime | None, zone: ZoneInfo, after: str) -> Range:
    """The stretch of time that was asked for."""
    position = position_of(after, [str])
    try:
        before = UUID(position[0]) if position else None
    except ValueError:
        raise Refused(422, "`after` must be the `next` of the page before") from None
    return Range(in_zone(since, zone), in_zone(until, zone), before)
