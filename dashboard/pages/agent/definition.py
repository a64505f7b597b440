"""The editor of an agent's definition: form and YAML are two views of one state, which is saved as the draft."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from agents.models import Agent
from dashboard.agents.frame import agent_frame, find_agent
from dashboard.definition.editor import Editor, sent_editor
from dashboard.definition.preview import look_at, preview_of
from dashboard.definition.tree import MISSING
from dashboard.differences import field_differences
from dashboard.pages.agent.source import has_editor, no_editor, source_page
from dashboard.shell import EVERY_FIELD, common, page_for, show
from dashboard.toasts import say
from registry.actions import versions
from registry.actions.etags import definition_tag
from registry.actions.versions import get_version
from registry.base.errors import Malformed, Outdated
from registry.policy import Deed
from registry.requests import actor_of, public_base

FORMS = ("GET", "HEAD", "POST")
TEMPLATE = "pages/agent/definition.html"
VIEWS = ("form", "yaml")


@page_for(Deed.SEE)
def definition(request: HttpRequest, name: str) -> HttpResponse:
    """What is saved, as a form or as YAML (`?view=yaml`): the draft, else the live version."""
    context = agent_frame(request, name, "agent-definition")
    agent = context["agent"]
    version = agent.draft or agent.live
    if not has_editor(agent):
        return source_page(request, context)
    view = request.GET.get("view", "form")
    editor = Editor.of_saved(
        version.definition if version else {}, view if view in VIEWS else "form", definition_tag(agent)
    )
    return show(request, TEMPLATE, context | page_context(agent, editor), parts={"editor"})


@page_for(Deed.CHANGE, methods=["POST"], documents=(EVERY_FIELD,))
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """What was typed, in another view or after an act on the form; nothing is saved unless that is the deed."""
    context = agent_frame(request, name, "agent-definition")
    agent = context["agent"]
    if not has_editor(agent):
        return no_editor(request, agent)
    editor = sent_editor(request.POST, request.POST.getlist("open"))
    deed = request.POST.get("do", "save")
    if deed == "save":
        if not editor.problems:
            saved = save(request, agent, editor, context)
            if saved is not None:
                return saved
        return show(request, TEMPLATE, context | page_context(agent, editor), status=422)
    editor.carry_out(deed)
    status = 422 if editor.problems else 200
    answer = show(request, TEMPLATE, context | page_context(agent, editor), parts={"editor"}, status=status)
    if deed.startswith("view:") and status == 200:
        answer["HX-Replace-Url"] = f"{reverse('dashboard:agent-definition', args=[name])}?view={editor.view}"
    return answer


def save(request: HttpRequest, agent: Agent, editor: Editor, context: dict[str, Any]) -> HttpResponse | None:
    """Save the draft. None if it has problems, which the editor then has; the conflict's page if need be."""
    by, note = actor_of(request, "dashboard"), request.POST.get("note", "")
    try:
        change = versions.save_draft(agent.name, editor.tree, by=by, note=note, base=[editor.base])
    except Malformed as error:
        editor.problems = error.problems or {"definition": str(error)}
        return None
    except Outdated:
        return conflict(request, find_agent(agent.name), editor, context)
    what = f"Draft saved as version {change.version}: callers do not hear it before it is published"
    say(request, what if change.changed else f"Nothing was saved: draft v{change.version} says the same")
    after = "#publish" if request.POST.get("then") == "publish" else ""
    view = "?view=yaml" if editor.view == "yaml" else ""
    return redirect(reverse("dashboard:agent-definition", args=[agent.name]) + view + after)


def conflict(request: HttpRequest, agent: Agent, editor: Editor, context: dict[str, Any]) -> HttpResponse:
    """Somebody has saved or published meanwhile: theirs and yours, and a choice that loses neither."""
    theirs = agent.draft or agent.live
    assert theirs is not None  # there is one as soon as somebody has saved
    base = definition_tag(agent)
    mine = look_at(editor.tree, agent.name).checked
    after = mine.stored() if mine else editor.tree
    differences = field_differences(get_version(agent, theirs.number).definition, after)
    more = {"theirs": theirs, "is_live": agent.draft is None, "editor": editor, "base": base, "fields": differences}
    return show(request, "pages/agent/definition/conflict.html", context | {"agent": agent} | more, status=412)


@page_for(Deed.CHANGE, methods=["POST"], documents=(EVERY_FIELD,))
def take_theirs(request: HttpRequest, name: str) -> HttpResponse:
    """Go on with what a colleague has saved; what was typed here is kept as a version."""
    if not has_editor(agent := find_agent(name)):
        return no_editor(request, agent)
    editor = sent_editor(request.POST, [])
    if editor.problems:
        raise Malformed("this form does not fit its definition: load the page again")
    change = versions.set_aside(
        name, editor.tree, by=actor_of(request, "dashboard"), note="set aside for a colleague's"
    )
    say(request, f"You see your colleague's. Yours is kept as version {change.version}")
    return redirect("dashboard:agent-definition", name)


@page_for(Deed.CHANGE, methods=["POST"], documents=(EVERY_FIELD,))
def check(request: HttpRequest, name: str) -> HttpResponse:
    """The problems of what has been typed, and what it comes out as; nothing is saved."""
    agent = find_agent(name)
    if not has_editor(agent):
        return no_editor(request, agent)
    editor = sent_editor(request.POST, request.POST.getlist("open"))
    found = look_at(editor.tree, name) if editor.tree is not MISSING and not editor.problems else None
    if found is not None:
        editor.problems = found.problems
    if editor.problems:
        editor.parts()  # finds the field of each
    whole = request.POST.get("show") == "whole"
    checked = found.checked if found else None
    context = {
        "agent": agent,
        "editor": editor,
        "warnings": found.warnings if found else [],
        "preview": preview_of(agent, checked, public_base(request), whole=whole) if checked else None,
        "whole": whole,
        "oob": True,
    }
    return render(request, "pages/agent/definition/preview.html", common(request) | context)


@page_for(Deed.SEE)
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """What is saved comes out as."""
    agent = find_agent(name)
    if not has_editor(agent):
        return no_editor(request, agent)
    version = agent.draft or agent.live
    found = look_at(get_version(agent, version.number).definition, name) if version else None
    whole = request.GET.get("show") == "whole"
    checked = found.checked if found else None
    context = {
        "agent": agent,
        "warnings": found.warnings if found else [],
        "preview": preview_of(agent, checked, public_base(request), whole=whole) if checked else None,
        "whole": whole,
    }
    return render(request, "pages/agent/definition/preview.html", common(request) | context)


@page_for(Deed.SEE)
def changed(request: HttpRequest, name: str) -> HttpResponse:
    """Whether somebody has saved or published since a page was loaded, whose `base` this is."""
    agent = find_agent(name)
    base = request.GET.get("base", "")[:64]
    theirs = agent.draft or agent.live if base and base != definition_tag(agent) else None
    context = {"agent": agent, "theirs": theirs, "base": base, "is_live": agent.draft is None}
    return render(request, "pages/agent/definition/changed.html", common(request) | context)


@page_for(Deed.CHANGE, methods=["POST"])
def discard(request: HttpRequest, name: str) -> HttpResponse:
    """Take the draft away; its version stays, and Undo makes a draft of it again."""
    change = versions.discard_draft(name, by=actor_of(request, "dashboard"))
    undo = reverse("dashboard:agent-draft-again", args=[name])
    say(request, f"Draft v{change.version} is discarded", undo=undo, fields={"number": str(change.version)})
    return redirect("dashboard:agent-definition", name)


@page_for(Deed.CHANGE, methods=["POST"])
def draft_again(request: HttpRequest, name: str) -> HttpResponse:
    """Make a draft of what a version says."""
    agent = find_agent(name)
    version = get_version(agent, number_of(request.POST.get("number", "")))
    change = versions.save_draft(
        name, version.definition, by=actor_of(request, "dashboard"), note=f"as version {version.number}"
    )
    say(request, f"What version {version.number} says is the draft, v{change.version}")
    return redirect("dashboard:agent-definition", name)


def number_of(text: str) -> int:
    """A version's number; `Malformed` for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed("a version is a number")
    return int(text)


def page_context(agent: Agent, editor: Editor) -> dict[str, Any]:
    """What the editor's template needs."""
    return {
        "editor": editor,
        "parts": editor.parts(),
        "names": Agent.objects.exclude(state=Agent.State.TRASHED).values_list("name", flat=True)[:500]
        if editor.opened
        else (),
        "version": agent.draft or agent.live,
        "may_edit": agent.state != Agent.State.TRASHED,
    }


urlpatterns = [
    path("agents/<str:name>/definition/", definition, name="agent-definition"),
    path("agents/<str:name>/definition/edit/", edit, name="agent-definition-edit"),
    path("agents/<str:name>/definition/check/", check, name="agent-definition-check"),
    path("agents/<str:name>/definition/preview/", preview, name="agent-definition-preview"),
    path("agents/<str:name>/definition/changed/", changed, name="agent-definition-changed"),
    path("agents/<str:name>/definition/theirs/", take_theirs, name="agent-definition-theirs"),
    path("agents/<str:name>/definition/discard/", discard, name="agent-discard"),
    path("agents/<str:name>/definition/draft/", draft_again, name="agent-draft-again"),
]
