"""`serve`: what it starts, what it says, and that nothing is left of it."""

import base64
import contextlib
import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import OperationalError

from config.listen_socket import Answer, ListenError, base_url, listen
from config.prepare import is_refusal
from config.slots import Slot, describe
from config.supervisor import Options, Supervisor
from registry.base.checks import OK, Check
from registry.routing.probes import Probes
from registry.routing.table import Tables
from tests.client import HTTP
from tests.e2e.server import database_url
from tests.e2e.test_outage import Forwarder

from .processes import ROOT, that_know, wait_for, wait_until_gone

STUB = ["--application", "tests.config.application:application"]
END_SECONDS = 60  # it takes one, but where others need the machine, too
Serve = Callable[..., "Served"]


class Served:
    """A running `serve`, and all that it has printed."""

    def __init__(self, data_dir: Path, arguments: list[str], environment: dict[str, str]):
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd="/",  # it must not matter
            process_group=0,
            env={**environment, "DATA_DIR": str(data_dir), "EMBEDDED_POSTGRES_OPTIONS": "-c fsync=off"},
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, pattern: str) -> str:
        """Wait for a line, and return what the pattern's group matched."""
        wait_for(lambda: re.search(pattern, self.text) or self.process.poll() is not None)
        found = re.search(pattern, self.text)
        assert found, self.text
        return found[found.re.groups]

    @property
    def url(self) -> str:
        return self.until(r"ready at (\S+)")

    def get(self, path: str = "/") -> list[str]:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode()).splitlines()

    def end(self) -> int:
        """Wait for its end; one that does not end is killed, so that it is nobody else's trouble."""
        try:
            code = self.process.wait(END_SECONDS)
        finally:
            self.process.kill()
        self.reader.join(END_SECONDS)
        return code


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: migrating takes a second."""
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    served: list[Served] = []

    def start(*arguments: str, **environment: str) -> Served:
        outside = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATABASE_POOL")}
        served.append(Served(data_dir, list(arguments), {**outside, **environment}))
        return served[-1]

    yield start
    for one in served:
        if one.process.poll() is None:
            one.process.kill()
        one.end()
    wait_until_gone(data_dir)


def test_the_first_start_registers_the_fleet_and_prints_a_line_that_works(data_dir: Path, serve: Serve) -> None:
    served = serve("--workers", "2")
    curl = served.until(r"\n +(curl .*)")
    words = shlex.split(curl)
    assert words[:2] == ["curl", "-u"]
    request = urllib.request.Request(words[3])
    request.add_header("Authorization", "Basic " + base64.b64encode(words[2].encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b'"version"' in answer.read()
    assert "registered the example fleet" in served.text
    started = time.monotonic()
    served.process.terminate()
    assert served.end() == 0
    assert served.lines[-1] == "Switchboard: stopped"
    assert that_know(data_dir) == []
    assert time.monotonic() - started < 10

    # A later start registers nothing; with another secret key it is refused.
    again = serve(SECRET_KEY="another")
    assert again.end() == 1
    assert "SECRET_KEY_FALLBACKS" in again.text
    assert that_know(data_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_after_a_signal_nothing_is_left_running(data_dir: Path, serve: Serve, number: signal.Signals) -> None:
    served = serve("--workers", "2", *STUB)
    pid, url, pool, replica = served.get()
    assert int(pid) != served.process.pid
    assert url.startswith("postgresql://postgres@/switchboard?host=")
    assert pool == "8"
    assert re.fullmatch(r".+-[0-9a-f]{6}", replica)
    assert "registered" not in served.text
    served.process.send_signal(number)
    if number == signal.SIGKILL:
        assert served.end() == -number
        wait_until_gone(data_dir, seconds=10)
    else:
        assert served.end() == 0
        assert that_know(data_dir) == []


def test_a_running_request_is_finished_unless_asked_twice(data_dir: Path, serve: Serve) -> None:
    served = serve(*STUB)
    url = served.url
    got: list[object] = []

    def ask(path: str) -> None:
        try:
            with urllib.request.urlopen(url + path, timeout=20) as answer:
                got.append(answer.status)
        except OSError as error:
            got.append(error)

    asking = threading.Thread(target=ask, args=["/slow/1"])
    asking.start()
    time.sleep(0.3)
    served.process.send_signal(signal.SIGINT)
    asking.join()
    assert got == [200]
    assert served.end() == 0

    served = serve(*STUB)
    url = served.url
    asking = threading.Thread(target=ask, args=["/slow/15"])
    asking.start()
    time.sleep(0.3)
    served.process.send_signal(signal.SIGINT)
    served.until("stopping")
    served.process.send_signal(signal.SIGINT)
    assert served.end() == 0
    asking.join()
    assert isinstance(got[1], OSError)
    wait_until_gone(data_dir)


def test_a_worker_that_dies_is_replaced(serve: Serve) -> None:
    served = serve(*STUB)
    first = served.get()
    with contextlib.suppress(OSError):
        served.get("/die")
    served.until(r"worker 1 ended with exit code 7; another one starts in 1 s")
    second = served.get()  # the socket has stayed open: a caller only waits
    assert second[0] != first[0]
    assert second[1:] == first[1:]


def test_a_worker_that_cannot_start_ends_it_with_the_reason(data_dir: Path, serve: Serve) -> None:
    served = serve("--application", "tests.config.application:broken")
    assert served.end() == 1
    assert "the moon is in the wrong phase" in served.text
    assert "ended with exit code 3 3 times at its start: its error is above" in served.text
    assert that_know(data_dir) == []


def test_stopping_while_it_starts_leaves_nothing(data_dir: Path, serve: Serve) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        for wait in (0.0, 0.15):
            served = serve(*STUB)
            served.until("starting PostgreSQL()")
            time.sleep(wait)
            served.process.send_signal(number)
            assert served.end() in (0, -number)
            wait_until_gone(data_dir)


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = Served(tmp_path / "data", ["--port", str(port)], dict(os.environ))
        assert served.end() == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in served.text
    assert not (tmp_path / "data").exists()


def test_with_a_database_url_no_server_is_started(data_dir: Path, tmp_path: Path, serve: Serve) -> None:
    owner = serve(*STUB)
    address = owner.get()[1]
    common = {"DATABASE_URL": address, "DATABASE_POOL": "3", "SECRET_KEY_FILE": str(data_dir / "secret_key")}
    other = Served(tmp_path / "data", STUB, {**os.environ, **common})
    try:
        assert other.get()[1:3] == [address, "3"]
        assert not (tmp_path / "data/postgres").exists()
    finally:
        other.process.terminate()
        assert other.end() == 0


def test_a_database_that_is_away_does_not_keep_it_from_serving(tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    served = Served(tmp_path / "data", STUB, environment)
    try:
        assert served.get()
        assert "the server of DATABASE_URL cannot be used" in served.text
    finally:
        served.process.terminate()
        assert served.end() == 0


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    made = Forwarder(database_url("serve_outage", migrated=False))
    yield made
    made.refuse()


def workers(data_dir: Path) -> list[int]:
    return [int(line.split()[0]) for line in that_know(data_dir) if "config/worker.py" in line]


def test_it_is_ready_once_and_only_when_a_worker_is(forwarder: Forwarder, tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": forwarder.url, "SECRET_KEY": "a key"}
    forwarder.refuse()
    served = Served(tmp_path / "data", [], environment)
    try:
        served.until("there is no snapshot of a routing table: calls get 503 until the database is there")
        wait_for(lambda: workers(tmp_path / "data"))
        os.kill(workers(tmp_path / "data")[0], signal.SIGKILL)  # nothing is ready yet, and it is no reason to end
        served.until("worker 1 was killed by SIGKILL; another one starts")
        wait_for(lambda: workers(tmp_path / "data"))
        assert "ready at" not in served.text
        forwarder.back()
        with urllib.request.urlopen(served.url + "/ready", timeout=10) as answer:
            assert answer.status == 200
        wait_for((tmp_path / "data/snapshot.sqlite3").exists)
        wait_for(lambda: (tmp_path / "data/snapshot.sqlite3").stat().st_size)
    finally:
        served.process.terminate()
        assert served.end() == 0
    assert served.text.count("ready at") == 1
    assert served.text.index("the database is there") < served.text.index("ready at")

    # From now on there is a snapshot to serve from.
    forwarder.refuse()
    served = Served(tmp_path / "data", [], environment)
    try:
        served.until(r"serving at http://127\.0\.0\.1:\d+ from the snapshot of 20.*, while the database is away")
        assert "ready at" not in served.text
        forwarder.back()
        served.until(r"credentials: python3 manage\.py credentials sales-agent \(with this server's environment\)")
    finally:
        served.process.terminate()
        assert served.end() == 0
    assert served.text.count("ready at") == served.text.count("serving at") == 1
    assert "curl" not in served.text


def test_a_server_that_does_not_want_us_ends_it(tmp_path: Path) -> None:
    url = urlsplit(database_url("serve_refused", migrated=False))
    served = Served(tmp_path / "data", [], {**os.environ, "DATABASE_URL": urlunsplit(url._replace(path="/no_such"))})
    assert served.end() == 3
    [line] = served.lines
    assert line.startswith("Switchboard: the server of DATABASE_URL cannot be used: ")
    assert 'database "no_such" does not exist' in line


def test_refusals_are_told_from_absences() -> None:
    for text in (
        'FATAL:  password authentication failed for user "boss"',
        "connection failed: fe_sendauth: no password supplied",
        'FATAL:  role "boss" does not exist',
        'FATAL:  no pg_hba.conf entry for host "::1"',
    ):
        assert is_refusal(OperationalError(text))
    for text in ("Connection refused", "timeout expired", "FATAL:  the database system is starting up"):
        assert not is_refusal(OperationalError(text))


def test_a_data_folder_that_cannot_be_used_is_told_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    served = Served(tmp_path / "file", [], dict(os.environ))
    assert served.end() == 2
    [line] = served.lines
    assert line.startswith(f"DATA_DIR: {tmp_path / 'file'} cannot be used (it is not a folder); write ")


def test_what_a_worker_answers_is_said_in_words() -> None:
    assert str(Answer()) == "it does not answer yet"
    assert str(Answer(503, {"table": Check("missing", "not loaded"), "database": Check("away"), "log": OK})) == (
        "table not loaded, database away"
    )
    assert Answer(200, {"table": Check("loaded", "from revision 3")}).stale == "", "the state says it, not the words"
    assert Answer(200, {"table": Check("stale", "the snapshot of x")}).stale == "the snapshot of x"


def test_a_workers_answer_is_read_from_what_ready_says() -> None:
    tables = Tables()
    probes = Probes(
        tables, HTTP, lambda: {"table": Check("stale", "from the snapshot of x"), "database": Check("away")}
    )
    status, body = probes.readiness()
    answer = Answer.of(status, json.loads(body))
    assert (answer.stale, str(answer)) == ("from the snapshot of x", "table from the snapshot of x, database away")
    for other in ({}, [], {"checks": {"a": "ok"}}, {"checks": {"a": "ok"}, "states": 1}, None):
        with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
            Answer.of(200, other)


def test_it_is_hopeless_when_the_first_starts_end_alike() -> None:
    slot = Slot(1)
    for code in (3, 3, -9, 3, 3, 4, 4):
        slot.died(0, code)
        assert not slot.hopeless
    slot.died(0, 4)
    assert slot.hopeless
    slot.died(100, 4)  # it has lived
    assert not slot.hopeless


def test_pauses_grow_while_a_worker_keeps_dying() -> None:
    slot = Slot(1)
    pauses = []
    for now in range(7):
        slot.started = now
        slot.died(now, 1)
        pauses.append(slot.pause)
        assert slot.restart_at == now + slot.pause
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    slot.started = 0
    slot.died(100, 1)
    assert slot.restart_at == 100


def test_addresses_that_cannot_be_listened_on_are_explained() -> None:
    for host, port in (("no.such.host.invalid", 0), ("127.0.0.1", 70000)):
        with pytest.raises(ListenError, match=rf"cannot listen on {host}:{port}"):
            listen(host, port)
    with listen("0.0.0.0", 0) as anywhere:
        assert base_url(anywhere) == f"http://127.0.0.1:{anywhere.getsockname()[1]}"


def test_a_process_s_end_is_described() -> None:
    assert describe(3) == "ended with exit code 3"
    assert describe(-9) == "was killed by SIGKILL"
    assert describe(-64) == "was killed by SIGRTMAX"
    assert describe(-250) == "was killed by signal 250"


def test_a_worker_takes_all_the_open_files_that_it_may_have(serve: Serve) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard - 1), hard))  # what it inherits
    try:
        served = serve(*STUB)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    pid = served.get()[0]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")) == str(hard)


def test_a_worker_that_cannot_be_started_again_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(Options(workers=1, port=0))
    slot = Slot(1)

    def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "spawn", no_process)
    with pytest.raises(BlockingIOError):  # nobody has ever answered: say it at once
        supervisor.tend(slot)
    supervisor.answered = True
    supervisor.tend(slot)
    assert slot.process is None
    assert slot.restart_at > time.monotonic()
