import time

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from registry import actions, daemon, listener
from registry.listener import Listener
from registry.models import RegistryChange, Worker
from registry.table import Tables
from registry.workers import Heart, everywhere, wait_for

DEFINITION = {"prompt": {"text": "I sell."}}


@pytest.fixture
def listening(transactional_db, monkeypatch):
    """A running listener that has loaded its first table."""
    monkeypatch.setattr(listener, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.05,))
    running = Listener(Tables(), Heart("replica-1", timezone.now(), 7), lambda: 42, lambda: "the log waits")
    running.start()
    assert running.loaded.wait(10)
    yield running
    running.stop(10)
    assert not running.thread.is_alive()


def soon(condition) -> bool:
    """Whether it becomes true; far more time than is needed, so that a busy machine does not matter."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_change_is_served_without_a_restart_and_the_heartbeat_says_so(listening, actor):
    change = actions.register("sales", "/sales", DEFINITION, by=actor)
    assert wait_for(change.revision, 10).done
    assert listening.tables.current.routes["/sales"].agent.name == "sales"
    worker = Worker.objects.get()
    assert (worker.replica, worker.pid, worker.spool_bytes, worker.last_error) == ("replica-1", 7, 42, "the log waits")
    change = actions.unregister("/sales", by=actor, wait=True)
    assert (change.everywhere.done, change.everywhere.live) == (True, 1)
    assert listening.tables.current.find("/sales") is None


def test_a_change_by_sql_is_served_too(listening, actor):
    actions.register("sales", "/sales", DEFINITION, by=actor)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registry_route SET path = '/moved'")
    assert soon(lambda: set(listening.tables.current.routes) == {"/moved"})


def test_a_notification_that_got_lost_is_made_up_for_by_polling(listening, actor, settings):
    settings.LISTENER_POLL_SECONDS = 0.1
    RegistryChange.objects.create(revision=1, agent_id=None, created=timezone.now())  # no trigger, no notification
    assert soon(lambda: everywhere(1).done)


def test_while_the_database_is_away_the_last_table_stays_and_then_the_news_comes(listening, actor, monkeypatch):
    actions.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)
    following = listening.loader.next

    def away(_table):
        raise OperationalError("server closed the connection\nmore")

    monkeypatch.setattr(listening.loader, "next", away)
    actions.register("billing", "/billing", DEFINITION, by=actor)
    assert soon(lambda: listening.last_error == "server closed the connection")
    assert set(listening.tables.current.routes) == {"/sales"}
    monkeypatch.setattr(listening.loader, "next", following)
    assert soon(lambda: "/billing" in listening.tables.current.routes)
    assert listening.last_error == ""


def test_a_table_that_cannot_be_loaded_does_not_end_the_listening(listening, actor, monkeypatch):
    following = listening.loader.next
    failures = [ValueError("a bug"), ValueError("a bug")]

    def buggy(table):
        if failures:
            raise failures.pop()
        return following(table)

    monkeypatch.setattr(listening.loader, "next", buggy)
    actions.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)


def test_a_listener_whose_connection_is_cut_listens_and_loads_again(listening, actor):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'listen %'"
        )
        assert cursor.fetchone()[0] >= 1
    actions.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)


def test_a_listener_that_stops_takes_its_heartbeat_away(listening):
    assert soon(lambda: Worker.objects.exists())
    listening.stop(10)
    assert not Worker.objects.exists()
