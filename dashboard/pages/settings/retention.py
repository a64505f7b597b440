"""Settings: what is kept for how long, and how much room it takes. To look at."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.log.partitions import oldest_day
from registry.log.recorder import EXCERPT_BYTES
from registry.policy import Deed
from registry.reports.log_size import sizes


@page_for(Deed.SEE)
def retention(request: HttpRequest) -> HttpResponse:
    """The log by day, and all else that grows."""
    found = sizes()
    largest = max((day.bytes for day in found.days), default=0) or 1
    context = {
        "sizes": found,
        "days": [{"day": day, "share": round(100 * day.bytes / largest, 1)} for day in found.days],
        "log_days": settings.LOG_DAYS,
        "excerpt": EXCERPT_BYTES,
        "masked": settings.MASKED_KEYS,
        "since": oldest_day(),
        "spool": settings.SPOOL_DIR,
    }
    return show_section(request, "settings-retention", "retention", context, parts={"list"})


urlpatterns = [path("settings/retention/", retention, name="settings-retention")]
