"""The list of agents."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def agents(request: HttpRequest) -> HttpResponse:
    """Agents."""
    return show(request, "pages/agents.html", {"title": "Agents"})


urlpatterns = [
    path("agents/", agents, name="agents"),
]
