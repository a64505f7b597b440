"""The routing log: events, their export, and calls."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from registry.api.answers import READING, After, Limit, Page, answers, paged, position_of
from registry.api.problems import Refused
from registry.api.routing import StepOut
from registry.api.security import may
from registry.api.times import Since, Until, Zone, in_zone, zone_of
from registry.errors import NotFound
from registry.events.calls import call_of
from registry.events.filters import Filter, FilterError
from registry.events.searching import Range, event_with_bodies, events_of_call, search
from registry.policy import Deed

router = Router(tags=["log"])
EXPORT_ROWS = 2000  # that are read at once
CSV_COLUMNS = [
    "time", "outcome", "kind", "agent", "version", "route", "method", "path", "function", "call_id", "from", "to",
    "sip_user", "status", "microseconds", "detail", "source", "replica", "id", "request_id", "trace_id",
]  # fmt: skip
FORMULA = ("=", "@", "\t", "\r", "+", "-")  # what a spreadsheet takes for a formula

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


class EventWhole(EventOut):
    """An event with excerpts of its request and answer; secrets are masked."""

    request: Any = None
    response: Any = None


class EventPage(Page):
    """Events, newest first."""

    items: list[EventOut]


class CallOut(Schema):
    """A call: all events with its id."""

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
    events: list[EventOut] = Field(description="oldest first; the first thousand")


@router.get(
    "/events", auth=may(Deed.SEE), response=answers({200: EventPage}, *READING), operation_id="list_events",
    summary="Search the routing log", by_alias=True,
)  # fmt: skip
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
    "/events/export", auth=may(Deed.SEE), response=answers({200: None}, *READING), operation_id="export_events",
    summary="Export the routing log as CSV or JSON lines",
    openapi_extra={"responses": {200: {"content": {
        "text/csv": {"schema": {"type": "string"}}, "application/jsonl": {"schema": {"type": "string"}},
    }}}},
)  # fmt: skip
def export_events(
    request: HttpRequest,
    wanted: FilterText = "",
    since: Since = None,
    until: Until = None,
    tz: Zone = "UTC",
    format: Annotated[Literal["csv", "jsonl"], Query()] = "csv",  # noqa: A002 - the parameter's name
) -> Any:
    """Everything that meets the filter, newest first, as a stream: of a million rows none are held in memory."""
    zone, terms = zone_of(tz), filter_of(wanted)
    within = range_of(since, until, zone, "")
    first = search(terms, within, EXPORT_ROWS)  # what is wrong with the search is said before the stream begins
    media, write = ("text/csv; charset=utf-8", as_csv) if format == "csv" else ("application/jsonl", as_lines)
    stream = exported(first, terms, within, lambda events, head: write([shown(e, zone) for e in events], head))
    headers = {"Content-Disposition": f'attachment; filename="events.{format}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(stream, content_type=media, headers=headers)


@router.get(
    "/events/{uuid:event_id}", auth=may(Deed.SEE), response=answers({200: EventWhole}, 404, 422),
    operation_id="get_event", summary="Look at an event", by_alias=True,
)  # fmt: skip
def get_event(request: HttpRequest, event_id: UUID) -> dict[str, Any]:
    """With excerpts of its request and answer."""
    event = event_with_bodies(event_id)
    if event is None:
        raise NotFound(f"there is no event {event_id}")
    return event


@router.get(
    "/calls/{path:call_id}", auth=may(Deed.SEE), response=answers({200: CallOut}, 404, 422), operation_id="get_call",
    summary="Look at a call", by_alias=True,
)  # fmt: skip
def get_call(request: HttpRequest, call_id: str) -> dict[str, Any]:
    """All that happened in it, oldest first."""
    events = events_of_call(call_id) if "\0" not in call_id else []
    if not events:
        raise NotFound(f"the routing log has nothing of a call {call_id!r}")
    return call_of(events)


# --- what they have in common ----------------------------------------------------------------------------------------


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


def shown(event: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """An event with its time in a zone."""
    if zone.key == "UTC":
        return event
    time = datetime.fromisoformat(event["time"]).astimezone(zone).isoformat(timespec="milliseconds")
    return {**event, "time": time}


async def exported(
    first: list[dict[str, Any]], terms: Filter, within: Range, write: Callable[[list[dict[str, Any]], bool], bytes]
) -> AsyncIterator[bytes]:
    """The pages of an export: each read when the one before has gone out."""
    events, head = first, True
    while True:
        yield write(events, head)
        if len(events) < EXPORT_ROWS:
            return
        within = within._replace(before=UUID(events[-1]["id"]))
        events, head = await sync_to_async(search)(terms, within, EXPORT_ROWS), False


def as_csv(events: list[dict[str, Any]], head: bool) -> bytes:
    """Rows of RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow(CSV_COLUMNS)
    writer.writerows([cell(event[column]) for column in CSV_COLUMNS] for event in events)
    return text.getvalue().encode()


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: callers choose some of them. Numbers such as +1555 stay."""
    if isinstance(value, str) and value.startswith(FORMULA) and not value[1:].isdigit():
        return f"'{value}"
    return value


def as_lines(events: list[dict[str, Any]], _head: bool) -> bytes:
    """JSON lines."""
    return b"".join(orjson.dumps(event) + b"\n" for event in events)
