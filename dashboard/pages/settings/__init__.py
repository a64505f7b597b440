"""Settings: one page a section."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from dashboard.pages.settings import adopt, apply, audit, health, members, replicas, retention, tokens, trash
from dashboard.pages.settings.sections import sections_for
from dashboard.shell import page_for
from registry.policy import Deed


@page_for(Deed.SEE)
def settings(request: HttpRequest) -> HttpResponse:
    """On to the first section that they may see."""
    return redirect(f"dashboard:{sections_for(request)[0].url}")


urlpatterns = [
    path("settings/", settings, name="settings"),
    *tokens.urlpatterns,
    *members.urlpatterns,
    *audit.urlpatterns,
    *replicas.urlpatterns,
    *retention.urlpatterns,
    *health.urlpatterns,
    *apply.urlpatterns,
    *adopt.urlpatterns,
    *trash.urlpatterns,
]
