"""Rows of the routing log for tests, as the writer would leave them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from registry.log.minutes import BUCKETS
from registry.log.models import AgentMinute, RoutingEvent

COLUMNS = [str(field.column) for field in RoutingEvent._meta.concrete_fields if field.column != "batch"]
JSON_COLUMNS = ("steps", "request", "response")


def write_events(rows: Iterable[Mapping[str, Any]], *, end: datetime | None = None) -> list[str]:
    """Write events a second apart, the last of them at `end` (now); their ids. A row says what is not as usual."""
    given = list(rows)
    end = end or datetime.now(UTC)
    quoted = ", ".join(f'"{column}"' for column in COLUMNS)
    statement = f"INSERT INTO registry_routingevent ({quoted}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    ids = []
    with connection.cursor() as cursor:
        for number, row in enumerate(given):
            at = end - timedelta(seconds=len(given) - 1 - number)
            ids.append(str(UUID(int=(int(at.timestamp() * 1000) << 80) | 7 << 76 | 2 << 62 | number)))
            event = {
                **dict.fromkeys(COLUMNS, ""), "status": 200, "outcome": "ok", "kind": "swml", "method": "POST",
                "path": "/sales", "route": "/sales", "replica": "sb-1", "version": 1, "microseconds": 900,
                "steps": [{"rule": "route", "detail": "/sales is a route of sales", "ok": True}],
                "request": None, "response": None, "from": "+12125550148", "to": "sales", "channel": "voice",
                "replayable": False, "asked_twice": False, **row, "id": ids[-1],
            }  # fmt: skip
            for column in JSON_COLUMNS:
                event[column] = orjson.dumps(event[column]).decode()
            cursor.execute(statement, [event[column] for column in COLUMNS])
    return ids


def write_minutes(agent: str, counts: Iterable[tuple[int, int]], *, end: datetime | None = None) -> None:
    """Write an agent's minutes, the last of them the one that `end` (now) is in: requests and errors of each."""
    given = list(counts)
    last = (end or datetime.now(UTC)).replace(second=0, microsecond=0)
    for number, (count, errors) in enumerate(given):
        latencies = [0] * BUCKETS
        latencies[5] = count  # 1 to 2 ms
        minute = last - timedelta(minutes=len(given) - 1 - number)
        AgentMinute.objects.create(agent=agent, minute=minute, count=count, errors=errors, latencies=latencies)
