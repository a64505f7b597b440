"""What is written down of an agent: its requests and its changes, a page at a time, newest first."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.agents.frame import agent_frame
from dashboard.audit.sentences import line_of
from dashboard.log.rows import rows_of
from dashboard.shell import page_for, show
from dashboard.zones import zone_of
from registry.base.errors import RegistryError
from registry.log.filters import MAX_TEXT, Filter, FilterError, Term
from registry.log.search import Range, search
from registry.policy import Deed
from registry.reports.audit import Position, Search, read_audit

ROWS = 50


@page_for(Deed.SEE)
def log(request: HttpRequest, name: str) -> HttpResponse:
    """The agent's requests that meet a filter."""
    context = agent_frame(request, name, "agent-log")
    typed = request.GET.get("filter", "").strip()[: MAX_TEXT + 1]
    before = id_of(request.GET.get("after", ""))
    context |= {"typed": typed, "problem": "", "events": [], "older": "", "first": before is None}
    try:
        wanted = Filter.parse(typed)
        found = search(Filter((*wanted.terms, Term("agent", "", name))), Range(before=before), ROWS + 1)
    except (FilterError, RegistryError) as error:
        context["problem"] = str(error)
    else:
        context |= {"events": found[:ROWS], "rows": rows_of(found[:ROWS], zone_of(request))}
        context["older"] = found[ROWS - 1]["id"] if len(found) > ROWS else ""
    context["whole_filter"] = f"agent:{name} {typed}".strip()
    return show(request, "pages/agent/log.html", context, parts={"list"})


@page_for(Deed.SEE)
def history(request: HttpRequest, name: str) -> HttpResponse:
    """Who changed the agent, its routes and its names."""
    context = agent_frame(request, name, "agent-history")
    after = Position.parse(request.GET.get("after", ""))
    found = read_audit(Search(agent=name), ROWS + 1, after)
    context |= {"changes": [line_of(row) for row in found[:ROWS]], "first": after is None}
    context["older"] = str(Position.of(found[ROWS - 1])) if len(found) > ROWS else ""
    return show(request, "pages/agent/history.html", context, parts={"list"})


def id_of(text: str) -> UUID | None:
    """The id of an event; None for what is none: then the newest are shown."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


urlpatterns = [
    path("agents/<str:name>/log/", log, name="agent-log"),
    path("agents/<str:name>/history/", history, name="agent-history"),
]
