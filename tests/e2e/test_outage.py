"""A server that is stopped and starts again while its database is away: it serves the snapshot until that is back."""

import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.config.processes import wait_for
from tests.e2e.server import Server, database_url
from tests.e2e.test_registering import call, definition


class Forwarder:
    """A TCP port in front of the database's own socket, which can refuse, or take connections and be silent."""

    def __init__(self, url: str):
        about = conninfo_to_dict(url)
        host, port = str(about["host"]), int(about.get("port") or 5432)
        self.there = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self.silent = False
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        secret = f":{about['password']}" if about.get("password") else ""
        self.url = f"postgresql://{about['user']}{secret}@127.0.0.1:{self.port}/{about['dbname']}"
        self.start()

    def start(self) -> None:
        threading.Thread(target=self.accept, args=[self.listener], daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.open.append(client)
                if self.silent:
                    continue
                server = socket.socket(socket.AF_UNIX if isinstance(self.there, str) else socket.AF_INET)
                server.connect(self.there)
                self.open.append(server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Cut everything; who comes is refused."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept(), which else keeps the port open
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.open = []

    def back(self, *, silent: bool = False) -> None:
        """Take connections again."""
        self.cut()
        self.silent = silent
        if self.listener.fileno() < 0:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            self.start()


class Alone(Server):
    """A server whose database cannot be asked when it starts."""

    def wait_until_ready(self, workers: int) -> None:
        wait_for(lambda: self.printed.count("are served from the snapshot") == workers)


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    made = Forwarder(database_url("e2e_outage"))
    yield made
    made.refuse()


def tables(server: Server) -> set[str]:
    """What /ready says of the table; asked often enough to reach both workers."""
    asked = [server.get("/ready") for _ in range(12)]
    assert {answer.status for answer in asked} == {200}
    return {answer.json["checks"]["table"] for answer in asked}


def test_a_timed_pause_ends_at_its_moment_without_the_database_which_then_learns_of_it_once(
    forwarder: Forwarder, tmp_path: Path
) -> None:
    server = Server(forwarder.url, tmp_path / "data")
    try:
        for name in ("nap", "short-nap"):
            server.command("register", name, "--route", f"/{name}", "--file", definition(tmp_path))
        server.command("pause", "short-nap", "--minutes", "0.02")
        resumed = "SELECT state FROM agents_agent WHERE name = %s AND state = 'serving' AND paused_until IS NULL"
        wait_for(lambda: server.query(resumed, "short-nap"))
        told = json.loads(server.command("pause", "nap", "--minutes", "0.05", "--json"))
        forwarder.refuse()
        until = datetime.fromisoformat(told["paused_until"]).timestamp()
        while True:
            before = time.time()
            answered = "SWAIG" in server.get("/nap?call_id=C1").text
            if answered:
                assert time.time() >= until
            elif before >= until:
                raise AssertionError("its time is up and it is still paused")
            if before >= until:
                break
            time.sleep(0.05)
        wait_for(lambda: server.get("/ready").json["checks"]["database"] == "away")
        forwarder.back()
        wait_for(lambda: server.query(resumed, "nap"))
        rows = server.query(
            "SELECT e.name, c.metadata ->> 'user', c.metadata ->> 'via', c.metadata ->> 'changed' FROM"
            " agents_agentevent e JOIN pghistory_context c ON c.id = pgh_context_id"
            " WHERE c.metadata ->> 'via' = 'serve' ORDER BY 1"
        )
        assert rows == [(name, "Switchboard", "serve", "its time was up") for name in ("nap", "short-nap")]
        assert {"SWAIG" in server.get("/nap").text for _ in range(6)} == {True}
    finally:
        server.stop()


def snapshot_revision(data: Path) -> int:
    """0 before the first writing."""
    if not (path := data / "snapshot.sqlite3").exists() or not path.stat().st_size:
        return 0
    with contextlib.closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()[0])


def test_a_server_that_starts_without_its_database_answers_calls_from_the_snapshot(
    forwarder: Forwarder, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = Server(forwarder.url, data)
    try:
        server.command("register", "shop", "--route", "/x", "--file", definition(tmp_path), "--sip", "desk")
        path = server.function_path("/x", "hours", "OLD")
        (revision,) = server.query("SELECT max(revision) FROM registry_registrychange")[0]
        wait_for(lambda: snapshot_revision(data) == revision)
        assert server.stop() == 0

        for silent in (False, True):
            forwarder.refuse()
            if silent:
                forwarder.back(silent=True)
            server = Alone(forwarder.url, data)
            said = tables(server)
            assert all(text.startswith("from the snapshot of 20") and ", stale since 20" in text for text in said)
            checks = server.get("/ready").json["checks"]
            assert (checks["database"], checks["snapshot"]) == ("away", "ok")
            for _ in range(6):
                assert call(server, path, "OLD") == "version one, Monday"  # its token is from before
                new = server.function_path("/x", "hours", "NEW")
                assert call(server, new, "NEW") == "version one, Monday"
            assert server.post("/sip", {"call": {"to": "sip:desk@example.com"}}).status == 200
            assert server.get("/x", auth="u:wrong").status == 401
            if not silent:
                assert server.stop() == 0

        forwarder.back()
        wait_for(lambda: server.printed.count("its routing table is served") == 2)  # one a worker
        assert tables(server) == {f"revision {revision}"}
        told = server.command("register", "bakery", "--route", "/y", "--file", definition(tmp_path), "--json")
        assert {server.get("/y").status for _ in range(12)} == {200}
        assert call(server, path, "OLD") == "version one, Monday"
        wait_for(lambda: snapshot_revision(data) == json.loads(told)["revision"])
    finally:
        if server.process.poll() is None:
            server.stop()
