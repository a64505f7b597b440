"""Publishing a draft, and making an old version live again: what will change first, then the act."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from agents.kinds import kind_of
from agents.models import Agent, AgentVersion
from dashboard.agents.frame import agent_frame, find_agent
from dashboard.definition.editor import Editor
from dashboard.definition.preview import document_of, look_at, stored_document
from dashboard.differences import Lines, field_differences, line_differences
from dashboard.pages.agent.definition import number_of
from dashboard.shell import page_for, show
from dashboard.sources.facts import comparable, functions_in
from dashboard.toasts import everywhere, say
from registry.actions import versions
from registry.actions.etags import definition_tag
from registry.actions.transaction import Change
from registry.actions.versions import get_version
from registry.base.errors import Outdated
from registry.policy import Deed
from registry.reports.activity import calls_of
from registry.requests import actor_of, public_base

SHOWS = ("fields", "document")


@page_for(Deed.CHANGE, methods=["GET", "HEAD", "POST"])
def publish(request: HttpRequest, name: str) -> HttpResponse:
    """What publishing the draft will change; by POST it becomes the live version."""
    if request.method == "POST":
        return published(request, name)
    context = agent_frame(request, name, "agent-definition")
    agent = context["agent"]
    more: dict[str, Any] = {"base": definition_tag(agent)}
    if agent.draft:
        more |= effect_of_publishing(request, agent, public_base(request))
    return show(request, "pages/agent/publish.html", context | more, parts={"publish"})


def effect_of_publishing(request: HttpRequest, agent: Agent, base: str) -> dict[str, Any]:
    """The difference of draft and live version, what keeps it from being published, and whom it is about."""
    draft = get_version(agent, agent.draft.number if agent.draft else 0)
    if not kind_of(draft.definition).edited:
        return effect_of_source(agent, draft)
    found = look_at(draft.definition, agent.name)
    editor = Editor.of_saved(draft.definition, "form", "")
    editor.problems = found.problems
    if found.problems:
        editor.parts()
    before = agent.live.definition if agent.live else {}
    shown = request.GET.get("show", "fields")
    lines = None
    if shown == "document" and found.checked and agent.live:
        old = stored_document(agent, before, base)
        new = document_of(agent, found.checked, base)
        lines = line_differences(old, new) if old is not None else Lines(too_large=True)
    functions, known = functions_in(draft.definition), functions_in(before)
    return {
        "draft": draft,
        "fields": field_differences(comparable(before), draft.definition),
        "lines": lines,
        "shown": shown if shown in SHOWS else "fields",
        "blockers": editor.listed,
        "warnings": found.warnings,
        "gone": [each for each in known if each not in functions],
        "added": [each for each in functions if each not in known],
        "running": calls_of(agent.name).get(agent.live.number, 0) if agent.live else 0,
    }


def effect_of_source(agent: Agent, draft: AgentVersion) -> dict[str, Any]:
    """The same for what has no editor: problems are said when it is saved."""
    before = agent.live.definition if agent.live else {}
    functions, known = functions_in(draft.definition), functions_in(before)
    return {
        "draft": draft,
        "fields": field_differences(comparable(before), comparable(draft.definition)),
        "shown": "fields",
        "fields_only": True,
        "gone": [each for each in known if each not in functions],
        "added": [each for each in functions if each not in known],
        "running": calls_of(agent.name).get(agent.live.number, 0) if agent.live else 0,
    }


def published(request: HttpRequest, name: str) -> HttpResponse:
    """Publish the draft, if it is still what was looked at."""
    former = find_agent(name).live
    try:
        change = versions.publish_draft(
            name, by=actor_of(request, "dashboard"), base=[request.POST.get("base", "")], wait=True
        )
    except Outdated:
        text = "Nothing was published: somebody has saved or published meanwhile. Look at what will change now."
        say(request, text, tone="bad")
        return redirect(reverse("dashboard:agent-definition", args=[name]) + "#publish")
    tell(request, name, change, former.number if former else None)
    return redirect("dashboard:agent-definition", name)


def tell(request: HttpRequest, name: str, change: Change, former: int | None) -> None:
    """Say which version is live, with the way back to the former one."""
    if not change.changed:
        say(request, f"Version {change.version} says the same and stays live")
        return
    text = f"Version {change.version} is live{everywhere(change)}"
    if former is None:
        say(request, text)
        return
    fields = {"number": str(former), "base": definition_tag(find_agent(name))}
    say(request, text, undo=reverse("dashboard:agent-version-restore", args=[name]), fields=fields)


@page_for(Deed.CHANGE, methods=["POST"])
def restore(request: HttpRequest, name: str) -> HttpResponse:
    """Make what a version says live again, as a new version. `base`: of what was seen, if it must still be so."""
    former = find_agent(name).live
    number = number_of(request.POST.get("number", ""))
    base = request.POST.get("base", "")
    try:
        change = versions.restore_version(
            name, number, by=actor_of(request, "dashboard"), base=[base] if base else None, wait=True
        )
    except Outdated:
        say(request, "Nothing was restored: somebody has saved or published meanwhile.", tone="bad")
        return redirect("dashboard:agent-versions", name)
    tell(request, name, change, former.number if former else None)
    return redirect("dashboard:agent-versions", name)


urlpatterns = [
    path("agents/<str:name>/publish/", publish, name="agent-publish"),
    path("agents/<str:name>/versions/restore/", restore, name="agent-version-restore"),
]
