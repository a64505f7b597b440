"""The live log."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from dashboard.log.details import details
from dashboard.log.question import Asked, asked, chips, with_query
from dashboard.log.rows import rows_of
from dashboard.shell import common, page_for, part_wanted, show
from dashboard.zones import zone_of
from registry.base.errors import Malformed, NotFound
from registry.log import cursor
from registry.log.export import Form, export
from registry.log.filters import Filter
from registry.log.search import event_with_bodies, search
from registry.policy import Deed
from registry.requests import public_path

TEMPLATE = "pages/log.html"
ROWS = 200  # of a page, and of what is loaded into a gap
MOST_ROWS = 500  # in the page, however long it is open


@page_for(Deed.SEE)
def log(request: HttpRequest) -> HttpResponse:
    """The newest rows, then live; or a stretch of the past."""
    if part_wanted(request) == "drawer":  # it is being closed
        return show(request, TEMPLATE, parts={"drawer"})
    return show(request, TEMPLATE, rows(request))


@page_for(Deed.SEE)
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One row, looked at closely, beside the log."""
    found = event_with_bodies(event_id)
    if found is None:
        raise NotFound(f"there is no event {event_id}: it is not written yet, or too old to be kept")
    context = {**details(request, found), "log": reverse("dashboard:log") + with_query(request.GET)}
    if part_wanted(request) == "drawer":
        return show(request, TEMPLATE, context, parts={"drawer"})
    return show(request, TEMPLATE, {**rows(request), **context})


@page_for(Deed.SEE)
def some_rows(request: HttpRequest) -> HttpResponse:
    """The rows of a stretch of time, to be put where they are missing."""
    wanted = asked(request)
    if wanted.problem:
        raise Malformed(wanted.problem)
    found = search(wanted.wanted, wanted.within, ROWS + 1)
    context = {
        "rows": rows_of(found[:ROWS], zone_of(request)),
        "more": len(found) > ROWS,
        "most": ROWS,
        "stretch": reverse("dashboard:log") + with_query(request.GET),
    }
    return render(request, "parts/log/rows.html", common(request) | context)


@page_for(Deed.SEE)
def export_log(request: HttpRequest, form: Form) -> HttpResponseBase:
    """What the page shows, all of it, as a file."""
    wanted = asked(request)
    if wanted.problem:
        raise Malformed(wanted.problem)
    return export(wanted.wanted, wanted.within, zone_of(request), form)


def rows(request: HttpRequest) -> dict[str, Any]:
    """What the template of the log needs. The snapshot is taken before the rows: what it has not seen comes live."""
    wanted, zone = asked(request), zone_of(request)
    cursor = snapshot()
    problem = wanted.problem
    try:
        found = search(wanted.wanted, wanted.within, ROWS + 1)
    except Malformed as error:
        found, problem = [], str(error)
    agents = Counter(event["agent"] for event in found)
    shown = found[:ROWS]
    return {
        "asked": wanted,
        "problem": problem,
        "rows": rows_of(shown, zone),
        "count": len(shown),
        "most": MOST_ROWS,
        "chips": chips(request.GET, wanted.text, [name for name, _ in agents.most_common()]),
        "older": with_query(request.GET, before=shown[-1]["id"]) if len(found) > ROWS else "",
        "now_address": with_query(request.GET, since="", until=""),
        "query": with_query(request.GET),
        "state": {name: value for name in ("filter", "since", "until") if (value := request.GET.get(name, ""))},
        "socket": socket(wanted, zone.key, cursor),
        "is_filtered": wanted.wanted != Filter(),
    }


def socket(wanted: Asked, zone: str, cursor: str) -> str:
    """The address of the live connection: it begins where the page's snapshot ends."""
    if not wanted.is_live:
        return public_path("/ws/page?rate=0")
    words = {"rows": "1", "tz": zone, "cursor": cursor, "filter": "" if wanted.problem else wanted.text}
    return public_path(f"/ws/page?{urlencode({name: value for name, value in words.items() if value})}")


def snapshot() -> str:
    """This moment of the database."""
    connection.ensure_connection()
    return str(cursor.now(connection.connection))


urlpatterns = [
    path("log/", log, name="log"),
    path("log/rows/", some_rows, name="log-rows"),
    path("log/export/csv/", export_log, {"form": "csv"}, name="log-csv"),
    path("log/export/jsonl/", export_log, {"form": "jsonl"}, name="log-jsonl"),
    path("log/<uuid:event_id>/", event, name="log-event"),
]
