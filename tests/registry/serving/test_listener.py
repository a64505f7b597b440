import json
import logging
import threading
import time

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from registry.actions import agents, routes
from registry.base import daemon
from registry.heartbeats import Heart, everywhere, wait_for
from registry.models import RegistryChange, Worker
from registry.routing.table import Tables
from registry.serving import listener
from registry.serving.listener import Listener
from registry.serving.loader import read_records
from registry.serving.snapshot import SnapshotFile

DEFINITION = {"prompt": {"text": "I sell."}}


@pytest.fixture
def file(tmp_path):
    return SnapshotFile(tmp_path / "snapshot.sqlite3", "here")


@pytest.fixture
def starting(transactional_db, monkeypatch, file):
    """A listener that has not begun yet."""
    monkeypatch.setattr(listener, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.05,))
    heart = Heart("replica-1", timezone.now(), 7)
    made = Listener(Tables(), heart, lambda: 42, lambda: "the log waits", file)
    yield made
    made.stop(10)
    assert not made.thread.is_alive()


@pytest.fixture
def listening(starting):
    """A running listener that has loaded its first table, and has said so: who waits for it knows that it is there."""
    starting.start()
    assert starting.loaded.wait(10)
    assert soon(Worker.objects.exists)
    return starting


@pytest.fixture
def unreachable(monkeypatch):
    """The listener cannot connect to the database until this is called; the time-outs that it asked for."""
    connect = psycopg.connect
    timeouts = []

    def away(*args, **options):
        if threading.current_thread().name != Listener.name:
            return connect(*args, **options)
        timeouts.append(options["connect_timeout"])
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", away)
    return timeouts, lambda: monkeypatch.setattr(psycopg, "connect", connect)


def soon(condition) -> bool:
    """Whether it becomes true; far more time than is needed, so that a busy machine does not matter."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_change_is_served_without_a_restart_and_the_heartbeat_says_so(listening, actor):
    change = agents.register("sales", "/sales", DEFINITION, by=actor)
    assert wait_for(change.revision, 10).done
    assert listening.tables.current.routes["/sales"].agent.name == "sales"
    worker = Worker.objects.get()
    assert (worker.replica, worker.pid, worker.spool_bytes, worker.last_error) == ("replica-1", 7, 42, "the log waits")
    change = routes.unregister("/sales", by=actor, wait=True)
    assert (change.everywhere.done, change.everywhere.live) == (True, 1)
    assert listening.tables.current.find("/sales") is None


def test_a_change_by_sql_is_served_too(listening, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registry_route SET path = '/moved'")
    assert soon(lambda: set(listening.tables.current.routes) == {"/moved"})


def test_a_notification_that_got_lost_is_made_up_for_by_polling(listening, actor, monkeypatch):
    monkeypatch.setattr("registry.serving.listener.BACKSTOP_SECONDS", 0.1)
    RegistryChange.objects.create(revision=1, agent_id=None, created=timezone.now())  # no trigger, no notification
    assert soon(lambda: everywhere(1).done)


def test_while_the_database_is_away_the_last_table_stays_and_then_the_news_comes(listening, actor, monkeypatch):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)
    following = listening.loader.next

    def away(_table, **_options):
        raise OperationalError("server closed the connection\nmore")

    monkeypatch.setattr(listening.loader, "next", away)
    agents.register("billing", "/billing", DEFINITION, by=actor)
    assert soon(lambda: listening.last_error == "server closed the connection")
    assert set(listening.tables.current.routes) == {"/sales"}
    monkeypatch.setattr(listening.loader, "next", following)
    assert soon(lambda: "/billing" in listening.tables.current.routes)
    assert listening.last_error == ""


def test_a_table_that_cannot_be_loaded_does_not_end_the_listening(listening, actor, monkeypatch):
    following = listening.loader.next
    failures = [ValueError("a bug"), ValueError("a bug")]

    def buggy(table, **options):
        if failures:
            raise failures.pop()
        return following(table, **options)

    monkeypatch.setattr(listening.loader, "next", buggy)
    agents.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)


def test_a_listener_whose_connection_is_cut_listens_and_loads_again(listening, actor):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'listen %'"
        )
        assert cursor.fetchone()[0] >= 1
    agents.register("sales", "/sales", DEFINITION, by=actor)
    assert soon(lambda: "/sales" in listening.tables.current.routes)


def test_a_listener_that_stops_takes_its_heartbeat_away(listening):
    assert soon(lambda: Worker.objects.exists())
    listening.stop(10)
    assert not Worker.objects.exists()


def test_started_without_the_database_it_serves_the_snapshot_until_that_is_back(
    starting, actor, file, unreachable, settings, caplog
):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    file.write(1, None, read_records(None))
    timeouts, come_back = unreachable
    with caplog.at_level(logging.WARNING):
        starting.start()
        assert starting.loaded.wait(10)
        stale = starting.tables.current
        assert (list(stale.routes), stale.revision, starting.served) == (["/sales"], 1, None)
        written = file.read().written
        assert starting.stale.startswith(f"from the snapshot of {written}, stale since 20")
        assert soon(lambda: len(timeouts) > 3)
        assert starting.tables.current is stale
        # Quick while nothing is served, patient afterwards.
        assert timeouts[:2] == [settings.FIRST_CONNECT_SECONDS, settings.DATABASE_CONNECT_SECONDS]
        agents.publish("sales", {"prompt": {"text": "I sell more."}}, by=actor)
        come_back()
        assert soon(lambda: starting.stale == "")
    table = starting.tables.current
    assert starting.served == table.revision == RegistryChange.newest()
    assert set(table.routes["/sales"].agent.versions) == {1, 2}
    assert table.routes["/sales"].agent.versions[1] is not stale.routes["/sales"].agent.versions[1]
    assert [record.message for record in caplog.records] == [
        f"The database is away: 1 agents are served from the snapshot of {written}, revision 1",
        "No news of the registry, calls go on with the last table: connection refused",
        f"The database is back: its routing table is served, revision {table.revision}",
    ]


def test_a_database_that_is_another_one_when_it_is_back_is_believed(starting, actor, file, unreachable):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    (rows,) = read_records(None)
    other = json.loads(rows[0][1]) | {"name": "other"}
    other["routes"][0]["path"] = "/other"
    other["versions"][0]["definition"] = json.dumps({"prompt": {"text": "I am another."}})
    file.write(RegistryChange.newest(), None, [[(rows[0][0], json.dumps(other))]])
    starting.start()
    assert starting.loaded.wait(10)
    assert set(starting.tables.current.routes) == {"/other"}
    unreachable[1]()
    assert soon(lambda: starting.stale == "")
    assert set(starting.tables.current.routes) == {"/sales"}
    version = starting.tables.current.routes["/sales"].agent.live
    assert b"I sell." in version.shown(b"https://a", b"https://b", b"*")


@pytest.mark.parametrize("content", ["nothing", "not a database", "no records"])
def test_a_snapshot_that_cannot_be_used_is_said_once_and_the_database_waited_for(
    starting, actor, file, unreachable, caplog, content
):
    if content == "not a database":
        file.path.write_text(content * 100)
    elif content == "no records":
        file.write(1, None, [[(1, "{}")]])
    timeouts, come_back = unreachable
    starting.start()
    assert soon(lambda: len(timeouts) > 3)
    assert (starting.loaded.is_set(), starting.tables.current, starting.stale) == (False, None, "")
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == (0 if content == "nothing" else 1)
    come_back()
    assert starting.loaded.wait(10)


def test_a_new_connection_trusts_nothing_that_was_known(listening):
    before = listening.tables.current
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
        )
    end = time.monotonic() + 10
    while listening.tables.current is before:
        assert time.monotonic() < end, "the revision is the same, and yet the table is loaded anew"
        time.sleep(0.02)
    assert listening.tables.current.revision == before.revision


def test_a_database_that_answers_no_more_is_silent_whatever_its_connection_says(listening, settings):
    assert not listening.silent
    settings.DATABASE_SILENT_SECONDS = 0
    listening.polled_at -= 1
    assert listening.silent
