"""The Definition tab of agents without an editor: what they are, looking at them again, and another source."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from agents.kind import Kind
from agents.kinds import kind_named, kind_of, kind_of_source
from agents.models import Agent, AgentVersion
from dashboard.agents.frame import agent_frame, find_agent
from dashboard.shell import page_for, problem, show
from dashboard.sources.facts import digest_of
from dashboard.sources.form import Typed
from dashboard.sources.forms import problems_of, templates_of, typed_of, typed_of_source, value_of
from dashboard.toasts import everywhere, say
from registry.actions import agents
from registry.actions.etags import definition_tag
from registry.actions.inspection import parsed
from registry.actions.instead import NOTHING
from registry.actions.transaction import Change
from registry.base.errors import Conflict, Malformed, NotFound, RegistryError
from registry.policy import Deed, to_register
from registry.reports.activity import calls_of
from registry.reports.agent_health import AgentTrouble
from registry.requests import actor_of, principal_of

FORMS = ("GET", "HEAD", "POST")


def has_editor(agent: Agent) -> bool:
    """Whether what would be edited is a definition of ours: the draft, else the live version."""
    if agent.draft_id is not None:  # whose definition was not read
        return kind_of(AgentVersion.objects.values_list("definition", flat=True).get(pk=agent.draft_id)).edited
    return agent.live is None or kind_of(agent.live.definition).edited


def source_page(request: HttpRequest, context: dict[str, Any], status: int = 200, **more: Any) -> HttpResponse:
    """What the agent is, and what can be done with that. `more`: what was typed, and what is wrong with it."""
    agent: Agent = context["agent"]
    version = agent.draft or agent.live
    assert version is not None
    source = parsed(version.definition)
    kind = kind_of_source(source)
    context |= {
        "version": version,
        "source": source,
        "kind": kind,
        "found": kind.found(source),
        "facts_templates": templates_of(kind, "_facts"),
        "pairs": kind.pairs(source),
        "kept": typed_of_source(source).shown,
        "code": digest_of(version.definition),
        "endpoints": endpoints_of(kind.servers(version.definition), context["trouble"]),
        "has_upstream": Agent.objects.filter(pk=agent.pk).exclude(upstream="").exists(),
        "may_work": principal_of(request).may(to_register(kind)) and agent.state != Agent.State.TRASHED,
        "base": definition_tag(agent),
    }
    return show(request, "pages/agent/source.html", {**context, **more}, status=status)


def endpoints_of(servers: list[str], trouble: AgentTrouble | None) -> list[tuple[str, str]]:
    """The endpoints of a remote agent, each with its state."""
    if trouble and (trouble.state == "down" or not trouble.away):
        return [(url, trouble.state) for url in servers]
    away = trouble.away if trouble else ()
    return [(url, "down" if url in away else "on_air") for url in servers]


def no_editor(request: HttpRequest, agent: Agent) -> HttpResponse:
    """The editor's answer for an agent that is no definition."""
    label = kind_named(agent.kind).label
    detail = (
        f"{agent.name} is a {label} agent: it has no form and no YAML here. Its source can be looked at and changed."
    )
    back = (reverse("dashboard:agent-definition", args=[agent.name]), "Its source")
    return problem(request, "There is nothing to edit here", detail, 409, back)


@page_for(Deed.CHANGE, methods=["POST"])
def reload(request: HttpRequest, name: str) -> HttpResponse:
    """Look at the code or the server again; `force` makes a new version of the same too."""
    former = find_agent(name).live
    force = bool(request.POST.get("force"))
    change = agents.reload(name, force=force, by=actor_of(request, "dashboard"), wait=True)
    tell(request, name, change, former, same_as(former))
    return redirect("dashboard:agent-definition", name)


@page_for(Deed.CHANGE, methods=FORMS)
def change_source(request: HttpRequest, name: str) -> HttpResponse:
    """Another class, other arguments, another URL: it is looked at, and becomes the next version."""
    agent = find_agent(name)
    if has_editor(agent):
        return redirect("dashboard:agent-definition", name)
    version = agent.draft or agent.live
    assert version is not None
    source = parsed(version.definition)
    kind = kind_of_source(source)
    if request.method != "POST":
        return change_form(request, name, kind, typed_of_source(source), {})
    typed = typed_of(posted(request))
    try:
        former = agent.live
        upstream = typed.upstream() if kind.has_upstream else None
        change = agents.publish(
            name, value_of(typed, kind), upstream=upstream, expected=None, by=actor_of(request, "dashboard"), wait=True
        )
    except (Conflict, NotFound):
        raise
    except RegistryError as error:
        return change_form(request, name, kind, typed, problems_of(error, kind), 422)
    tell(request, name, change, former, "It says what is live already", undo=True)
    return redirect("dashboard:agent-definition", name)


def change_form(
    request: HttpRequest, name: str, kind: Kind[Any], typed: Typed, problems: dict[str, str], status: int = 200
) -> HttpResponse:
    """The form with what was typed."""
    context = agent_frame(request, name, "agent-definition")
    may_publish = principal_of(request).may(to_register(kind))
    context |= {"typed": typed, "kind": kind, "source_problems": problems, "change": True, "may_publish": may_publish}
    context["form_templates"] = templates_of(kind)
    context["agent_path"] = settings.AGENT_PATH
    return show(request, "pages/agent/source_change.html", context, status=status)


@page_for(Deed.CHANGE, methods=["POST"])
def server_credentials(request: HttpRequest, name: str) -> HttpResponse:
    """Another user and password for a remote agent's server, or none (`act=none`); it is asked with them first."""
    agent = find_agent(name)
    typed = typed_of(posted(request))
    if agent.live is None or not (kind := kind_of(agent.live.definition)).has_upstream:
        raise Conflict(f"{name} has no server elsewhere")
    try:
        upstream = NOTHING if request.POST.get("act") == "none" else typed.upstream()
        if upstream is None:
            raise Malformed("type both", problems={"server": "Type the user and the password."})
        given = parsed(agent.live.definition).given()
        change = agents.publish(name, given, upstream=upstream, by=actor_of(request, "dashboard"), wait=True)
    except Malformed as error:
        found = problems_of(error, kind)
        words = found.get("server") or next(iter(found.values()))
        context = agent_frame(request, name, "agent-definition")
        return source_page(request, context, 422, server_problem=words, typed=typed)
    same = "Its server accepts these; they are what it had"
    how = "without credentials" if upstream is NOTHING else "with other credentials"
    say(request, f"{name} is asked {how}{everywhere(change)}" if change.changed else same)
    return redirect("dashboard:agent-definition", name)


# --- what they have in common ----------------------------------------------------------------------------------------


def posted(request: HttpRequest) -> dict[str, str]:
    """The fields of the form."""
    return {name: str(request.POST[name]) for name in request.POST}


def same_as(version: AgentVersion | None) -> str:
    """That looking again has found nothing new, in words."""
    return kind_of(version.definition if version else None).same.capitalize()


def tell(
    request: HttpRequest, name: str, change: Change, former: AgentVersion | None, same: str, *, undo: bool = False
) -> None:
    """Say which version is live. `undo`: the former one can come back, which changed files cannot."""
    if not change.changed:
        say(request, f"{same}: version {change.version} stays live")
    else:
        running = calls_of(name).get(former.number, 0) if former else 0
        stay = f"; running calls stay on version {former.number}" if former and running else ""
        way_back: dict[str, Any] = {}
        if undo and former is not None and change.version != former.number:
            fields = {"number": str(former.number), "base": definition_tag(find_agent(name))}
            way_back = {"undo": reverse("dashboard:agent-version-restore", args=[name]), "fields": fields}
        say(request, f"Version {change.version} is live{everywhere(change)}{stay}", **way_back)
    for warning in change.warnings:
        say(request, warning, tone="warn")


urlpatterns = [
    path("agents/<str:name>/definition/reload/", reload, name="agent-reload"),
    path("agents/<str:name>/definition/source/", change_source, name="agent-source"),
    path("agents/<str:name>/definition/server/", server_credentials, name="agent-server"),
]
