"""One agent at a glance: its figures, what leads to it, its last requests and changes."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.functional import SimpleLazyObject

from dashboard.agents.figures import charts_of, figures_of
from dashboard.agents.frame import agent_frame
from dashboard.audit.sentences import line_of
from dashboard.log.rows import rows_of
from dashboard.shell import page_for, part_wanted, show
from dashboard.zones import zone_of
from registry.log.filters import Filter, Term
from registry.log.search import Range, search
from registry.policy import Deed
from registry.reports.audit import Search, read_audit

EVENTS = 10
CHANGES = 6
PARTS = {"figures", "latest", "waiting"}


@page_for(Deed.SEE)
def overview(request: HttpRequest, name: str) -> HttpResponse:
    """Overview; figures come with their charts only when they are asked for alone."""
    context = agent_frame(request, name, "agent")
    figures = figures_of(name)
    events = SimpleLazyObject(lambda: search(Filter((Term("agent", "", name),)), Range(), EVENTS))
    context |= {
        "figures": figures,
        "charts": charts_of(name, figures) if part_wanted(request) == "figures" else None,
        "events": events,
        "rows": SimpleLazyObject(lambda: rows_of(events, zone_of(request))),
        "changes": SimpleLazyObject(lambda: [line_of(row) for row in read_audit(Search(agent=name), CHANGES)]),
        "waited": part_wanted(request) == "waiting",
    }
    return show(request, "pages/agent/overview.html", context, parts=PARTS)


urlpatterns = [
    path("agents/<str:name>/", overview, name="agent"),
]
