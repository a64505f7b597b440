"""What Operators do on the Routing page: map and unmap names; add, switch, remove and restore routes."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from dashboard import toasts
from dashboard.fields import line_of
from dashboard.routing import tables
from dashboard.routing.page import kept, shown
from dashboard.shell import page_for
from registry.actions import routes, sip_names, trash
from registry.actions.effects import unmatched
from registry.actions.former_routes import former_of
from registry.actions.lookups import default_route
from registry.base.errors import Malformed, NotFound, RegistryError
from registry.models import SipMapping
from registry.policy import Deed
from registry.requests import actor_of
from registry.routing.addresses import sip_username

POST = ("POST",)


@page_for(Deed.CHANGE, methods=POST)
def map_name(request: HttpRequest) -> HttpResponse:
    """Bind a SIP name to a route. `away_from`: the route it is moved from; without it a taken name is refused."""
    typed, route = given(request, "username"), given(request, "route")
    source = given(request, "source") or SipMapping.Source.MANUAL.value
    by = actor_of(request, "dashboard")
    try:
        problem = missing(username=typed, route=route)
        if problem:
            raise problem
        if "away_from" in request.POST:
            away = given(request, "away_from")
            change = sip_names.move_sip_username(typed, route, away_from=away, source=source, by=by, wait=True)
        else:
            change = sip_names.register_sip_username(typed, route, by=by, wait=True)
    except RegistryError as error:
        return refused(request, "map", error, {"username": typed, "route": route})
    name = change.sip[0]
    if not change.changed:
        toasts.say(request, f"{name} led to {change.route} before", tone="idle")
    elif change.former:
        fields = {"username": change.former["typed"], "route": change.former["route"], "away_from": change.route}
        fields["source"] = change.former["source"]
        words = f"{name} leads to {change.route} now, no longer to {change.former['route']}"
        toasts.say(request, words + toasts.everywhere(change), undo=here("map", request), fields=fields)
    else:
        words = f"{name} leads to {change.route} ({change.agent})"
        undo = here("unmap", request)
        toasts.say(request, words + toasts.everywhere(change), undo=undo, fields={"username": typed})
    return back(request)


@page_for(Deed.CHANGE, methods=POST)
def unmap_name(request: HttpRequest) -> HttpResponse:
    """Take a SIP name away from its route."""
    change = sip_names.unregister_sip_username(given(request, "username"), by=actor_of(request, "dashboard"), wait=True)
    fields = {"username": change.former["typed"], "route": change.route, "away_from": ""}
    fields["source"] = change.former["source"]
    words = f"{change.sip[0]} is unmapped from {change.route}: it reaches {tables.where(unmatched())}"
    toasts.say(request, words + toasts.everywhere(change), undo=here("map", request), fields=fields)
    return back(request)


@page_for(Deed.CHANGE, methods=POST)
def add_route(request: HttpRequest) -> HttpResponse:
    """Give an agent another route."""
    agent, path = given(request, "agent"), given(request, "path")
    try:
        problem = missing(agent=agent, path=path)
        if problem:
            raise problem
        auto = "auto_sip" in request.POST
        change = routes.register_route(agent, path, auto_sip=auto, by=actor_of(request, "dashboard"), wait=True)
    except RegistryError as error:
        return refused(request, "add", error, {"agent": agent, "path": path})
    names = f", with {', '.join(change.sip)}" if change.sip else ""
    words = f"{change.route} leads to {agent}{names}{toasts.everywhere(change)}"
    toasts.say(request, words, undo=here("remove", request), fields={"route": str(change.made)})
    return back(request)


@page_for(Deed.CHANGE, methods=POST)
def change_route(request: HttpRequest) -> HttpResponse:
    """Switch a route on or off, or make it the default. What is not given stays."""
    before = default_route()
    change = routes.update_route(
        route_id(request),
        enabled=said(request, "enabled"),
        default=said(request, "default"),
        by=actor_of(request, "dashboard"),
        wait=True,
    )
    undo: dict[str, str] = {"route": given(request, "route")}
    if "default" in change.renewed and said(request, "default"):
        words = f"{change.route} is the default route"
        undo = {"route": str(before.pk), "default": "1"} if before else {**undo, "default": "0"}
    elif "default" in change.renewed:
        words, undo = f"{change.route} is no longer the default route", {**undo, "default": "1"}
    elif "enabled" in change.renewed:
        on = said(request, "enabled")
        words = f"{change.route} is switched {'on' if on else 'off'}"
        undo["enabled"] = "0" if on else "1"
    else:
        toasts.say(request, f"{change.route} was so before", tone="idle")
        return back(request)
    toasts.say(request, words + toasts.everywhere(change), undo=here("change", request), fields=undo)
    return back(request)


@page_for(Deed.CHANGE, methods=POST)
def remove_route(request: HttpRequest) -> HttpResponse:
    """Unregister a route with its names."""
    change = routes.unregister(route_id(request), by=actor_of(request, "dashboard"), wait=True)
    names = len(change.sip)
    words = f"{change.route} is unregistered"
    if names:
        them = "1 SIP name reaches" if names == 1 else f"{names} SIP names reach"
        words += f": {them} {tables.where(unmatched())}"
    words += f"; {change.agent} is in the trash" if change.state else ""
    fields = {"agent": change.agent, "former": "" if change.state else json.dumps(change.former)}
    toasts.say(request, words + toasts.everywhere(change), undo=here("restore", request), fields=fields)
    return back(request)


@page_for(Deed.CHANGE, methods=POST)
def restore_route(request: HttpRequest) -> HttpResponse:
    """Undo that: the route with its names, or the whole agent out of the trash."""
    agent, former, by = given(request, "agent"), request.POST.get("former", ""), actor_of(request, "dashboard")
    if former:
        change = routes.restore_route(agent, former_of(former), by=by, wait=True)
    else:
        change = trash.restore_agent(agent, by=by, wait=True)
    skipped = f"; not {', '.join(change.skipped)}, which others have now" if change.skipped else ""
    toasts.say(request, f"{change.route} leads to {agent} again{skipped}{toasts.everywhere(change)}")
    return back(request)


# --- what they have in common ----------------------------------------------------------------------------------------


def refused(request: HttpRequest, drawer: str, error: RegistryError, fields: dict[str, str]) -> HttpResponse:
    """The form again, with what was typed and what is wrong, beside the tables as they were."""
    problems = error.problems if set(error.problems) & set(fields) else {guilty(drawer, error): str(error)}
    context: dict[str, Any] = {"drawer": drawer, "fields": fields, "problems": problems}
    if drawer == "map":
        owner = tables.all_names().filter(username=sip_username(fields["username"])[:128]).first()
        context["owner"] = owner if owner and owner.route.path != fields["route"] else None
    return shown(request, drawer=context, status=error.status if error.status == 503 else 422)


def guilty(drawer: str, error: RegistryError) -> str:
    """The field that an error is about; the last one that is filled in if it does not say."""
    if drawer == "map":
        return "route" if error.about == "route" else "username"
    return "agent" if error.about == "agent" else "path"


def missing(**fields: str) -> Malformed | None:
    """What says which fields are empty."""
    empty = {name: "Fill this in." for name, text in fields.items() if not text}
    return Malformed("something is not filled in", problems=empty) if empty else None


def given(request: HttpRequest, name: str) -> str:
    """A field of the form."""
    return line_of(request.POST, name)


def said(request: HttpRequest, name: str) -> bool | None:
    """Yes, no, or not mentioned."""
    return request.POST[name] == "1" if name in request.POST else None


def route_id(request: HttpRequest) -> int:
    """The id of a route."""
    text = given(request, "route")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFound("there is no such route")
    return int(text)


def here(act: str, request: HttpRequest) -> str:
    """Where an act is done, so that one comes back to what the page shows now."""
    return reverse(f"dashboard:routing-{act}") + kept(request)


def back(request: HttpRequest) -> HttpResponse:
    """To the page, without the drawer."""
    return redirect(reverse("dashboard:routing") + kept(request))
