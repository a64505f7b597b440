"""An agent's versions."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.agent_frame import agent_frame
from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def versions(request: HttpRequest, name: str) -> HttpResponse:
    """Versions."""
    return show(request, "pages/agent/versions.html", agent_frame(request, name, "agent-versions"))


urlpatterns = [
    path("agents/<str:name>/versions/", versions, name="agent-versions"),
]
