"""The live log."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def log(request: HttpRequest) -> HttpResponse:
    """Live log."""
    return show(request, "pages/log.html", {"title": "Live log"})


@page_for(Deed.SEE)
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Event."""
    return show(request, "pages/log.html", {"title": "Event"})


urlpatterns = [
    path("log/", log, name="log"),
    path("log/<uuid:event_id>/", event, name="log-event"),
]
