"""The routing log by days: made ahead, filled from the default partition, dropped by retention."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from registry.log import partitions
from registry.log.models import AgentMinute, RoutingEvent
from registry.log.retention import LogKeeper

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
    return RoutingEvent.objects.create(id=UUID(int=partitions.first_of(day).int + number), **EVENT)


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


def test_retention_drops_days_and_strays(settings):
    settings.LOG_DAYS = 30
    partitions.keep(TODAY - timedelta(days=31))
    old, kept = event(TODAY - timedelta(days=31)), event(TODAY - timedelta(days=30))
    stray = event(TODAY - timedelta(days=400))
    partitions.keep(TODAY)
    assert set(tables()) == {kept.id}
    assert {old.id, stray.id}.isdisjoint(tables())
    assert min(partitions.days()) == TODAY - timedelta(days=30)


def minute(days: int, number: int = 0) -> datetime:
    """A minute so many days ago."""
    return datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=days) + timedelta(minutes=number)


def minutes(*times: datetime) -> None:
    """Rows of these minutes."""
    for time in times:
        AgentMinute.objects.create(agent="a", minute=time, count=1, errors=0, latencies=[1])


def test_retention_deletes_minutes_some_at_a_time_the_oldest_first(settings, monkeypatch):
    settings.LOG_DAYS = 30
    monkeypatch.setattr(partitions, "MINUTES_AT_ONCE", 2)
    minutes(minute(31, 5), minute(31), minute(40), minute(30), minute(29), minute(33))
    partitions.keep(TODAY)
    assert AgentMinute.objects.count() == 6, "nothing that takes long is in the transaction of the partitions"
    left = []
    while partitions.forget_minutes(TODAY):
        left.append(list(AgentMinute.objects.order_by("minute").values_list("minute", flat=True)))
    assert left == [[minute(31), minute(31, 5), minute(30), minute(29)], [minute(30), minute(29)]]
    assert AgentMinute.objects.count() == 2


def test_minutes_are_found_by_an_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT ctid FROM registry_agentminute WHERE minute < now() ORDER BY minute LIMIT 10")
        assert "agent_minute_by_minute" in str(cursor.fetchall())


def test_the_keeper_deletes_all_old_minutes_and_stops_when_it_is_over(settings, monkeypatch):
    settings.LOG_DAYS = 1
    monkeypatch.setattr(partitions, "MINUTES_AT_ONCE", 2)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    minutes(*(long_ago + timedelta(minutes=number) for number in range(5)))
    keeper = LogKeeper()
    keeper.work()
    assert AgentMinute.objects.count() == 0
    minutes(long_ago)
    keeper.stopping.set()
    keeper.work()
    assert AgentMinute.objects.count() == 1


def test_a_time_out_while_minutes_are_deleted_costs_no_partition(monkeypatch):
    def too_slow(_today: date | None = None) -> bool:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(partitions, "forget_minutes", too_slow)
    with pytest.raises(OperationalError):
        LogKeeper().work()
    assert len(partitions.days()) == partitions.AHEAD + 2


def test_one_worker_at_a_time(db):
    from tests.registry.log.test_writer import apart

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.KEEPER_LOCK])
    assert apart(partitions.keep) is False
