"""One agent: its tabs but for the editor and the versions."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.agent_frame import agent_frame
from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def overview(request: HttpRequest, name: str) -> HttpResponse:
    """Overview."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent"))


@page_for(Deed.SEE)
def document(request: HttpRequest, name: str) -> HttpResponse:
    """Document."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent-document"))


@page_for(Deed.SEE)
def functions(request: HttpRequest, name: str) -> HttpResponse:
    """Functions."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent-functions"))


@page_for(Deed.SEE)
def routing(request: HttpRequest, name: str) -> HttpResponse:
    """Routing."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent-routing"))


@page_for(Deed.SEE)
def log(request: HttpRequest, name: str) -> HttpResponse:
    """Log."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent-log"))


@page_for(Deed.SEE)
def history(request: HttpRequest, name: str) -> HttpResponse:
    """History."""
    return show(request, "pages/agent/base.html", agent_frame(request, name, "agent-history"))


urlpatterns = [
    path("agents/<str:name>/", overview, name="agent"),
    path("agents/<str:name>/document/", document, name="agent-document"),
    path("agents/<str:name>/functions/", functions, name="agent-functions"),
    path("agents/<str:name>/routing/", routing, name="agent-routing"),
    path("agents/<str:name>/log/", log, name="agent-log"),
    path("agents/<str:name>/history/", history, name="agent-history"),
]
