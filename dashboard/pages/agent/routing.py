"""Every way to reach an agent, and how to change it."""

import json
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone

from dashboard.agents.frame import agent_frame
from dashboard.shell import page_for, part_wanted, show
from dashboard.toasts import everywhere, say
from registry.actions import effects, sip_names
from registry.actions import routes as route_actions
from registry.actions.former_routes import former_of
from registry.actions.lookups import default_route, only_route
from registry.base.errors import Conflict, Malformed, NotFound
from registry.models import Route
from registry.policy import Deed
from registry.reports.activity import calls_of
from registry.reports.hits import Hits, hits_of_names, hits_of_routes
from registry.requests import actor_of

FORMS = ("GET", "HEAD", "POST")
POST = ("POST",)
DAY = timedelta(hours=24)


@page_for(Deed.SEE)
def routing(request: HttpRequest, name: str) -> HttpResponse:
    """Routes and SIP names; how often each was used is asked for after the page is there."""
    return page(request, name)


def page(request: HttpRequest, name: str, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with what was typed and what is wrong with it."""
    context = agent_frame(request, name, "agent-routing")
    routes: list[Route] = context["routes"]
    names = [(mapping, route) for route in routes for mapping in route.sip_mappings.all()]
    counted, since = part_wanted(request) == "reach", timezone.now() - DAY
    of_routes, of_names = {}, {}
    if counted:
        alone = [name] if len(routes) == 1 else []
        of_routes = hits_of_routes([(route.path, name) for route in routes], alone, since)
        of_names = hits_of_names([mapping.username for mapping, _ in names], since)
    context |= {
        "counted": counted,
        "ways": [(route, of_routes.get(route.path, Hits()) if counted else None) for route in routes],
        "names": [
            (mapping, route, of_names.get(mapping.username, Hits()) if counted else None) for mapping, route in names
        ],
        "unmatched": effects.unmatched(),
    }
    return show(request, "pages/agent/routing.html", {**context, **more}, parts={"reach"}, status=status)


@page_for(Deed.CHANGE, methods=POST)
def add_route(request: HttpRequest, name: str) -> HttpResponse:
    """Give it another route."""
    typed = request.POST.get("path", "").strip()
    if not typed:
        return page(request, name, 422, path_problem="Type a path such as /sales-emea; / alone is the root.")
    try:
        change = route_actions.register_route(
            name, typed, auto_sip="auto_sip" in request.POST, by=actor_of(request, "dashboard"), wait=True
        )
    except (Malformed, Conflict) as error:
        return page(request, name, 422, typed_path=typed, path_problem=str(error))
    skipped = ", ".join(f"{username} belongs to {owner}" for username, owner in change.skipped.items())
    say(request, f"{name} answers at {change.route} too{everywhere(change)}" + (f"; {skipped}" if skipped else ""))
    return back(name)


@page_for(Deed.CHANGE, methods=FORMS)
def remove_route(request: HttpRequest, name: str) -> HttpResponse:
    """Say what it does, then do it. `route` is its path; an agent's only one need not be named."""
    wanted = (request.POST if request.method == "POST" else request.GET).get("route", "")
    route = own_route(name, path=wanted) if wanted else only_route(name)
    if request.method != "POST":
        context = agent_frame(request, name, "agent-routing")
        context |= {"route": route, "effect": effects.effect_of_removing([route.pk])}
        context["running"] = sum(calls_of(name).values())
        return show(request, "pages/agent/remove_route.html", context)
    change = route_actions.unregister(route.pk, by=actor_of(request, "dashboard"), wait=True)
    if change.state:  # it is in the trash
        fields, undo = {}, reverse("dashboard:agent-restore", args=[name])
    else:
        fields, undo = {"former": json.dumps(change.former)}, reverse("dashboard:agent-route-restore", args=[name])
    say(request, f"{route.path} answers nobody{everywhere(change)}", undo=undo, fields=fields)
    return back(name)


@page_for(Deed.CHANGE, methods=POST)
def restore_route(request: HttpRequest, name: str) -> HttpResponse:
    """Take the removal of a route back: its names come with it, but for those that another has now."""
    former = former_of(request.POST.get("former", ""))
    change = route_actions.restore_route(name, former, by=actor_of(request, "dashboard"), wait=True)
    lost = "".join(f"; {username} belongs to {owner} now" for username, owner in change.skipped.items())
    say(request, f"{name} answers at {change.route} again{everywhere(change)}{lost}", tone="warn" if lost else "ok")
    return back(name)


@page_for(Deed.CHANGE, methods=POST)
def set_default(request: HttpRequest, name: str, route_id: int) -> HttpResponse:
    """Let a route take the calls to SIP names that nobody has, or no longer."""
    route = own_route(name, pk=route_id)
    on = bool(request.POST.get("on"))
    before, answered = default_route(), effects.unmatched()
    change = route_actions.update_route(route_id, default=on, by=actor_of(request, "dashboard"), wait=True)
    instead = f" instead of {answered.path}" if answered.answers and answered.path != route.path else ""
    if on and route.enabled:
        words = f"Names that nobody has reach {route.path}{instead}{everywhere(change)}"
    elif on:
        words = f"{route.path} is the default route{everywhere(change)}; it is switched off, so names that nobody has"
        words += " are refused"
    else:
        words = f"Names that nobody has are refused{everywhere(change)}"
    if on and before and before.pk != route.pk:
        say(request, words, **undo_default(before, on=True))
    else:
        say(request, words, **undo_default(route, on=not on))
    return back(name)


def undo_default(route: Route, *, on: bool) -> dict[str, Any]:
    """What `say` needs to offer an undo."""
    return {
        "undo": reverse("dashboard:agent-route-default", args=[route.agent.name, route.pk]),
        "fields": {"on": "1" if on else ""},
    }


@page_for(Deed.CHANGE, methods=POST)
def switch_route(request: HttpRequest, name: str, route_id: int) -> HttpResponse:
    """Switch a route on or off; its names stay bound to it."""
    route = own_route(name, pk=route_id)
    on = bool(request.POST.get("on"))
    change = route_actions.update_route(route_id, enabled=on, by=actor_of(request, "dashboard"), wait=True)
    words = "is switched on" if on else "is switched off: 404 until somebody switches it on"
    say(
        request,
        f"{route.path} {words}{everywhere(change)}",
        undo=reverse("dashboard:agent-route-switch", args=[name, route_id]),
        fields={"on": "" if on else "1"},
    )
    return back(name)


@page_for(Deed.CHANGE, methods=POST)
def add_name(request: HttpRequest, name: str) -> HttpResponse:
    """Bind a SIP name to one of the agent's routes."""
    typed, chosen = request.POST.get("username", "").strip(), request.POST.get("route", "")
    try:
        own_route(name, path=chosen)
        change = sip_names.register_sip_username(typed, chosen, by=actor_of(request, "dashboard"), wait=True)
    except (Malformed, Conflict, NotFound) as error:
        return page(request, name, 422, typed_name=typed, typed_route=chosen, name_problem=str(error))
    say(request, f"{change.sip[0]} reaches {change.route}{everywhere(change)}")
    return back(name)


@page_for(Deed.CHANGE, methods=POST)
def remove_name(request: HttpRequest, name: str) -> HttpResponse:
    """Take a SIP name away; where its callers come out stands beside the button."""
    username = request.POST.get("username", "")
    typed = request.POST.get("typed", "") or username
    change = sip_names.unregister_sip_username(username, by=actor_of(request, "dashboard"), wait=True)
    say(
        request,
        f"{username} no longer reaches {change.agent}{everywhere(change)}",
        undo=reverse("dashboard:agent-name-add", args=[name]),
        fields={"username": typed, "route": change.route},
    )
    return back(name)


# --- what they have in common ----------------------------------------------------------------------------------------


def own_route(name: str, **which: Any) -> Route:
    """One of the agent's routes."""
    route = Route.objects.select_related("agent").filter(agent__name=name, **which).first()
    if route is None:
        raise NotFound(f"{name} has no such route: choose one of its own.")
    return route


def back(name: str) -> HttpResponse:
    """To the tab."""
    return redirect("dashboard:agent-routing", name)


urlpatterns = [
    path("agents/<str:name>/routing/", routing, name="agent-routing"),
    path("agents/<str:name>/routes/", add_route, name="agent-route-add"),
    path("agents/<str:name>/routes/restore/", restore_route, name="agent-route-restore"),
    path("agents/<str:name>/routes/remove/", remove_route, name="agent-route-remove"),
    path("agents/<str:name>/routes/<int:route_id>/default/", set_default, name="agent-route-default"),
    path("agents/<str:name>/routes/<int:route_id>/switch/", switch_route, name="agent-route-switch"),
    path("agents/<str:name>/names/", add_name, name="agent-name-add"),
    path("agents/<str:name>/names/remove/", remove_name, name="agent-name-remove"),
]
