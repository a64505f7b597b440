"""A database that takes requests and never answers is given up, and used again when it is back."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from registry.base.daemon import Daemon
from registry.base.watchdog import Scissors, scissors
from tests.e2e.server import Server, database_url


@pytest.fixture
def raw(db):
    opened = psycopg.connect(**connection.get_connection_params(), autocommit=True)
    backend = opened.info.backend_pid
    yield opened
    opened.close()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])  # it does not know that nobody waits


def test_what_waits_too_long_is_cut_off(raw):
    own = Scissors()
    started = time.monotonic()
    with pytest.raises(psycopg.OperationalError), own.watching(raw, "test", 0.5):
        raw.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - started < 5
    assert own.waits == {}


def test_what_ends_in_time_is_left_alone(raw):
    own = Scissors()
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    for _ in range(50):
        with own.watching(raw, "test", 30):
            assert raw.execute("SELECT 1").fetchone() == (1,)
    own.cut()
    assert raw.execute("SELECT 1").fetchone() == (1,)
    if before:
        assert len(list(descriptors.iterdir())) <= before + 1


def test_nobody_elses_descriptor_is_shut(raw):
    own = Scissors()
    with own.watching(raw, "test", 0):
        raw.close()
        one, other = socket.socketpair()  # one of them may well have the number that libpq gave back
        with one, other:
            time.sleep(0.01)
            own.cut()
            one.sendall(b"x")
            other.sendall(b"y")
            assert (one.recv(1), other.recv(1)) == (b"y", b"x")


class Asking(Daemon):
    """Asks a database that never answers; then one that does."""

    name = "asking daemon"

    def __init__(self, raw: "psycopg.Connection[tuple[int]]"):
        super().__init__()
        self.raw = raw
        self.answered = threading.Event()
        self.tried = 0

    def work(self) -> None:
        self.tried += 1
        if self.tried == 1:
            with scissors.watching(self.raw, self.name, 0.2):
                self.raw.execute("SELECT pg_sleep(30)")
        self.answered.set()


def test_a_daemon_goes_on_after_that(raw, caplog):
    daemon = Asking(raw)
    daemon.start()
    assert daemon.answered.wait(5)
    daemon.stop(5)
    assert "its connection is cut off" in caplog.text
    caplog.clear()


def test_a_frozen_connection_is_given_up_by_a_real_worker(tmp_path):
    """The backends are stopped, as by a stuck disk: the server's kernel still acknowledges everything."""
    server = Server(database_url("frozen"), tmp_path / "data", workers=1, DATABASE_SILENT_SECONDS="2")
    frozen: list[int] = []
    try:
        definition = tmp_path / "agent.yaml"
        definition.write_text("prompt: {text: You sell pumps.}")
        server.command("register", "sales", "--route", "/sales", "--file", str(definition))
        backends = server.query(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        frozen = [pid for (pid,) in backends]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        assert server.get("/sales").status == 200
        end = time.monotonic() + 60
        while "is cut off" not in server.printed:
            assert time.monotonic() < end, server.printed
            time.sleep(0.05)
        # New connections are answered: the worker is whole again although the old ones still hang.
        server.command("pause", "sales")
        end = time.monotonic() + 30
        while b"say:" not in server.get("/sales").text.encode():
            assert time.monotonic() < end, server.printed
            time.sleep(0.2)
        server.events(2)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        server.leave()
