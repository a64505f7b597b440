"""What the Routing page shows, as its address says."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from dashboard.fields import line_of
from dashboard.routing import tables
from dashboard.routing.decisions import log_of, tell
from dashboard.shell import part_wanted, show
from dashboard.zones import moment_typed
from registry.actions import effects
from registry.actions.lookups import default_route
from registry.rehearsal.stage import dry_run, stage_of
from registry.reports.hits import hits_of_names
from registry.reports.unmatched import nearest, unmatched_names
from registry.requests import public_base
from registry.routing.addresses import sip_username
from registry.routing.question import MAX_ASKED, question_of

UNMATCHED_DAYS = 7
UNMATCHED_ROWS = 20
OF_DRAWER = ("map", "to", "name", "route", "add", "agent")  # what opens the drawer
MAX_ID = 2**63 - 1


def shown(request: HttpRequest, *, drawer: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """The page as its address says; `drawer`: what is open beside it after an act that was refused."""
    part = part_wanted(request)
    context = tested(request) if part in ("", "board", "answer") else {}
    context |= listed(request) if part in ("", "board", "list") else {}
    context |= {"default": default_route(), "unmatched_days": UNMATCHED_DAYS, "unmatched_names": None}
    if part == "unmatched" or "unmatched" in request.GET:
        since = timezone.now() - timedelta(days=UNMATCHED_DAYS)
        context["unmatched_names"] = unmatched_names(since, UNMATCHED_ROWS)
    context |= drawer or ({"drawer": ""} if part else drawer_of(request))
    context |= {"routing_url": reverse("dashboard:routing")}
    context["kept_query"] = kept(request)
    return show(request, "pages/routing.html", context, parts={"board", "answer", "list", "unmatched"}, status=status)


def tested(request: HttpRequest) -> dict[str, Any]:
    """What the tester says."""
    asked, caller, call = (text_of(request, word) for word in ("ask", "from", "call"))
    at, wrong = moment_asked(text_of(request, "at"))
    context: dict[str, Any] = {
        "ask": asked,
        "caller": caller,
        "call": call,
        "at": text_of(request, "at"),
        "wrong": wrong,
    }
    if asked and not wrong:
        question = question_of(asked, public_base(request), call)
        started = time.perf_counter_ns()
        table, decision = dry_run(question.facts, stage_of(request), at or time.time())
        microseconds = (time.perf_counter_ns() - started) // 1000
        told = tell(question, table, decision)
        context |= {"told": told, "question": question, "microseconds": microseconds}
        context["log_url"] = log_of(told, caller)
    return context


def listed(request: HttpRequest) -> dict[str, Any]:
    """The tables."""
    q, after, only = text_of(request, "q")[:200], text_of(request, "after"), request.GET.get("only") == "problems"
    of_routes = request.GET.get("show") == "routes"
    found = (tables.routes_found if of_routes else tables.names_found)(q, troubled_only=only, after=after)
    counts = tables.counts()
    return {
        "q": q,
        "after": after,
        "only": only,
        "of_routes": of_routes,
        "found": found,
        "counts": counts,
        "total": counts["routes" if of_routes else "names"],
        "troubled": counts["troubled_routes" if of_routes else "troubled_names"],
    }


def drawer_of(request: HttpRequest) -> dict[str, Any]:
    """What the address says is open beside the tables."""
    if "add" in request.GET:
        return {"drawer": "add", "fields": {"path": text_of(request, "add"), "agent": text_of(request, "agent")}}
    if "map" in request.GET:
        return {"drawer": "map", **map_fields(text_of(request, "map"), text_of(request, "to"))}
    if name := text_of(request, "name"):
        mapping = tables.all_names().filter(username=sip_username(name)).first()
        if mapping is None:
            return {"drawer": "gone", "gone": f"Nobody has the SIP name {name}."}
        hits = hits_of_names([mapping.username], tables.day_ago()).get(mapping.username)
        effect = f"Calls to {mapping.username} will reach {tables.where(effects.unmatched())}."
        log = f"{reverse('dashboard:log')}?{urlencode({'filter': f'sip:{mapping.username}'})}"
        return {"drawer": "name", "mapping": mapping, "hits": hits, "effect": effect, "log_of_it": log}
    if number := text_of(request, "route"):
        return drawer_of_route(number)
    return {"drawer": ""}


def drawer_of_route(number: str) -> dict[str, Any]:
    """A route, and what each act would do."""
    known = number.isascii() and number.isdigit() and int(number[:20]) <= MAX_ID
    route = tables.all_routes().filter(pk=int(number[:20])).first() if known else None
    if route is None:
        return {"drawer": "gone", "gone": "This route is not registered any more."}
    effect = effects.effect_of_removing([route.pk])
    return {
        "drawer": "route",
        "opened": route,
        "names": list(route.sip_mappings.all()[:100]),
        "effects": tables.lines_of(effect),
        "is_last": bool(effect.trashed),
        "unmatched": effect.unmatched,
        "log_of_it": f"{reverse('dashboard:log')}?{urlencode({'filter': f'route:{route.path}'})}",
    }


def map_fields(name: str, to: str) -> dict[str, Any]:
    """The form that maps a name; without a route, the one of the nearest name."""
    near = nearest([username]).get(username) if (username := sip_username(name)) and not to else None
    return {"fields": {"username": name, "route": to or (near[1] if near else "")}, "near": near}


# --- what the address says --------------------------------------------------------------------------------------------


def text_of(request: HttpRequest, name: str) -> str:
    """A parameter."""
    return line_of(request.GET, name, MAX_ASKED)


def moment_asked(text: str) -> tuple[float | None, str]:
    """Seconds since 1970 of a time in the page's zone; and what is wrong with it."""
    try:
        moment = moment_typed(text)
        return moment.timestamp() if moment else None, ""
    except ValueError:
        return None, "This is not a time: write it as 2026-11-22T09:00."


def kept(request: HttpRequest) -> str:
    """What the page's address says besides the drawer, with its question mark; "" if nothing."""
    query: QueryDict = request.GET.copy()
    for word in OF_DRAWER:
        query.pop(word, None)
    return f"?{query.urlencode()}" if query else ""
