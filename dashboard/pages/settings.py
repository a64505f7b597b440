"""Settings: one page a section."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from dashboard.pages import (
    settings_apply,
    settings_audit,
    settings_health,
    settings_members,
    settings_replicas,
    settings_retention,
    settings_tokens,
    settings_trash,
)
from dashboard.sections import sections_for
from dashboard.shell import page_for
from registry.policy import Deed


@page_for(Deed.SEE)
def settings(request: HttpRequest) -> HttpResponse:
    """On to the first section that they may see."""
    return redirect(f"dashboard:{sections_for(request)[0].url}")


urlpatterns = [
    path("settings/", settings, name="settings"),
    *settings_tokens.urlpatterns,
    *settings_members.urlpatterns,
    *settings_audit.urlpatterns,
    *settings_replicas.urlpatterns,
    *settings_retention.urlpatterns,
    *settings_health.urlpatterns,
    *settings_apply.urlpatterns,
    *settings_trash.urlpatterns,
]
