"""The list of agents, and its cells that change by themselves."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from dashboard.agent_health import agents_in_trouble, present_troubles
from dashboard.fields import MAX_SEARCH, line_of
from dashboard.pages import agents_bulk
from dashboard.shell import page_for, part_wanted, show
from dashboard.words import agent_kind
from registry.policy import Deed
from registry.reports.agent_list import (
    PAGE,
    SORTS,
    STATUSES,
    TRASH,
    Listing,
    Wanted,
    listing,
    nearest_agent,
    tags_in_use,
)
from registry.reports.agent_rows import cells_of, come_or_gone, newest_mark, rows_of

# Views that everybody has: word, and the state of the page that it stands for.
VIEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("All", {}),
    ("Needs attention", {"status": "trouble", "sort": "-errors"}),
    ("Paused", {"status": "paused"}),
    ("Drafts", {"status": "draft", "sort": "-changed"}),
    ("Changed lately", {"sort": "-changed"}),
)
CHIPS = (
    ("serving", "Serving"),
    ("paused", "Paused"),
    ("degraded", "Degraded"),
    ("failing", "Failing"),
    ("draft", "Draft waiting"),
    (TRASH, "In the trash"),
)
# Columns that can be sorted by, and whether a first press shows the highest first.
HIGHEST_FIRST = {"errors", "p95", "last", "changed"}


@dataclass(frozen=True)
class Choice:
    """A link that filters, sorts or turns the page."""

    word: str
    query: str
    on: bool = False
    count: int | None = None


@page_for(Deed.SEE)
def agents(request: HttpRequest) -> HttpResponse:
    """The agents that are wanted, a page of them."""
    wanted = wanted_of(request)
    troubles = present_troubles()
    mark = newest_mark()  # before anything is read: what comes meanwhile is counted, perhaps twice
    found = listing(wanted, troubles, after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    rows = rows_of(found.page.names, troubles)
    context = {
        "wanted": wanted,
        "found": found,
        "rows": rows,
        "ill": agents_in_trouble(),
        "last": found.page.first + len(found.page.names),
        "left": min(PAGE, found.page.total - found.page.first - len(found.page.names)),
        "nothing_at_all": not found.registered and not found.statuses.get(TRASH) and not wanted.filtered,
        "nearest": nearest_agent(wanted.text) if wanted.text and not rows else "",
        "views": views(request, found),
        "chips": chips(request, found, wanted),
        "kinds": kinds(request, found, wanted),
        "tags": [Choice(tag, changed(request, tag=tag), wanted.tag == tag, count) for tag, count in tags_in_use()],
        "without_tag": changed(request, tag=""),
        "columns": {name: column(request, wanted, name) for name in ("name", *SORTS)},
        "newer": changed(request, before=found.page.before) if found.page.before else "",
        "older": changed(request, after=found.page.after) if found.page.after else "",
        "cells": urlencode([("seen", mark), *(("name", row.name) for row in rows)]),
        "in_trash": wanted.status == TRASH,
        "part": part_wanted(request) == "list",
        "back": request.get_full_path(),
    }
    return show(request, "pages/agents.html", context, parts={"list"})


@page_for(Deed.SEE)
def cells(request: HttpRequest) -> HttpResponse:
    """What changes by itself in the rows of these agents, to be patched in, and whether others came or went."""
    names = request.GET.getlist("name")[:PAGE]
    seen = request.GET.get("seen", "")
    gone = come_or_gone(int(seen)) if seen.isdecimal() and len(seen) < 10 else 0
    context = {"rows": cells_of(names, present_troubles()), "gone": gone, "ill": agents_in_trouble(), "oob": True}
    return render(request, "pages/agents/cells.html", context)


# --- the state of the page, in its address ---------------------------------------------------------------------------


def wanted_of(request: HttpRequest) -> Wanted:
    """What the address asks for; a word that is not known counts for nothing."""
    status, sort = request.GET.get("status", ""), request.GET.get("sort", "")
    key = sort.removeprefix("-")
    return Wanted(
        text=line_of(request.GET, "q", MAX_SEARCH),
        status=status if status in STATUSES else "",
        kind=line_of(request.GET, "kind", MAX_SEARCH),
        tag=line_of(request.GET, "tag", MAX_SEARCH),
        sort=key if key in SORTS else "name",
        descending=sort.startswith("-") and (key in SORTS or key == "name"),
    )


def changed(request: HttpRequest, **changes: str) -> str:
    """The page's query with these changes, from the first page on."""
    kept = {name: value for name, value in request.GET.items() if name not in ("after", "before", "tz") and value}
    return "?" + urlencode({name: value for name, value in {**kept, **changes}.items() if value})


def views(request: HttpRequest, found: Listing) -> list[Choice]:
    """The views that everybody has; the one that is open is marked."""
    here = {name: value for name, value in request.GET.items() if name not in ("after", "before", "tz") and value}
    narrowed = any(here.get(name) for name in ("q", "kind", "tag"))  # then that is not the number of all
    counts = {} if narrowed else {"All": found.registered}
    return [Choice(word, "?" + urlencode(query), here == query, counts.get(word)) for word, query in VIEWS]


def chips(request: HttpRequest, found: Listing, wanted: Wanted) -> list[Choice]:
    """Filters by status, each with how many there are; pressed again, one is taken off. Empty ones are left out."""
    return [
        Choice(word, changed(request, status="" if wanted.status == status else status), wanted.status == status, count)
        for status, word in CHIPS
        if (count := found.statuses.get(status, 0)) or wanted.status == status
    ]


def kinds(request: HttpRequest, found: Listing, wanted: Wanted) -> list[Choice]:
    """Filters by kind, once there are several."""
    if len(found.kinds) < 2 and not wanted.kind:
        return []
    choices = []
    for kind, count in sorted(found.kinds.items()):
        on = wanted.kind == kind
        choices.append(Choice(agent_kind(kind)[1], changed(request, kind="" if on else kind), on, count))
    return choices


def column(request: HttpRequest, wanted: Wanted, name: str) -> dict[str, str]:
    """A column's head: where a press leads, and how it is sorted now."""
    here = wanted.sort == name
    descending = not wanted.descending if here else name in HIGHEST_FIRST
    sort = f"-{name}" if descending else "" if name == "name" else name
    now = ("descending" if wanted.descending else "ascending") if here else ""
    return {"query": changed(request, sort=sort), "now": now}


urlpatterns = [
    path("agents/", agents, name="agents"),
    path("fleet/cells/", cells, name="agents-cells"),
    *agents_bulk.urlpatterns,
]
