"""Settings: agents in the trash, and their way back."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from agents.models import Agent
from dashboard import toasts
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.actions import trash as trash_actions
from registry.policy import Deed
from registry.requests import actor_of

ROWS = 50  # of a page


@page_for(Deed.SEE)
def trash(request: HttpRequest) -> HttpResponse:
    """The agents that were unregistered, the last first."""
    found = Agent.objects.filter(state=Agent.State.TRASHED).only("name", "title", "trashed", "former_reach")
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit() and len(after) < 5:
        rows = list(found.order_by("-trashed", "pk")[int(after) : int(after) + ROWS + 1])
    else:
        after, rows = "0", list(found.order_by("-trashed", "pk")[: ROWS + 1])
    context = {
        "rows": [described(agent) for agent in rows[:ROWS]],
        "next": int(after) + ROWS if len(rows) > ROWS else None,
    }
    return show_section(request, "settings-trash", "trash", context, parts={"list"})


@page_for(Deed.CHANGE, methods=["POST"])
def restore(request: HttpRequest) -> HttpResponse:
    """Bring an agent back, at the routes that it had."""
    name = request.POST.get("agent", "")
    change = trash_actions.restore_agent(name, by=actor_of(request, "dashboard"), wait=True)
    skipped = ", ".join(f"{username} (now {owner}'s)" for username, owner in change.skipped.items())
    more = f" Not restored: SIP names {skipped}." if skipped else ""
    toasts.say(request, f"{name} answers at {change.route} again{toasts.everywhere(change)}.{more}")
    if change.credentials:
        toasts.say(request, f"{name} has new credentials: its page reveals them.", tone="warn")
    return redirect("dashboard:agent", name)


def described(agent: Agent) -> dict[str, object]:
    """An agent in the trash, with what it would get back."""
    reach = agent.former_reach or []
    names = [mapping["username"] for route in reach for mapping in route.get("sip", [])]
    return {"agent": agent, "routes": [route["path"] for route in reach], "sip": names}


urlpatterns = [
    path("settings/trash/", trash, name="settings-trash"),
    path("settings/trash/restore/", restore, name="settings-trash-restore"),
]
