"""Settings."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def settings(request: HttpRequest) -> HttpResponse:
    """Settings."""
    return show(request, "pages/settings.html", {"title": "Settings"})


@page_for(Deed.SEE)
def tokens(request: HttpRequest) -> HttpResponse:
    """Tokens."""
    return show(request, "pages/settings.html", {"title": "Tokens"})


@page_for(Deed.SEE)
def members(request: HttpRequest) -> HttpResponse:
    """Members."""
    return show(request, "pages/settings.html", {"title": "Members"})


@page_for(Deed.SEE)
def audit(request: HttpRequest) -> HttpResponse:
    """Audit."""
    return show(request, "pages/settings.html", {"title": "Audit"})


@page_for(Deed.SEE)
def replicas(request: HttpRequest) -> HttpResponse:
    """Replicas."""
    return show(request, "pages/settings.html", {"title": "Replicas"})


@page_for(Deed.SEE)
def retention(request: HttpRequest) -> HttpResponse:
    """Retention."""
    return show(request, "pages/settings.html", {"title": "Retention"})


@page_for(Deed.SEE)
def health(request: HttpRequest) -> HttpResponse:
    """Health."""
    return show(request, "pages/settings.html", {"title": "Health"})


@page_for(Deed.SEE)
def apply(request: HttpRequest) -> HttpResponse:
    """Import."""
    return show(request, "pages/settings.html", {"title": "Import"})


urlpatterns = [
    path("settings/", settings, name="settings"),
    path("settings/tokens/", tokens, name="settings-tokens"),
    path("settings/members/", members, name="settings-members"),
    path("settings/audit/", audit, name="settings-audit"),
    path("settings/replicas/", replicas, name="settings-replicas"),
    path("settings/retention/", retention, name="settings-retention"),
    path("settings/health/", health, name="settings-health"),
    path("settings/apply/", apply, name="settings-apply"),
]
