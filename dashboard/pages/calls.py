"""Calls."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def calls(request: HttpRequest) -> HttpResponse:
    """Calls."""
    return show(request, "pages/calls.html", {"title": "Calls"})


@page_for(Deed.SEE)
def call(request: HttpRequest, call_id: str) -> HttpResponse:
    """Call."""
    return show(request, "pages/calls.html", {"title": "Call"})


urlpatterns = [
    path("calls/", calls, name="calls"),
    path("calls/<path:call_id>/", call, name="calls-call"),
]
