"""The overview: how the fleet is doing, and what needs attention."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def overview(request: HttpRequest) -> HttpResponse:
    """Overview."""
    return show(request, "pages/overview.html", {"title": "Overview"})


urlpatterns = [
    path("overview/", overview, name="overview"),
]
