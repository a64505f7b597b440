"""Search of agents, routes, SIP names and calls: below the field while typing, and as a page."""

from dataclasses import dataclass
from itertools import groupby

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from dashboard.fields import MAX_SEARCH, line_of
from dashboard.shell import page_for, part_wanted, show
from registry.policy import Deed
from registry.reports.search import Hit, find, only_one

WHILE_TYPING = 8  # links, and at most two of a kind once there are several
OF_A_KIND = 25  # on the page
WORDS = {"agent": "Agents", "route": "Routes", "sip": "SIP names", "call": "Calls"}


@dataclass(frozen=True)
class Found:
    """A hit and where it leads."""

    hit: Hit
    url: str


@page_for(Deed.SEE)
def search(request: HttpRequest) -> HttpResponseBase:
    """What was found; a page that would show the one thing that was meant leads there at once."""
    text = line_of(request.GET, "q", MAX_SEARCH)
    typing = part_wanted(request) == "found"
    hits = find(text, WHILE_TYPING if typing else OF_A_KIND)
    one = None if typing else only_one(hits)
    if one:
        return redirect(place_of(one))
    hits = some(hits) if typing else hits
    groups = [
        (kind, WORDS[kind], [Found(hit, place_of(hit)) for hit in found])
        for kind, found in groupby(hits, key=lambda hit: hit.kind)
    ]
    context = {"text": text, "groups": groups, "number": len(hits), "most": OF_A_KIND}
    return show(request, "pages/search.html", context, parts={"found"})


def some(hits: list[Hit]) -> list[Hit]:
    """As many as fit below the field: the first of each kind, then more in their order."""
    first = [hit for kind in WORDS for hit in [each for each in hits if each.kind == kind][:2]]
    chosen = [*first, *(hit for hit in hits if hit not in first)][:WHILE_TYPING]
    return [hit for hit in hits if hit in chosen]


def place_of(hit: Hit) -> str:
    """Where a hit leads: the agent, the way to it, or the call."""
    if hit.kind == "call":
        return reverse("dashboard:calls-call", args=[hit.name])
    return reverse("dashboard:agent" if hit.kind == "agent" else "dashboard:agent-routing", args=[hit.agent])


urlpatterns = [
    path("search/", search, name="search"),
]
