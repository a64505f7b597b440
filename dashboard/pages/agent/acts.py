"""What is done to an agent from its head: pause, resume, name, reveal, unregister, restore."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.urls import path, reverse
from django.utils import timezone

from agents.models import Agent
from dashboard.agents.frame import agent_frame, find_agent
from dashboard.shell import page_before, page_for, show
from dashboard.toasts import everywhere, say
from registry.actions import agents, credentials, effects, pauses, trash
from registry.actions.transaction import Change
from registry.base.errors import Malformed
from registry.policy import Deed
from registry.reports.activity import calls_of
from registry.requests import actor_of

FORMS = ("GET", "HEAD", "POST")
PAUSES = {"15": timedelta(minutes=15), "60": timedelta(hours=1), "0": None}  # by minutes


@page_for(Deed.SEE)
def head(request: HttpRequest, name: str) -> HttpResponse:
    """How the agent is doing, or what can be done to it: whichever part asks."""
    context = agent_frame(request, name, "")
    return show(request, "pages/agent/head.html", context, parts={"agent-facts", "agent-actions"})


@page_for(Deed.CHANGE, methods=FORMS)
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Let new callers hear a message, for a while or until somebody resumes."""
    message, minutes = request.POST.get("message", ""), request.POST.get("minutes", "15")
    problem = ""
    if request.method == "POST":
        try:
            change = paused(request, name, message, minutes)
        except Malformed as error:
            problem = str(error)
        else:
            long = f" for {minutes} minutes" if PAUSES[minutes] else ""
            was_paused = change.former["state"] == Agent.State.PAUSED  # resuming it would be no undo
            way_back = {} if was_paused else undo("agent-resume", name)
            say(request, f"{name} is paused{long}{everywhere(change)}", **way_back)
            return back_to(request, name)
    context = {**agent_frame(request, name, ""), "message": message, "minutes": minutes, "problem": problem}
    return show(request, "pages/agent/pause.html", context, status=422 if problem else 200)


def paused(request: HttpRequest, name: str, message: str, minutes: str) -> Change:
    """Pause it as a form says."""
    if minutes not in PAUSES:
        raise Malformed("Choose how long it shall be paused.")
    long = PAUSES[minutes]
    until = None if long is None else timezone.now() + long
    return pauses.pause(name, message, until=until, by=actor_of(request, "dashboard"), wait=True)


@page_for(Deed.CHANGE, methods=["POST"])
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Answer new calls again."""
    change = pauses.resume(name, by=actor_of(request, "dashboard"), wait=True)
    say(request, f"{name} answers again{everywhere(change)}")
    return back_to(request, name)


@page_for(Deed.CHANGE, methods=FORMS)
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Title and tags."""
    agent = find_agent(name)
    given = {"given_title": agent.title, "given_tags": ", ".join(agent.tags)}
    problems: dict[str, str] = {}
    if request.method == "POST":
        given = {"given_title": request.POST.get("title", ""), "given_tags": request.POST.get("tags", "")}
        tags = [tag for tag in given["given_tags"].split(",") if tag.strip()]
        try:
            change = agents.update_agent(
                name, title=given["given_title"], tags=tags, by=actor_of(request, "dashboard"), wait=True
            )
        except Malformed as error:
            problems = error.problems or {"title": str(error)}
        else:
            say(request, f"{name}: {' and '.join(change.renewed) or 'nothing'} changed")
            return redirect("dashboard:agent", name)
    context = {**agent_frame(request, name, ""), **given, "problems": problems}
    return show(request, "pages/agent/edit.html", context, status=422 if problems else 200)


@page_for(Deed.REVEAL, methods=["POST"])
def reveal(request: HttpRequest, name: str) -> HttpResponse:
    """User and password, this once; the audit says who looked."""
    user, password = credentials.reveal_credentials(name, by=actor_of(request, "dashboard"))
    context = agent_frame(request, name, "")
    scheme, _, rest = context["swml_url"].partition("://")
    whole = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}" if rest else ""
    context |= {"user": user, "password": password, "whole_url": whole}
    return show(request, "pages/agent/credentials.html", context, parts={"credentials"})


@page_for(Deed.CHANGE, methods=FORMS)
def unregister(request: HttpRequest, name: str) -> HttpResponse:
    """Say what it does, then do it; the trash keeps everything."""
    if request.method == "POST":
        change = trash.unregister_agent(name, by=actor_of(request, "dashboard"), wait=True)
        gone = f" and {len(change.sip)} SIP name{pluralize(len(change.sip))}" if change.sip else ""
        say(
            request,
            f"{name} is unregistered: its routes{gone} answer nobody{everywhere(change)}",
            **undo("agent-restore", name),
        )
        return redirect("dashboard:agent", name)
    context = agent_frame(request, name, "")
    context |= {"effect": effects.effect_of_unregistering([name]), "running": sum(calls_of(name).values())}
    return show(request, "pages/agent/unregister.html", context)


@page_for(Deed.CHANGE, methods=["POST"])
def restore(request: HttpRequest, name: str) -> HttpResponse:
    """Out of the trash, at the routes and with the names that it had."""
    change = trash.restore_agent(name, by=actor_of(request, "dashboard"), wait=True)
    lost = ", ".join(f"{username} (now of {owner})" for username, owner in change.skipped.items())
    say(
        request,
        f"{name} answers again at {change.route}{everywhere(change)}" + (f"; without {lost}" if lost else ""),
        tone="warn" if lost else "ok",
    )
    return redirect("dashboard:agent", name)


# --- what they have in common ----------------------------------------------------------------------------------------


def undo(url_name: str, name: str) -> dict[str, Any]:
    """What `say` needs to offer an undo."""
    return {"undo": reverse(f"dashboard:{url_name}", args=[name])}


def back_to(request: HttpRequest, name: str) -> HttpResponse:
    """The page that the form was on; the agent's if that was the form's own."""
    before = page_before(request)
    own = {reverse("dashboard:agent-pause", args=[name]), reverse("dashboard:home")}
    return redirect(reverse("dashboard:agent", args=[name]) if before in own else before)


urlpatterns = [
    path("agents/<str:name>/head/", head, name="agent-head"),
    path("agents/<str:name>/pause/", pause, name="agent-pause"),
    path("agents/<str:name>/resume/", resume, name="agent-resume"),
    path("agents/<str:name>/edit/", edit, name="agent-edit"),
    path("agents/<str:name>/credentials/", reveal, name="agent-reveal"),
    path("agents/<str:name>/unregister/", unregister, name="agent-unregister"),
    path("agents/<str:name>/restore/", restore, name="agent-restore"),
]
