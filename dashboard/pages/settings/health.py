"""Settings: health for people."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.health import at_a_glance, checks_of, public_url, versions
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.policy import Deed


@page_for(Deed.SEE)
def health(request: HttpRequest) -> HttpResponse:
    """Every check in words, and what to do about those that fail."""
    checks = [*checks_of(request), *public_url(request)]
    context = {
        "checks": checks,
        "troubles": sum(check.tone != "ok" for check in checks),
        "versions": versions(),
        "glance": at_a_glance(),
    }
    return show_section(request, "settings-health", "health", context, parts={"list"})


urlpatterns = [path("settings/health/", health, name="settings-health")]
