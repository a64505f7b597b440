"""The time zone of a page: of its address, else the one that was chosen last, else UTC."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

COOKIE = "zone"
DEFAULT = "UTC"
YEAR = 365 * 24 * 3600  # seconds
# Names that nobody lives by: they are accepted, not offered.
UNUSUAL = ("Etc/", "SystemV/", "US/", "Mexico/", "Brazil/", "Canada/", "Chile/")


@cache
def known() -> frozenset[str]:
    """All zones that there are; looking for them in the system's folders takes 5 ms."""
    return frozenset(available_timezones())


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone that times are shown, searched and exported in."""
    for name in (request.GET.get("tz", ""), request.COOKIES.get(COOKIE, "")):
        if name in known():
            return ZoneInfo(name)
    return ZoneInfo(DEFAULT)


def remember_zone(request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep what the address says: the next page, whose address says nothing, is shown in the same zone."""
    name = request.GET.get("tz", "")
    if name in known() and name != request.COOKIES.get(COOKIE):
        response.set_cookie(COOKIE, name, max_age=YEAR, samesite="Lax", httponly=True, secure=request.is_secure())


def offered() -> list[str]:
    """The zones to choose from."""
    return [DEFAULT, *sorted(name for name in known() if "/" in name and not name.startswith(UNUSUAL))]


def moment_of(value: datetime | str | None) -> datetime | None:
    """A time that may be text, as events have it (ISO 8601)."""
    if not value:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment_typed(text: str) -> datetime | None:
    """A moment as a form has it, in the page's zone unless it says another; None for nothing. `ValueError` if wrong."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    if not 1970 <= found.year <= 9000:
        raise ValueError("the year is out of range")
    return found if found.tzinfo else timezone.make_aware(found)
