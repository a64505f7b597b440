"""The routing log as a file: what meets a filter, as CSV or JSON lines, streamed page by page."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from registry.log.cursor import COLUMNS
from registry.log.filters import Filter
from registry.log.search import Range, search

Form = Literal["csv", "jsonl"]
EXPORT_ROWS = 2000  # that are read at once
ORDER = [
    "time",
    "outcome",
    "kind",
    "agent",
    "version",
    "route",
    "method",
    "path",
    "function",
    "call_id",
    "from",
    "to",
    "sip_user",
    "status",
    "microseconds",
    "detail",
    "source",
    "replica",
    "id",
    "request_id",
    "trace_id",
]
# What came later stands behind, so that who reads a file by its columns' places finds them there. Steps are no cell.
CSV_COLUMNS = [*ORDER, *(column for column in COLUMNS if column not in {*ORDER, "steps"})]
FORMULA = ("=", "@", "\t", "\r", "+", "-")  # what a spreadsheet takes for a formula


def export(wanted: Filter, within: Range, zone: ZoneInfo, form: Form) -> StreamingHttpResponse:
    """Everything that meets a filter, newest first, with its times in a zone: of a million rows none are held.

    `Malformed` if the search takes too long: the first page is read before the stream begins.
    """
    first = search(wanted, within, EXPORT_ROWS)
    media, write = ("text/csv; charset=utf-8", as_csv) if form == "csv" else ("application/jsonl", as_lines)
    stream = exported(first, wanted, within, lambda events, head: write([shown(e, zone) for e in events], head))
    headers = {"Content-Disposition": f'attachment; filename="events.{form}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(stream, content_type=media, headers=headers)


async def exported(
    first: list[dict[str, Any]], wanted: Filter, within: Range, write: Callable[[list[dict[str, Any]], bool], bytes]
) -> AsyncIterator[bytes]:
    """The pages of an export: each read when the one before has gone out."""
    events, head = first, True
    while True:
        yield write(events, head)
        if len(events) < EXPORT_ROWS:
            return
        within = within._replace(before=UUID(events[-1]["id"]))
        events, head = await sync_to_async(search)(wanted, within, EXPORT_ROWS), False


def shown(event: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """An event with its time in a zone."""
    if zone.key == "UTC":
        return event
    time = datetime.fromisoformat(event["time"]).astimezone(zone).isoformat(timespec="milliseconds")
    return {**event, "time": time}


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
