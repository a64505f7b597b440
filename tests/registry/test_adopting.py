"""Adopting: what an AgentServer says of itself, or a script registers, becomes agents; each for itself, and once."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UnusableSource
from agents.hosting import inspecting
from agents.hosting.inspecting import Inspected
from agents.models import Agent, AgentVersion
from agents.remote.probing import Probed
from agents.sources import Found, RemoteSource
from registry import actions
from registry.adopting import Entry, Report, Wishes, adopt_script, adopt_server
from registry.changes import Actor
from registry.errors import Forbidden, Malformed
from registry.models import RegistryChange, Route, SipMapping

pytestmark = pytest.mark.django_db
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
            raise UnusableSource(f"{source.url} answers 401")
        found = Found.model_validate({"functions": {"ask": {}}, "origins": [source.url]})
        return Probed(source.model_copy(update={"found": found}), [])

    monkeypatch.setattr("registry.sources.probe", probe)
    return asked


def by_original(report: Report) -> dict[str, Entry]:
    return {entry.original: entry for entry in report.entries}


def states(report: Report) -> dict[str, str]:
    return {entry.original: entry.state for entry in report.entries}


# --- by URL ----------------------------------------------------------------------------------------------------------


def test_every_route_of_a_server_becomes_a_remote_agent(elsewhere, probed):
    server = elsewhere("/sales", "/clinic/booking", "")
    report = adopt_server([server.url], Wishes(upstream=("u", "p")), by=ADMIN)
    found = {entry.original: (entry.agent, entry.route, entry.state) for entry in report.entries}
    assert found == {
        "/sales": ("sales", "/sales", "registered"),
        "/clinic/booking": ("clinic-booking", "/clinic/booking", "registered"),
        "/": ("127-0-0-1", "/", "registered"),
    }
    agent = Agent.objects.get(name="sales")
    assert (agent.kind, agent.upstream) == ("remote", "u:p")
    assert agent.live.definition["remote"]["url"] == f"{server.url}/sales"
    assert Agent.objects.get(name="127-0-0-1").live.definition["remote"]["url"] == server.url
    assert agent.live.note == f"adopted from {server.url}"
    assert by_original(report)["/sales"].as_json()["functions"] == ["ask"]
    assert by_original(report)["/sales"].as_json()["credentials"]["user"] == "signalwire"
    assert SipMapping.objects.filter(username="booking", route__path="/clinic/booking").exists()
    assert {asked[1] for asked in probed} == {("u", "p")}


def test_a_dry_run_changes_nothing(elsewhere):
    before = RegistryChange.newest()
    report = adopt_server([elsewhere("/sales", "/broken").url], Wishes(dry_run=True), by=ADMIN)
    assert states(report) == {"/sales": "register", "/broken": "refused"}
    assert list(by_original(report)["/sales"].found.functions) == ["ask"]
    assert "--user and --password" in by_original(report)["/broken"].reason
    assert RegistryChange.newest() == before
    assert not Agent.objects.exists()


def test_adopting_twice_changes_nothing(elsewhere):
    server = elsewhere("/sales", "/help")
    adopt_server([server.url], Wishes(), by=ADMIN)
    before = RegistryChange.newest()
    again = adopt_server([f"HTTP://127.0.0.1:{server.server_port}/health"], Wishes(), by=ADMIN)
    assert states(again) == {"/sales": "skipped", "/help": "skipped"}
    assert by_original(again)["/help"].reason == "registered already as help at /help"
    assert RegistryChange.newest() == before


def test_what_cannot_be_registered_is_said_and_the_others_go_on(elsewhere):
    actions.register("sales", "/here", PROMPT, by=ADMIN)
    actions.register("pumps", "/taken", PROMPT, by=ADMIN)
    actions.register("old", "/old", PROMPT, by=ADMIN)
    actions.unregister("/old", by=ADMIN)
    routes = ["/sales", "/taken", "/old", "/api", "/a b", "//x", "/@elsewhere", "/a/b", "/a-b", "/broken", "/good"]
    report = adopt_server([elsewhere(*routes).url], Wishes(), by=ADMIN)
    refused = {entry.original: entry.reason for entry in report.entries if entry.state == "refused"}
    assert refused["/sales"].startswith("the name 'sales' is taken")
    assert refused["/taken"].startswith("route /taken is taken by agent pumps")
    assert "in the trash" in refused["/old"]
    assert "reserved" in refused["/api"]
    assert all("is not a route" in refused[route] for route in ("/a b", "//x", "/@elsewhere"))
    assert "another one of these agents" in refused["/a-b"]
    assert {entry.agent for entry in report.entries if entry.state == "registered"} == {"a-b", "good"}
    assert report.totals == {"registered": 2, "updated": 0, "skipped": 0, "refused": 9}


def test_prefixes_make_room(elsewhere):
    actions.register("sales", "/sales", PROMPT, by=ADMIN)
    server = elsewhere("/sales", "/api", "")
    adopt_server([server.url], Wishes(name_prefix="old", route_prefix="/old"), by=ADMIN)
    agents = dict(Route.objects.filter(agent__kind="remote").values_list("path", "agent__name"))
    assert agents == {"/old/sales": "old-sales", "/old/api": "old-api", "/old": "old"}
    assert Agent.objects.get(name="old-api").live.definition["remote"]["url"] == f"{server.url}/api"


def test_some_routes_only(elsewhere):
    server = elsewhere("/sales", "/help", "/more")
    report = adopt_server([server.url], Wishes(only=("sales/", "/more")), by=ADMIN)
    assert states(report) == {"/sales": "registered", "/more": "registered"}
    with pytest.raises(Malformed, match=r"no route /none.*Its routes: /sales, /help, /more"):
        adopt_server([server.url], Wishes(only=("/none",)), by=ADMIN)
    assert states(adopt_server([f"{server.url}/help"], Wishes(), by=ADMIN)) == {"/help": "registered"}


def test_instances_of_a_server_are_one_agent_with_several_endpoints(elsewhere):
    one, two = elsewhere("/sales", "/help"), elsewhere("/sales")
    report = adopt_server([one.url, two.url], Wishes(), by=ADMIN)
    assert Agent.objects.get(name="sales").live.definition["remote"]["more_urls"] == [f"{two.url}/sales"]
    assert "more_urls" not in Agent.objects.get(name="help").live.definition["remote"]
    assert "not every instance" in by_original(report)["/help"].warnings[0]


def test_another_instance_is_added_when_asked_to(elsewhere):
    one, two = elsewhere("/sales"), elsewhere("/sales")
    adopt_server([one.url], Wishes(), by=ADMIN)
    report = adopt_server([one.url, two.url], Wishes(), by=ADMIN)
    assert "--update publishes these" in by_original(report)["/sales"].reason
    report = adopt_server([one.url, two.url], Wishes(update=True), by=ADMIN)
    assert states(report) == {"/sales": "updated"}
    assert Agent.objects.get(name="sales").live.definition["remote"]["more_urls"] == [f"{two.url}/sales"]
    assert AgentVersion.objects.filter(agent__name="sales").count() == 2


def test_a_trashed_agent_comes_back_from_the_server_that_it_was_on(elsewhere):
    server = elsewhere("/sales")
    adopt_server([server.url], Wishes(), by=ADMIN)
    actions.unregister("/sales", by=ADMIN)
    assert states(adopt_server([server.url], Wishes(), by=ADMIN)) == {"/sales": "registered"}
    assert states(adopt_server([server.url], Wishes(), by=ADMIN)) == {"/sales": "skipped"}


def test_a_single_agent_is_a_server_too(elsewhere):
    server = elsewhere(health={"status": "healthy", "agent": "Front Desk"})
    report = adopt_server([server.url], Wishes(route_prefix="/desk"), by=ADMIN)
    assert [(entry.agent, entry.route) for entry in report.entries] == [("front-desk", "/desk")]
    own_route = adopt_server([f"{server.url}/own"], Wishes(), by=ADMIN)
    assert [(entry.original, entry.state) for entry in own_route.entries] == [("/own", "refused")]
    report = adopt_server([f"{server.url}/own"], Wishes(name_prefix="my"), by=ADMIN)
    assert [(entry.agent, entry.route) for entry in report.entries] == [("my-front-desk", "/own")]
    assert Agent.objects.get(name="my-front-desk").live.definition["remote"]["url"] == f"{server.url}/own"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (None, "answers 404"),
        (b"<html>", "says something else"),
        ({"status": "ok"}, "says something else"),
        ({"routes": [1]}, "routes that are no texts"),
        ({"routes": ["/x"] * 501}, "at most 500"),
        (b" " * (1024 * 1024 + 1), "more than 1,048,576 bytes"),
    ],
)
def test_what_is_no_agent_server_is_said(elsewhere, page, said):
    server = elsewhere(health=page)
    with pytest.raises(Malformed, match=said):
        adopt_server([server.url], Wishes(), by=ADMIN)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://u:secret@127.0.0.1:1", "given apart"),
        ("ftp://127.0.0.1", "must begin with http"),
        ("http://127.0.0.1:1/x?y", "without spaces, query"),
        ("http://127.0.0.1:1", "cannot be reached"),
    ],
)
def test_a_url_that_cannot_be_asked_is_said(url, said):
    with pytest.raises(Malformed, match=said) as refusal:
        adopt_server([url], Wishes(), by=ADMIN)
    assert "secret" not in str(refusal.value)


def test_inside_the_network_only_an_admin_may_look(elsewhere, settings):
    server = elsewhere("/sales")
    for url in (server.url, f"http://localhost:{server.server_port}"):
        with pytest.raises(Forbidden, match="only an Admin"):
            adopt_server([url], Wishes(), by=OPERATOR)
    assert server.asked == []
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    assert states(adopt_server([server.url], Wishes(), by=OPERATOR)) == {"/sales": "registered"}


# --- scripts ---------------------------------------------------------------------------------------------------------


@dataclass
class ScriptAgent:
    route: str
    name: str
    inspected: Inspected
    sip: list[str] = field(default_factory=list)
    auto_sip: bool = True


@dataclass
class Script:
    agents: list[ScriptAgent]
    not_served: list[str] = field(default_factory=list)
    code: str = "1"


def agent_at(route: str, name: str, code: str = "1", **options: Any) -> ScriptAgent:
    found = Found.model_validate({"name": name, "functions": {"ask": {}}})
    return ScriptAgent(route, name, Inspected(found, code), **options)


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

    def say(*agents: ScriptAgent, not_served: list[str] | None = None) -> None:
        found = Script(list(agents), not_served or [])
        kept = {agent.route or "/": agent.inspected for agent in agents}
        monkeypatch.setattr(inspecting, "inspect_script", lambda *_: found, raising=False)
        monkeypatch.setattr("registry.sources.inspect", lambda source, _: kept[source.route])

    return say


def test_every_agent_of_a_script_becomes_a_python_agent(folder, script):
    script(
        agent_at("/clinic/booking", "Booking Desk", sip=["appointments"]),
        agent_at("/slow", "slow"),
        agent_at("/Mixed-Case_9", "slow", auto_sip=False),
        agent_at("/api", "reserved"),
        not_served=["GET /get_token on server.app"],
    )
    report = adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    assert {entry.original: entry.agent for entry in report.entries if entry.state == "registered"} == {
        "/clinic/booking": "booking-desk",
        "/slow": "slow",
        "/Mixed-Case_9": "slow-mixed-case_9",
    }
    assert "reserved" in by_original(report)["/api"].reason
    agent = Agent.objects.get(name="slow-mixed-case_9")
    assert agent.kind == "python"
    assert agent.live.definition["python"]["script"] == "fleet.py"
    assert agent.live.definition["python"]["route"] == "/Mixed-Case_9"
    assert not SipMapping.objects.filter(route__agent=agent).exists()
    assert SipMapping.objects.get(username="appointments").source == "manual"
    assert report.not_served == ["GET /get_token on server.app"]


def test_a_script_twice_changes_nothing_until_its_code_does(folder, script):
    script(agent_at("/a", "a"), agent_at("", "b"))
    adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    before = RegistryChange.newest()
    report = adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    assert states(report) == {"/a": "skipped", "/": "skipped"}
    script(agent_at("/a", "a", code="2"), agent_at("", "b"), agent_at("/c", "c"))
    report = adopt_script(str(folder / "fleet.py"), Wishes(dry_run=True), by=ADMIN)
    assert states(report) == {"/a": "skipped", "/": "skipped", "/c": "register"}
    assert "`reload a`" in by_original(report)["/a"].reason
    assert RegistryChange.newest() == before
    report = adopt_script(str(folder / "fleet.py"), Wishes(update=True, only=("/a",)), by=ADMIN)
    assert states(report) == {"/a": "updated"}
    assert Agent.objects.get(name="a").live.definition["python"]["code"] == "2"


def test_a_chosen_sip_name_wins_over_one_that_another_got_by_itself(folder, script, actor):
    actions.register("lobby", "/lobby", PROMPT, sip=["reception"], by=actor)
    script(agent_at("/sales", "sales"), agent_at("/other", "other", sip=["sales", "reception", "a b"]))
    report = adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    names = dict(SipMapping.objects.values_list("username", "route__path"))
    assert names == {"lobby": "/lobby", "reception": "/lobby", "sales": "/other", "other": "/other"}
    other = by_original(report)["/other"]
    assert other.change is not None
    assert other.change.skipped == {"reception": "lobby"}
    assert "'a b' is not a SIP name" in other.warnings[0]


def test_a_script_elsewhere_is_told_both_ways(folder, script, tmp_path):
    outside = tmp_path / "project" / "app.py"
    outside.parent.mkdir()
    outside.write_text("")
    with pytest.raises(Malformed) as refusal:
        adopt_script(str(outside), Wishes(), by=ADMIN)
    assert f"ln -s {outside.parent} {folder}/project" in str(refusal.value)
    assert f"AGENT_PATH={outside.parent}" in str(refusal.value)
    (folder / "project").symlink_to(outside.parent)
    script(agent_at("/a", "a"))
    adopt_script(str(folder / "project" / "app.py"), Wishes(), by=ADMIN)
    assert Agent.objects.get(name="a").live.definition["python"]["script"] == "project/app.py"
    assert states(adopt_script("project/app.py", Wishes(), by=ADMIN)) == {"/a": "skipped"}
    with pytest.raises(Malformed, match="there is no file"):
        adopt_script("nothing.py", Wishes(), by=ADMIN)


def test_a_script_behind_another_of_its_name_is_refused(folder, settings, tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    (second / "fleet.py").write_text("")
    settings.AGENT_PATH = [str(folder), str(second)]
    with pytest.raises(Malformed, match="rename one"):
        adopt_script(str(second / "fleet.py"), Wishes(), by=ADMIN)


def test_a_script_needs_somebody_who_may_run_code(folder):
    with pytest.raises(Forbidden):
        adopt_script(str(folder / "fleet.py"), Wishes(), by=OPERATOR)


def test_a_script_that_cannot_be_built_says_why(folder, monkeypatch):
    def fail(*_arguments):
        raise UnusableSource("line 3: no module named 'pumps'")

    monkeypatch.setattr(inspecting, "inspect_script", fail, raising=False)
    with pytest.raises(Malformed, match="no module named 'pumps'"):
        adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
