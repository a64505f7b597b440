"""Servers and scripts that can be adopted, without the SDK."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UnusableSource
from agents.python.inspection import Inspected, Script, ScriptAgent
from agents.remote.probe import Probed
from agents.remote.source import RemoteSource
from agents.sources import Found
from registry.actions.transaction import Actor
from registry.adopting import Entry, Report

ADMIN = Actor("alice", "command", may_run_code=True)
OPERATOR = Actor("olga", "api")
PROMPT = {"prompt": {"text": "I sell."}}


class Elsewhere(ThreadingHTTPServer):
    """A server whose answers by path are `pages`; everything else is a 404."""

    daemon_threads = True

    def __init__(self, pages: dict[str, Any]):
        self.pages = pages
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        self.send_response(200 if page is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Elsewhere]]:
    """Starts servers that say this at their paths."""
    started: list[Elsewhere] = []

    def start(*routes: str, **pages: Any) -> Elsewhere:
        answers = {f"/{path}": page for path, page in pages.items()}
        server = Elsewhere(answers or {"/health": {"status": "ok", "agents": len(routes), "routes": list(routes)}})
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def probed(monkeypatch) -> list[tuple[RemoteSource, Any, bool]]:
    """What was asked for documents: each agent has one function; those whose route has `broken` in it fail."""
    asked = []

    def probe(source, upstream, _reach, *, may_be_private=False):
        asked.append((source, upstream, may_be_private))
        if "broken" in source.url:
            words = f"{source.url} asks for a user and a password (401): give those of its server"
            raise UnusableSource(words, "credentials")
        found = Found.model_validate({"functions": {"ask": {}}, "origins": [source.url]})
        return Probed(source.model_copy(update={"found": found}), [])

    monkeypatch.setattr("agents.remote.kind.probe", probe)
    return asked


def by_original(report: Report) -> dict[str, Entry]:
    return {entry.original: entry for entry in report.entries}


def states(report: Report) -> dict[str, str]:
    return {entry.original: entry.state for entry in report.entries}


def agent_at(route: str, name: str, code: str = "1", sip: list[str] | None = None) -> ScriptAgent:
    """An agent that a script registers."""
    found = Found.model_validate({"name": name, "functions": {"ask": {}}})
    return ScriptAgent(route, name, Inspected(found, code), sip or [])


@pytest.fixture
def folder(tmp_path, settings) -> Path:
    """The folder of AGENT_PATH, with a script in it."""
    settings.AGENT_PATH = [str(tmp_path / "agents")]
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "fleet.py").write_text("")
    return folder


@pytest.fixture
def script(monkeypatch) -> Callable[..., None]:
    """Say what the script registers."""

    def say(*agents: ScriptAgent, not_served: list[str] | None = None, auto_sip: bool = True) -> None:
        found = Script(list(agents), not_served or [], "1", auto_sip)
        kept = {agent.route: agent.inspected for agent in agents}
        monkeypatch.setattr("registry.adopting.scripts.inspect_script", lambda *_: found)
        monkeypatch.setattr("agents.python.kind.inspect", lambda source, _: kept[source.route])

    return say
