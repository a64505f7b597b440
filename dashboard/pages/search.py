"""Search of agents, routes, SIP names and calls."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def search(request: HttpRequest) -> HttpResponse:
    """Search."""
    return show(request, "pages/search.html", {"title": "Search"})


urlpatterns = [
    path("search/", search, name="search"),
]
