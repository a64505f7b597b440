"""Times in questions: stretches of them, in a time zone."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ninja import Query

from registry.api.problems import Refused

Since = Annotated[datetime | None, Query(description="from this time on; without an offset it is in `tz`")]
Until = Annotated[datetime | None, Query(description="before this time")]
Zone = Annotated[str, Query(max_length=64, description="time zone of the times given and shown", examples=["UTC"])]


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(422, f"there is no time zone {name!r}; they look like Europe/Berlin") from None


def in_zone(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """A moment; one without an offset is meant in this zone."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        raise Refused(422, "the time is out of range") from None
