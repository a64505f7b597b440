"""An agent's versions: the list, any two compared, one looked at, downloaded, or made live again."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from agents.kinds import kind_of
from agents.models import Agent, AgentVersion
from dashboard.agents.frame import agent_frame, find_agent
from dashboard.definition.preview import stored_document
from dashboard.definition.yaml import text_of
from dashboard.differences import Lines, field_differences, line_differences
from dashboard.pages.agent.definition import number_of
from dashboard.shell import page_for, show
from dashboard.sources.facts import as_given, comparable, digest_of
from registry.actions.etags import definition_tag
from registry.actions.versions import get_version
from registry.policy import Deed
from registry.reports.activity import calls_of
from registry.reports.describe import describe_version
from registry.requests import public_base

PAGE = 50
OFFERED = 500  # versions that can be chosen for a comparison; older ones by the address


@page_for(Deed.SEE)
def versions(request: HttpRequest, name: str) -> HttpResponse:
    """The list, newest first (`?before=` a number); with `?from=` and `?to=` two of them compared."""
    context = agent_frame(request, name, "agent-versions")
    agent = context["agent"]
    found = AgentVersion.objects.filter(agent=agent).defer("definition").order_by("-number")
    numbers = list(found.values_list("number", flat=True)[:OFFERED])
    if before := request.GET.get("before"):
        found = found.filter(number__lt=number_of(before))
    rows = list(found[: PAGE + 1])
    calls = calls_of(agent.name)
    context |= {
        "rows": [described(version, agent, calls) for version in rows[:PAGE]],
        "older": rows[PAGE - 1].number if len(rows) > PAGE else None,
        "before": before,
        "numbers": numbers,
        **comparison(request, agent, numbers),
    }
    return show(request, "pages/agent/versions.html", context, parts={"list"})


def described(version: AgentVersion, agent: Agent, calls: Mapping[int | None, int]) -> dict[str, Any]:
    """A row of the list."""
    return {**describe_version(version, agent), "calls": calls.get(version.number, 0)}


def comparison(request: HttpRequest, agent: Agent, numbers: list[int]) -> dict[str, Any]:
    """Two versions compared as fields, or as documents (`?view=document`); what to choose if none are given."""
    one, other = request.GET.get("from", ""), request.GET.get("to", "")
    live = agent.live.number if agent.live else None
    draft = agent.draft.number if agent.draft else None
    if not one or not other:
        if draft:
            return {"from": live, "to": draft}
        return {"from": next((number for number in numbers if number != live), live), "to": live}
    old, new = get_version(agent, number_of(one)), get_version(agent, number_of(other))
    outside = not all(kind_of(version.definition).here for version in (old, new))
    view = "document" if request.GET.get("view") == "document" and not outside else "fields"
    found: dict[str, Any] = {
        "from": old.number,
        "to": new.number,
        "old": old,
        "new": new,
        "view": view,
        "outside": outside,
    }
    if view == "fields":
        return found | {"fields": field_differences(comparable(old.definition), comparable(new.definition))}
    base = public_base(request)
    documents = [stored_document(agent, version.definition, base) for version in (old, new)]
    return found | {
        "broken": [version.number for version, each in zip((old, new), documents, strict=True) if each is None],
        "lines": line_differences(*documents) if None not in documents else Lines(),
    }


@page_for(Deed.SEE)
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """What one version says, and what restoring it would do."""
    context = agent_frame(request, name, "agent-versions")
    agent = context["agent"]
    found = get_version(agent, min(number, 2**31 - 1))
    calls = calls_of(agent.name)
    context |= {
        "version": described(found, agent, calls),
        "text": text_of(as_given(found.definition)),
        "kind": kind_of(found.definition),
        "code": digest_of(found.definition),
        "fields": field_differences(comparable(agent.live.definition), comparable(found.definition))
        if agent.live
        else [],
        "running": calls.get(agent.live.number, 0) if agent.live else 0,
        "base": definition_tag(agent),
    }
    return show(request, "pages/agent/version.html", context)


@page_for(Deed.SEE)
def download(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """A version's definition as a YAML file, as `register` and `publish` take it."""
    agent = find_agent(name)
    found = get_version(agent, min(number, 2**31 - 1))
    answer = HttpResponse(text_of(as_given(found.definition)), content_type="application/yaml")
    answer["Content-Disposition"] = f'attachment; filename="{agent.name}-v{found.number}.yaml"'
    return answer


urlpatterns = [
    path("agents/<str:name>/versions/", versions, name="agent-versions"),
    path("agents/<str:name>/versions/<int:number>/", version, name="agent-version"),
    path("agents/<str:name>/versions/<int:number>/yaml/", download, name="agent-version-download"),
]
