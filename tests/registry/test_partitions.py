"""The routing log by days: made ahead, filled from the default partition, dropped by retention."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from registry.events import partitions
from registry.models import AgentMinute, RoutingEvent

TODAY = date(2027, 3, 10)
EVENT = {
    "replica": "r", "kind": "swml", "method": "GET", "path": "/x", "source": "", "route": "", "agent": "",
    "call_id": "", "sip_user": "", "caller": "", "dialled": "", "function": "", "status": 200, "outcome": "ok",
    "detail": "", "steps": [], "microseconds": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_days(db):
    """Each test begins without days; the transaction takes away what it makes."""
    with connection.cursor() as cursor:
        for day in partitions.days():
            cursor.execute(f"DROP TABLE {partitions.name_of(day)}")


def event(day: date, number: int = 0) -> RoutingEvent:
    return RoutingEvent.objects.create(id=UUID(int=partitions.first_id(day).int + number), **EVENT)


def tables() -> dict[UUID, str]:
    """In which partition each row is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, tableoid::regclass::text FROM registry_routingevent")
        return dict(cursor.fetchall())


def test_days_are_made_ahead_and_once():
    assert partitions.keep(TODAY)
    expected = [TODAY + timedelta(days=offset) for offset in range(-1, partitions.AHEAD + 1)]
    assert partitions.days() == expected
    assert partitions.keep(TODAY)
    assert partitions.keep(TODAY + timedelta(days=1))
    assert partitions.days() == [*expected, expected[-1] + timedelta(days=1)]


def test_a_row_is_in_the_partition_of_its_day_from_its_first_to_its_last_id():
    partitions.keep(TODAY)
    first = event(TODAY)
    last = event(TODAY + timedelta(days=1), -1)
    following = event(TODAY + timedelta(days=1))
    assert tables() == {
        first.id: "registry_routingevent_20270310",
        last.id: "registry_routingevent_20270310",
        following.id: "registry_routingevent_20270311",
    }
    assert first.time == datetime(2027, 3, 10, tzinfo=UTC)


def test_what_the_default_partition_took_moves_to_its_day(settings):
    settings.LOG_DAYS = 3650
    early, late = event(date(2026, 11, 21), 5), event(date(2026, 11, 22), 5)
    far = event(date(2126, 1, 1))  # of a replica whose clock is wrong
    assert set(tables().values()) == {partitions.DEFAULT}
    partitions.keep(date(2026, 11, 23))
    assert tables() == {
        early.id: "registry_routingevent_20261121",
        late.id: "registry_routingevent_20261122",
        far.id: partitions.DEFAULT,
    }
    partitions.keep(date(2026, 11, 23))
    assert len(tables()) == 3


def test_retention_drops_days_strays_and_minutes(settings):
    settings.LOG_DAYS = 30
    partitions.keep(TODAY - timedelta(days=31))
    old, kept = event(TODAY - timedelta(days=31)), event(TODAY - timedelta(days=30))
    stray = event(TODAY - timedelta(days=400))
    for days in (31, 29):
        minute = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=days)
        AgentMinute.objects.create(agent="a", minute=minute, count=1, errors=0, latencies=[1])
    partitions.keep(TODAY)
    assert set(tables()) == {kept.id}
    assert {old.id, stray.id}.isdisjoint(tables())
    assert min(partitions.days()) == TODAY - timedelta(days=30)
    assert AgentMinute.objects.count() == 1


def test_one_worker_at_a_time(db):
    from tests.registry.test_writer import apart

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.KEEPER_LOCK])
    assert apart(partitions.keep) is False
