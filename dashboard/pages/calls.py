"""Calls: the list, and one of them on its timeline."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone

from dashboard.calls import ids as ids  # registers its converter
from dashboard.calls import timeline
from dashboard.calls.lines import Line, story, summary_of
from dashboard.fields import MAX_WORD, line_of
from dashboard.log.details import log_of
from dashboard.log.question import asked, id_of, with_query
from dashboard.shell import common, page_for, show
from registry.base.errors import Malformed, NotFound
from registry.base.text import is_storable
from registry.log.calls import (
    MAX_NEW,
    STORY_EVENTS,
    Wanted,
    bodies_of,
    call_of,
    calls_at,
    count_calls,
    is_end,
    list_calls,
)
from registry.log.filters import condition_text
from registry.log.search import MAX_CALL_EVENTS, Range, events_of_call
from registry.policy import Deed
from registry.requests import public_path

CALLS = 50  # of a page
OUTCOMES = {"": "All", "ok": "Without a failure", "failed": "Something failed"}


@page_for(Deed.SEE)
def calls(request: HttpRequest) -> HttpResponse:
    """One line a call, newest first."""
    within, problem = asked(request).within, asked(request).problem
    wanted = wanted_of(request)
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        found = list_calls(wanted, within, CALLS + 1)
    except Malformed as error:
        problem = problem or str(error)
    lines = [Line.of(*one) for one in found[:CALLS]]
    context = {
        "wanted": wanted,
        "within": within,
        "outcomes": OUTCOMES,
        "problem": problem,
        "lines": lines,
        "is_filtered": wanted != Wanted() or within != Range(),
        "older": with_query(request.GET, before=lines[-1].at) if len(found) > CALLS else "",
        "first_page": with_query(request.GET),
        "news": news_address(wanted, lines[0].at if lines else "", lines) if within == Range() else "",
        "new": 0,
    }
    return show(request, "pages/calls.html", context)


@page_for(Deed.SEE)
def news(request: HttpRequest) -> HttpResponse:
    """How many calls are new, and the cells of those that run."""
    wanted, newest = wanted_of(request), id_of(request.GET.get("newest", ""))
    running = [found for text in request.GET.getlist("running")[:CALLS] if (found := id_of(text))]
    lines = [Line.of(*one) for one in calls_at(running)] if running else []
    context = {
        "lines": lines,
        "news": news_address(wanted, str(newest or ""), lines),
        "new": count_calls(wanted, newest or UUID(int=0)),
        "most": MAX_NEW,
        "first_page": reverse("dashboard:calls") + query_of(wanted),
    }
    return render(request, "parts/calls/news.html", common(request) | context)


@page_for(Deed.SEE)
def call(request: HttpRequest, call_id: str) -> HttpResponse:
    """All that happened in a call, on one axis and told in order."""
    events = events_of_call(call_id) if is_storable(call_id) else []
    if not events:
        raise NotFound(f"the routing log has nothing of a call {call_id!r}: nothing has come yet, or it is too old")
    line = Line.of("", call_of(events))
    told = events[:STORY_EVENTS]
    post_prompts = [event["id"] for event in events if is_end(event)]
    bodies = bodies_of({*(event["id"] for event in told if event["function"]), *post_prompts[-1:]})
    drawn = timeline.timeline(told, now=timezone.now() if line.running else None)
    lanes = [(lane.name, timeline.lane(drawn, lane, last=lane is drawn.lanes[-1])) for lane in drawn.lanes]
    condition = condition_text("call", call_id)
    context = {
        "line": line,
        "call": line.call,
        "began": timeline.moment(events[0]),
        "axis": timeline.axis(drawn),
        "lanes": lanes,
        "story": story(told, bodies),
        "untold": len(events) - len(told),
        "is_cut": len(events) >= MAX_CALL_EVENTS,
        "summary": summary_of(bodies[post_prompts[-1]][0]) if post_prompts else "",
        "has_ended": bool(post_prompts),
        "in_log": log_of("call", call_id),
        "export": f"{reverse('dashboard:log-jsonl')}?{urlencode({'filter': condition})}",
        "socket": public_path(f"/ws/page?{urlencode({'rate': '0', 'filter': condition})}"),
    }
    return show(request, "pages/call.html", context, parts={"call"})


def wanted_of(request: HttpRequest) -> Wanted:
    """What the address asks for."""
    words = {name: line_of(request.GET, name, MAX_WORD) for name in ("agent", "q", "outcome")}
    return Wanted(words["agent"], words["q"], words["outcome"] if words["outcome"] in OUTCOMES else "")


def query_of(wanted: Wanted) -> str:
    """The same as the query of an address."""
    words = {"agent": wanted.agent, "q": wanted.text, "outcome": wanted.outcome}
    return f"?{urlencode({name: value for name, value in words.items() if value})}"


def news_address(wanted: Wanted, newest: str, lines: list[Line]) -> str:
    """Where to ask what is new since `newest`, and how those go on that run."""
    running = [("running", line.at) for line in lines if line.running]
    return f"{reverse('dashboard:calls-news')}{query_of(wanted)}&{urlencode([('newest', newest), *running])}"


urlpatterns = [
    path("calls/", calls, name="calls"),
    path("calls/-/news/", news, name="calls-news"),
    path("calls/<call_id:call_id>/", call, name="calls-call"),
]
