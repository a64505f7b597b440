"""Settings: the audit, searched, paged, exported."""

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils import timezone

from dashboard.audit.words import THINGS, action_word, differences, remarkable
from dashboard.fields import MAX_SEARCH, line_of
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from dashboard.zones import moment_typed
from registry.base.errors import Malformed
from registry.policy import Deed
from registry.reports.audit import Position, Search, read_audit

ROWS = 50  # of a page
EXPORTED = 10_000  # rows of an export, newest first
FIELDS = ("q", "who", "what", "agent", "request_id", "since", "until")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula
COLUMNS = (
    "time",
    "who",
    "via",
    "address",
    "request_id",
    "token",
    "what",
    "name",
    "agent",
    "action",
    "changes",
)


class Echo:
    """What csv writes to: it gives the line back."""

    def write(self, line: str) -> str:
        """The line."""
        return line


@page_for(Deed.SEE)
def audit(request: HttpRequest) -> HttpResponse:
    """Who changed what, newest first."""
    typed, wanted, problems = search_of(request)
    rows = [] if problems else read_audit(wanted, ROWS + 1, Position.parse(request.GET.get("after", "")))
    context = {
        "rows": [shown(row) for row in rows[:ROWS]],
        "next": str(Position.of(rows[ROWS - 1])) if len(rows) > ROWS else None,
        "typed": typed,
        "problems": problems,
        "whats": THINGS,
        "searched": any(typed.values()),
        "narrowed": any(typed[name] for name in ("agent", "request_id", "since", "until")),
        "export": urlencode({name: value for name, value in typed.items() if value}),
        "exported": EXPORTED,
    }
    return show_section(request, "settings-audit", "audit", context, parts={"list"}, status=422 if problems else 200)


@page_for(Deed.SEE)
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """The rows of the search as CSV or JSON, times in the page's zone."""
    if form not in ("csv", "json"):
        raise Http404
    _, wanted, problems = search_of(request)
    if problems:
        raise Malformed("the search has a time that is none")  # else the file would have what nobody asked for
    rows = read_audit(wanted, EXPORTED)
    for row in rows:
        row["time"] = timezone.localtime(row["time"]).isoformat()
    attachment = {"Content-Disposition": f'attachment; filename="audit.{form}"'}
    if form == "json":
        return JsonResponse({"items": rows}, headers=attachment)
    return StreamingHttpResponse(csv_lines(rows), content_type="text/csv; charset=utf-8", headers=attachment)


def csv_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180)."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        changes = "; ".join(f"{each.field}: {each.before or ''} → {each.after or ''}" for each in differences(row))
        cells = [str(value) for value in ({**row, "changes": changes}[column] for column in COLUMNS)]
        yield writer.writerow(f"'{cell}" if cell.startswith(DANGEROUS) else cell for cell in cells)


def search_of(request: HttpRequest) -> tuple[dict[str, str], Search, dict[str, str]]:
    """What was typed, what it means, and what is wrong with it by field."""
    typed = {name: line_of(request.GET, name, MAX_SEARCH) for name in FIELDS}
    problems: dict[str, str] = {}
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = moment_typed(typed[name])
        except ValueError:
            problems[name] = "A day and a time, such as 2026-11-12T10:30"
            times[name] = None
    if typed["what"] not in THINGS:
        typed["what"] = ""
    wanted = Search(
        typed["agent"], typed["who"], typed["what"], typed["q"], typed["request_id"], times["since"], times["until"]
    )
    return typed, wanted, problems


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its words: `set` is what a new or removed thing is like."""
    ends = row["action"] in ("created", "removed")
    return {
        **row,
        "what_word": THINGS[row["what"]],
        "action_word": action_word(row),
        "differences": [] if ends else differences(row),
        "set": ", ".join(f"{each.field} {each.after or each.before}" for each in remarkable(row)) if ends else "",
        "whose": f"token {row['token']}" if row["token"] else row["via"],
    }


urlpatterns = [
    path("settings/audit/", audit, name="settings-audit"),
    path("settings/audit/audit.<str:form>", export, name="settings-audit-export"),
]
