"""Ids of events are UUIDv7: the first 48 bits are milliseconds since 1970 (RFC 9562, 5.7)."""

import random
import time
from datetime import UTC, datetime
from uuid import UUID

# The same in SQL; Postgres before 18 has no function for it.
MILLISECONDS = "('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint"


def first_id(moment: datetime) -> UUID:
    """The smallest id of a moment."""
    milliseconds = int(moment.astimezone(UTC).timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def moment_of(event_id: UUID | str) -> datetime:
    """When an event was, in UTC."""
    found = event_id if isinstance(event_id, UUID) else UUID(event_id)
    return datetime.fromtimestamp((found.int >> 80) / 1000, UTC)


def uuid7() -> str:
    """A UUIDv7 (RFC 9562, 5.7, with sub-millisecond time in rand_a as 6.2 allows), as 32 hexadecimal digits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    head = milliseconds << 80 | 0x7 << 76 | (rest << 12) // 1_000_000 << 64
    return (head | 0b10 << 62 | random.getrandbits(62)).to_bytes(16).hex()
