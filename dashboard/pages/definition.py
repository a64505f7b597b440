"""The editor of an agent's definition."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def definition(request: HttpRequest, name: str) -> HttpResponse:
    """Definition."""
    return show(request, "pages/definition.html", {"title": "Definition"})


urlpatterns = [
    path("agents/<str:name>/definition/", definition, name="agent-definition"),
]
