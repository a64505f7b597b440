"""A real `serve` in a subprocess, on a database of its own, and a client that speaks HTTP to it."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from psycopg import sql

from config.embedded.cluster import open_cluster
from tests.e2e import commands

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 60
NUMBERS = count(1)  # of databases


def database_url(name: str, *, migrated: bool = True) -> str:
    """The URL of a new database on the tests' server, in which nothing was ever started.

    It has its tables already, for making them takes a second. No other one ever had its name: servers of earlier tests
    may still be stopping.
    """
    name = f"{name}_{next(NUMBERS)}"
    make_database(name, migrated_template() if migrated else "template1")
    return url_of(name)


def url_of(name: str) -> str:
    """The URL of a database on the tests' server; "" is the one that is always there."""
    if settings.DATABASES["default"]["ENGINE"] == "config.embedded":
        return open_cluster(settings.DATA_DIR).url(name or "postgres")
    given = os.environ["DATABASE_URL"]
    return urlunsplit(urlsplit(given)._replace(path=f"/{name}")) if name else given


def make_database(name: str, template: str) -> None:
    """Make a database like another one; one that is left from another run is dropped."""
    with psycopg.connect(url_of(""), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


@cache
def migrated_template() -> str:
    """A database that has all tables and nothing else."""
    name = "e2e_template"
    make_database(name, "template1")
    code, output, errors = commands.run(("migrate", "--verbosity", "0"), {**os.environ, "DATABASE_URL": url_of(name)})
    assert code == 0, output + errors
    return name


class Response(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def ai(self) -> Any:
        """The document's `ai` verb."""
        return next(verb["ai"] for verb in self.json["sections"]["main"] if "ai" in verb)


LEAVING: list["Server"] = []


class Server:
    """`manage.py serve`, stopped with `stop()` or killed with `kill()`.

    It and its workers are forked from a process that has loaded Django already (tests/e2e/commands.py), which saves
    seconds; but for tests of how processes begin and end: those want it `cold`.
    """

    def __init__(
        self,
        url: str,
        data_dir: Path,
        *,
        workers: int = 2,
        example: bool = False,
        port: int = 0,
        cold: bool = False,
        **environment: str,
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            self.port: int = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = url
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SWML_", "SIGNALWIRE_"))},
            "DATABASE_URL": url,
            "DATA_DIR": str(data_dir),
            "SECRET_KEY": "the replicas' common key",
            "SWML_BASIC_AUTH_USER": "u",
            "SWML_BASIC_AUTH_PASSWORD": "p",
            **environment,
        }
        self.arguments = ["serve", "--port", str(self.port), "--workers", str(workers)]
        self.arguments += [] if example else ["--no-example"]
        self.workers = workers
        self.cold = cold
        self.log = data_dir / "serve.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Begin; at first, and again on the same port and database after `stop` or `kill`."""
        self.log.write_bytes(b"")
        self.process = self.started()
        self.wait_until_ready(self.workers)

    def started(self) -> "subprocess.Popen[bytes] | commands.Process":
        if not self.cold:
            return commands.Process(tuple(self.arguments), self.environment, self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *self.arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, workers: int) -> None:
        """Wait for the banner and for every worker's heartbeat."""
        end = time.monotonic() + READY_SECONDS
        while "is ready at" not in self.printed or self.query("SELECT count(*) FROM registry_worker")[0][0] < workers:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < end, self.printed
            time.sleep(0.05)

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask its database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def events(self, number: int, where: str = "true", *parameters: Any) -> list[dict[str, Any]]:
        """Routing events, oldest first, once at least `number` of them have reached the database."""
        end = time.monotonic() + 30
        while True:
            rows = self.query(f"SELECT to_jsonb(e) FROM registry_routingevent e WHERE {where} ORDER BY id", *parameters)
            if len(rows) >= number:
                return [row[0] for row in rows]
            assert time.monotonic() < end, f"{len(rows)} of {number} events have come"
            time.sleep(0.05)

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run a command of manage.py on the same database; what it prints."""
        ended, output, errors = commands.run(arguments, self.environment)
        assert ended == code, output + errors
        return output if code == 0 else output + errors

    def token(self, scope: str) -> dict[str, str]:
        """A new token, as the header that shows it."""
        made = self.command("token", "create", f"{scope} for a test", "--scope", scope, "--json")
        return {"Authorization": f"Bearer {json.loads(made)['token']}"}

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        auth: str | None = "u:p",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Response:
        """One request on a connection of its own, so that every worker gets some. `body` is sent as JSON."""
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=raw, headers=sent)
            response = connection.getresponse()
            text = response.read().decode()
            return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, text)
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Response:
        return self.request("POST", path, body, **options)

    def path_of(self, url: str) -> str:
        """The path and query of a URL in a document, which must lead here."""
        parts = urlsplit(url)
        assert (parts.hostname, parts.port) == ("127.0.0.1", self.port), url
        return urlunsplit(("", "", parts.path, parts.query, ""))

    def function_path(self, route: str, function: str, call: str) -> str:
        """Where a function of an agent is called in a call."""
        functions = self.get(f"{route}?call_id={call}").ai["SWAIG"]["functions"]
        return self.path_of(next(entry["web_hook_url"] for entry in functions if entry["function"] == function))

    def stop(self) -> int:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def leave(self) -> None:
        """SIGTERM without waiting, if it runs: the next test may begin. The end of all tests waits."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        LEAVING.append(self)

    def kill(self) -> None:
        """SIGKILL of the supervisor alone."""
        self.process.kill()
        self.process.wait()
