import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from registry import heartbeats
from registry.actions import agents
from registry.heartbeats import (
    LIVE_SECONDS,
    MAX_POLL_SECONDS,
    POLL_SECONDS,
    Everywhere,
    Heart,
    everywhere,
    live_workers,
    wait_for,
)
from registry.models import Worker
from tests.registry.log.test_writer import apart

pytestmark = pytest.mark.django_db


def heart(name="replica-1", pid=7):
    return Heart(name, timezone.now(), pid)


def age(seconds, **which):
    Worker.objects.filter(**which).update(seen=timezone.now() - timedelta(seconds=seconds))


def test_a_heartbeat_says_what_a_worker_serves():
    one = heart()
    one.beat(5, 100, "")
    one.beat(6, 0, "x" * 5000)
    worker = Worker.objects.get()
    assert (worker.replica, worker.pid, worker.revision, worker.spool_bytes) == ("replica-1", 7, 6, 0)
    assert len(worker.last_error) == 2000
    assert worker.started == one.started


def test_a_worker_that_ends_in_good_order_takes_its_row_and_old_ones_away():
    heart("dead", 1).beat(1, 0, "")
    heart("silent", 2).beat(1, 0, "")
    heart("other", 3).beat(1, 0, "")
    age(2 * 3600, replica="dead")
    age(60, replica="silent")
    one = heart()
    one.beat(1, 0, "")
    one.stop()
    assert set(Worker.objects.values_list("replica", flat=True)) == {"silent", "other"}


def test_a_worker_without_a_pid_is_this_process():
    import os

    Heart("r", timezone.now()).beat(1, 0, "")
    assert Worker.objects.get().pid == os.getpid()


def test_only_workers_that_were_heard_of_lately_count():
    heart(pid=1).beat(5, 0, "")
    heart(pid=2).beat(4, 0, "")
    age(LIVE_SECONDS + 1, pid=2)
    assert [worker.pid for worker in live_workers()] == [1]
    told = everywhere(5)
    assert told == Everywhere(5, 1, 1, silent=("replica-1/2",))
    assert told.done
    assert str(told) == "revision 5 on 1/1 workers; nothing heard of replica-1/2"
    age(61, pid=2)
    assert everywhere(5) == Everywhere(5, 1, 1)


def test_rows_of_processes_that_are_no_more_are_taken_away(monkeypatch):
    heart(pid=1).beat(5, 0, "")
    heart(pid=2).beat(5, 0, "")
    Heart("elsewhere", timezone.now(), 1).beat(5, 0, "")
    monkeypatch.setattr("registry.heartbeats.is_running", lambda pid: pid != 1)
    heart(pid=2).bury()
    assert sorted(Worker.objects.values_list("replica", "pid")) == [("elsewhere", 1), ("replica-1", 2)]


def test_how_far_a_revision_has_come_is_said_with_who_is_behind():
    for pid, revision in ((1, 5), (2, 4), (3, 6)):
        heart(pid=pid).beat(revision, 0, "")
    progress = everywhere(5)
    assert (progress.reached, progress.live, progress.done) == (2, 3, False)
    assert str(progress) == "revision 5 on 2/3 workers, not yet on replica-1/2"
    assert str(everywhere(4)) == "revision 4 on 3/3 workers"


def test_without_any_worker_a_revision_is_everywhere_and_that_is_said():
    assert everywhere(5).done
    assert str(everywhere(5)) == "revision 5; no worker is running"


def test_waiting_ends_when_all_have_it(monkeypatch):
    heart().beat(4, 0, "")
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            heart().beat(5, 0, "")

    only_here = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)  # other threads have the real one
    monkeypatch.setattr(heartbeats, "time", only_here)
    assert wait_for(5, 60).done
    assert len(naps) == 3


def test_who_waits_holds_no_connection_meanwhile_and_looks_less_and_less_often(db, monkeypatch):
    naps, held = [], []
    behind, done = Everywhere(5, 0, 1), Everywhere(5, 1, 1)

    def look(_revision):
        connection.ensure_connection()
        return done if len(naps) == 20 else behind

    def sleep(seconds):
        naps.append(seconds)
        held.append(connection.connection is not None)

    monkeypatch.setattr(heartbeats, "everywhere", look)
    only_here = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)  # other threads have the real one
    monkeypatch.setattr(heartbeats, "time", only_here)
    assert apart(lambda: wait_for(5, 60)).done
    assert not any(held)
    assert (naps[0], naps[-1], naps) == (POLL_SECONDS, MAX_POLL_SECONDS, sorted(naps))
    naps.clear()
    held.clear()
    assert wait_for(5, 60).done
    assert all(held), "in a transaction it is needed"


def test_waiting_ends_when_the_time_is_up(monkeypatch):
    heart().beat(4, 0, "")
    assert not wait_for(5, 0).done
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0.03)
    assert not wait_for(5).done


def test_a_change_that_was_made_before_the_database_went_away_is_no_failure(db, actor, monkeypatch):
    def gone(_revision):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("registry.actions.transaction.wait_for", gone)
    change = agents.register("sales", "/sales", {"prompt": {"text": "I sell."}}, by=actor, wait=True)
    assert change.everywhere is not None
    assert not change.everywhere.done
    assert "went away after the change" in str(change.everywhere)
