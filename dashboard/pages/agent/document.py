"""An agent's document as a given caller would get it."""

from datetime import datetime
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import path

from agents.errors import InvalidDefinition
from agents.kinds import read_source
from agents.models import Agent, AgentVersion
from dashboard.agents.frame import agent_frame
from dashboard.code_lines import code_of
from dashboard.fields import MAX_WORD, line_of
from dashboard.shell import page_for, show
from dashboard.zones import moment_typed
from registry.actions.definitions import warnings_of
from registry.base.errors import Malformed, RegistryError, sentence
from registry.policy import Deed
from registry.rehearsal.rehearsal import Call, preview, version_of
from registry.rehearsal.stage import stage_of
from registry.requests import public_base

OFFERED = 20  # versions, the newest


@page_for(Deed.SEE)
def document(request: HttpRequest, name: str) -> HttpResponse:
    """Rendered SWML for a version, a caller, a dialled number and a time; the form is in the address."""
    context = agent_frame(request, name, "agent-document")
    agent: Agent = context["agent"]
    asked = {field: line_of(request.GET, field, MAX_WORD) for field in ("version", "from", "to", "at")}
    which = asked["version"] or "live"
    context |= {"asked": asked, "which": which, "versions": offered(agent, which), "problem": "", "problem_field": ""}
    try:
        context |= rendered(request, name, which, asked)
        context["warnings"] = warnings_about(agent, which)
    except RegistryError as error:
        context["problem"] = sentence(error)
        context["problem_field"] = next(iter(getattr(error, "problems", {})), "version")
    return show(request, "pages/agent/document.html", context, parts={"rendered"})


def rendered(request: HttpRequest, name: str, which: str, asked: dict[str, str]) -> dict[str, Any]:
    """The document, as lines and as text to copy."""
    moment = moment_of(asked["at"])
    call = Call(caller=asked["from"], dialled=asked["to"], at=None if moment is None else moment.timestamp())
    found = preview(name, which, call, public_base(request), stage_of(request))
    return {
        "preview": found,
        "code": code_of(found.document),
        "bytes": len(orjson.dumps(found.document)),
        "hears_pause": which == "live" and found.state == Agent.State.PAUSED,
    }


def moment_of(text: str) -> datetime | None:
    """The moment that a form's local time means in the page's zone; None = now."""
    try:
        return moment_typed(text)
    except ValueError:
        raise Malformed("The time must look like 2026-03-31T14:30.", problems={"at": "time"}) from None


def warnings_about(agent: Agent, which: str) -> list[str]:
    """What may be wrong with it later, or elsewhere."""
    try:
        return warnings_of(read_source(version_of(agent, which).definition), agent.name)
    except InvalidDefinition:
        return []


def offered(agent: Agent, which: str) -> list[tuple[str, str]]:
    """The versions to choose from, each with its word: live, draft and the newest numbers."""
    found = [("live", f"Live, v{agent.live.number}" if agent.live else "Live, none")]
    if agent.draft:
        found.append(("draft", f"Draft, v{agent.draft.number}"))
    newest = AgentVersion.objects.filter(agent=agent).order_by("-number").values_list("number", flat=True)[:OFFERED]
    found += [(str(number), f"v{number}") for number in newest]
    return found if which in dict(found) else [*found, (which, f"v{which}")]


urlpatterns = [
    path("agents/<str:name>/document/", document, name="agent-document"),
]
