"""An agent's minutes: percentiles, and that they are what the rows of the log say."""

import bisect
import math
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from registry.base import daemon
from registry.log import writer as writer_module
from registry.log.minutes import BUCKETS, SMALLEST, percentile, upper_bound
from registry.log.models import AgentMinute, RoutingEvent
from registry.log.spool import Spool
from registry.log.writer import BUCKET, Writer
from tests.config.processes import wait_for
from tests.registry.log.test_writer import apart, drain, line, log

__all__ = ["log"]  # a fixture
BOUNDS = [upper_bound(bucket) for bucket in range(BUCKETS)]


def bucket_of(microseconds: float) -> int:
    """Which bucket, from 0 on: the first whose bound it is below."""
    return bisect.bisect_right(BOUNDS, microseconds)


def histogram(values: list[int]) -> list[int]:
    counted = Counter(map(bucket_of, values))
    return [counted[bucket] for bucket in range(BUCKETS)]


@pytest.fixture
def minutes(log: Callable[[], list[RoutingEvent]]) -> Callable[[], dict[Any, Any]]:
    """The agents' minutes as they are kept; none before and after."""
    return lambda: apart(lambda: {m.pk: (m.count, m.errors, m.latencies) for m in AgentMinute.objects.all()})


def recount(rows: list[RoutingEvent]) -> dict[Any, Any]:
    """The same from the rows of the log."""
    by_minute: dict[Any, list[RoutingEvent]] = {}
    for row in rows:
        if row.agent:
            by_minute.setdefault((row.agent, row.time.replace(second=0, microsecond=0)), []).append(row)
    return {
        key: (
            len(found),
            sum(row.outcome == "error" or row.status >= 500 for row in found),
            histogram([row.microseconds for row in found]),
        )
        for key, found in by_minute.items()
    }


def test_the_database_puts_a_request_into_the_bucket_whose_bound_it_is_below(db: None) -> None:
    values = {0, 1, 2**31 - 1, *(int(bound) + off for bound in BOUNDS[:-1] for off in (-1, 0, 1))}
    values |= {random.randrange(2**31) >> random.randrange(31) for _ in range(2000)}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT microseconds, {BUCKET} FROM unnest(%s::integer[]) AS microseconds", [list(values)])
        assert {value: int(bucket) - 1 for value, bucket in cursor.fetchall()} == {v: bucket_of(v) for v in values}


@given(st.lists(st.integers(0, 20_000_000), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_in_the_bucket_of_the_exact_one(values: list[int], share: float) -> None:
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    found = percentile(histogram(values), share)
    assert found is not None
    bucket = bucket_of(exact)
    assert (BOUNDS[bucket - 1] if bucket else 0) <= found <= min(BOUNDS[bucket], 2 * BOUNDS[-2])
    if SMALLEST <= exact < BOUNDS[-2]:
        assert exact / 2 <= found <= exact * 2


def test_a_percentile_grows_with_its_share_and_there_is_none_of_nothing() -> None:
    latencies = histogram([random.randrange(10 ** random.randint(1, 7)) for _ in range(500)])
    found = [percentile(latencies, share / 100) or 0 for share in range(1, 101)]
    assert found == sorted(found)
    assert percentile([0] * BUCKETS, 0.95) is None
    assert percentile([], 0.95) is None


AGENTS = ["", "sales", "info", "Ärzte", "a b"]
DAY = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)


def some_line() -> bytes:
    """An event within a few minutes, of any agent, outcome and duration."""
    moment = DAY + random.choice([0, 59_999, 60_000, 119_999, random.randrange(300_000)])
    identifier = (moment << 80 | 7 << 76 | 2 << 62 | random.getrandbits(62)).to_bytes(16).hex()
    status, outcome = random.choice([(200, "ok"), (200, "error"), (503, "refused"), (404, "unknown")])
    took = random.choice([0, 63, 64, 127, 128, random.randrange(40_000_000)])
    return line(id=identifier, agent=random.choice(AGENTS), status=status, outcome=outcome, microseconds=took)


def test_minutes_are_what_the_rows_say_also_with_duplicates(
    log: Callable[[], list[RoutingEvent]], minutes: Callable[[], Any], tmp_path: Path
) -> None:
    spool = Spool(tmp_path, "test", 1024 * 1024)
    lines = [some_line() for _ in range(200)]
    for text in [*lines, *random.sample(lines, 50)]:
        spool.append(text)
    drain(spool)
    assert spool.current is not None
    spool.current.drained = 0  # as if the process had died between commit and noting it
    for text in [some_line() for _ in range(100)]:
        spool.append(text)
    drain(spool)
    rows = log()
    assert len(rows) == 300
    assert minutes() == recount(rows)
    spool.close()


def test_two_writers_at_once_count_everything_once_and_wait_for_each_other_in_order(
    log: Callable[[], list[RoutingEvent]],
    minutes: Callable[[], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_BYTES", 4000)  # about ten events
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.01,))
    spools = [Spool(tmp_path / str(number), "test", 1024 * 1024) for number in range(3)]
    for spool in spools:
        for _ in range(400):
            spool.append(some_line())
    writers = [Writer(spool) for spool in spools]
    for writer in writers:
        writer.start()
    try:
        wait_for(lambda: not any(spool.pending for spool in spools))
    finally:
        for writer in writers:
            writer.stop(10)
    rows = log()
    assert len(rows) == 1200
    assert minutes() == recount(rows)
    assert "deadlock" not in caplog.text
    assert caplog.records == []
    for spool in spools:
        spool.close()


def test_two_writers_of_the_same_lines_store_and_count_them_once(
    log: Callable[[], list[RoutingEvent]],
    minutes: Callable[[], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a restored backup of a spool; in different orders they may deadlock, and one of them tries again."""
    monkeypatch.setattr(writer_module, "BATCH_BYTES", 4000)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.01,))
    lines = [some_line() for _ in range(200)]
    spools = [Spool(tmp_path / str(number), "test", 1024 * 1024) for number in range(2)]
    for spool in spools:
        for text in random.sample(lines, len(lines)):
            spool.append(text)
    writers = [Writer(spool) for spool in spools]
    threads = [threading.Thread(target=writer.start) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: not any(spool.pending for spool in spools))
    finally:
        for writer in writers:
            writer.stop(10)
    rows = log()
    assert len(rows) == 200
    assert minutes() == recount(rows)
    assert [writer.quarantined for writer in writers] == [0, 0]
    for spool in spools:
        spool.close()
