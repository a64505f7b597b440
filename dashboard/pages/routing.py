"""Routes, SIP names, and who answers what."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def routing(request: HttpRequest) -> HttpResponse:
    """Routing."""
    return show(request, "pages/routing.html", {"title": "Routing"})


urlpatterns = [
    path("routing/", routing, name="routing"),
]
