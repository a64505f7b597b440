"""An agent's functions, and what their last runs came to."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from agents.errors import InvalidDefinition
from agents.kinds import kind_named, kind_of_source, read_source
from agents.models import Agent
from dashboard.agents.frame import agent_frame
from dashboard.pages.agent.document import offered
from dashboard.shell import page_for, part_wanted, show
from dashboard.sources.facts import functions_of
from registry.base.errors import RegistryError
from registry.log.filters import Filter, Term
from registry.log.search import Range, search
from registry.policy import Deed
from registry.rehearsal.rehearsal import version_of

RESULTS = 20
MAX_VERSION = 10  # characters, as the API's


@page_for(Deed.SEE)
def functions(request: HttpRequest, name: str) -> HttpResponse:
    """All functions of a version; results come when a function is opened."""
    context = agent_frame(request, name, "agent-functions")
    agent: Agent = context["agent"]
    which = request.GET.get("version", "")[:MAX_VERSION] or "live"
    context |= {"which": which, "versions": offered(agent, which), "functions": [], "problem": ""}
    context |= {"kind": kind_named(agent.kind), "runs": True}
    try:
        version = version_of(agent, which)
        context["number"] = version.number
        source = read_source(version.definition)
        kind = kind_of_source(source)
        context |= {
            "functions": functions_of(source),
            "kind": kind,
            "seen": version.created,
            "runs": kind.here or version.pk == agent.live_id,
        }
    except (RegistryError, InvalidDefinition) as error:
        context["problem"] = str(error)
    return show(request, "pages/agent/functions.html", context, parts={"functions"})


@page_for(Deed.SEE)
def results(request: HttpRequest, name: str, function: str) -> HttpResponse:
    """The last results of one function."""
    wanted = Filter((Term("agent", "", name), Term("function", "", function)))
    events: list[dict[str, Any]] = search(wanted, Range(), RESULTS)
    context = {**agent_frame(request, name, "agent-functions"), "function": function, "events": events}
    if part_wanted(request):
        return render(request, "pages/agent/results.html", context)
    return show(request, "pages/agent/results_page.html", context)


urlpatterns = [
    path("agents/<str:name>/functions/", functions, name="agent-functions"),
    path("agents/<str:name>/functions/<str:function>/results/", results, name="agent-results"),
]
