"""Ids of events are UUIDv7: the first 48 bits are milliseconds since 1970 (RFC 9562, 5.7)."""

from datetime import UTC, datetime
from uuid import UUID


def first_id(moment: datetime) -> UUID:
    """The smallest id of a moment."""
    milliseconds = int(moment.astimezone(UTC).timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def moment_of(event_id: UUID | str) -> datetime:
    """When an event was, in UTC."""
    found = event_id if isinstance(event_id, UUID) else UUID(event_id)
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC)
