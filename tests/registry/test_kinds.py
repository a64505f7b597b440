"""A kind of agent that the registry has never heard of goes through all its doors, and no file of ours knows it."""

import importlib
import json
import sys
from io import StringIO
from types import ModuleType

import pytest
from django.core.management import call_command
from django.urls import path

import registry
from agents.kinds import KINDS
from agents.models import Agent, AgentVersion
from registry.actions import agents, trash, versions
from registry.base.errors import Conflict, Forbidden, Malformed
from registry.fleet import apply_plan, export_fleet, make_plan
from registry.models import RegistryChange
from registry.rehearsal.candidate import simulate
from registry.rehearsal.rehearsal import Call, preview, rehearsal_of
from registry.routing.table import RoutingTable
from registry.serving.loader import Loader, read_records
from registry.serving.snapshot import SnapshotFile
from tests.agents.building import NoWebhooks
from tests.agents.echo import ECHO, EchoKind, EchoSource, echo
from tests.client import Client, basic, load_table
from tests.registry.api.conftest import Asker, look, token

__all__ = ["echo", "look", "token"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("echo")]
HELLO, BYE = {"echo": {"says": "hello"}}, {"echo": {"says": "good bye"}}
BASE = "https://voice.example.com"


@pytest.fixture
def hall(actor):
    return agents.register("hall", "/hall", HELLO, by=actor, credentials=("u", "p"), sip=["hallway"])


@pytest.fixture
def api(monkeypatch, settings, token):
    """The API as it is made where the kind is there from the start: its schemas are made of the kinds."""
    importlib.import_module("registry.api.api")
    usual = {name: module for name, module in sys.modules.items() if f"{name}.".startswith("registry.api.")}
    monkeypatch.setattr(registry, "api", registry.api)
    monkeypatch.setenv("NINJA_SKIP_REGISTRY", "1")
    for name in usual:
        del sys.modules[name]
    urls = ModuleType("urls_with_one_kind_more")
    urls.urlpatterns = [path("api/v1/", importlib.import_module("registry.api.api").api.urls)]
    settings.ROOT_URLCONF = urls
    yield Asker(token("operate"))
    for name in [name for name in sys.modules if f"{name}.".startswith("registry.api.")]:
        del sys.modules[name]
    sys.modules.update(usual)


def says(client: Client, path: str = "/hall") -> str:
    return client.get(path).ai["prompt"]["text"]


# --- it answers ------------------------------------------------------------------------------------------------------


def test_it_is_registered_and_answers_a_document_and_a_function(hall):
    client = Client(load_table())
    document = client.get("/hall")
    assert (document.ai["prompt"]["text"], document.event["outcome"]) == ("hello", "ok")
    function = document.ai["SWAIG"]["functions"][0]
    answer = client.swaig(function["web_hook_url"], "shout")
    assert (answer.json, answer.event["function"]) == ({"response": "HELLO"}, "shout")
    assert says(client, "/hall?x=1") == "hello"
    assert client.post("/sip", {"call": {"to": "sip:hallway@x"}}).ai["prompt"]["text"] == "hello"
    assert Agent.objects.get().kind == "echo"


def test_a_running_call_is_not_led_by_a_mark_that_its_documents_do_not_have(hall, actor):
    agents.publish("hall", BYE, by=actor)
    body = {"function": "shout", "call_id": "c", "argument": {"parsed": [{}]}}
    assert Client(load_table()).post("/hall/swaig?__version=1", body).json == {"response": "GOOD BYE"}


def test_it_survives_the_snapshot(hall, tmp_path):
    file = SnapshotFile(tmp_path / "snapshot.sqlite3", "here")
    file.write(RegistryChange.newest(), None, read_records(None))
    kept = file.read()
    assert kept is not None
    assert says(Client(Loader().build(RoutingTable(), kept.revision, None, [kept.rows]))) == "hello"


def test_a_process_that_does_not_know_its_kind_serves_all_others(hall, fleet, monkeypatch):
    monkeypatch.delitem(KINDS, "echo")
    table = load_table()
    assert table.agents["hall"].agent.problem.startswith("its definition cannot be served")
    assert Client(table).get("/info").ai["prompt"]


# --- it is changed ---------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_it_is_said_by_field(actor):
    with pytest.raises(Malformed) as refused:
        agents.register("hall", "/hall", {"echo": {"says": ""}}, by=actor)
    assert refused.value.problems == {"echo.says": "must not be empty"}


def test_versions_drafts_and_restoring_know_no_kinds(hall, actor):
    assert not agents.publish("hall", HELLO, by=actor).changed
    versions.save_draft("hall", BYE, by=actor)
    assert says(Client(load_table())) == "hello"
    versions.publish_draft("hall", by=actor)
    assert says(Client(load_table())) == "good bye"
    versions.restore_version("hall", 1, by=actor)
    assert says(Client(load_table())) == "hello"
    with pytest.raises(Conflict, match="built here"):
        agents.reload("hall", by=actor)
    with pytest.raises(Conflict, match="no server"):
        agents.update_agent("hall", upstream=("u", "p"), by=actor)


def test_an_agent_changes_its_kind_and_back(hall, actor):
    agents.publish("hall", {"prompt": {"text": "I am a definition."}}, by=actor)
    assert (Agent.objects.get().kind, says(Client(load_table()))) == ("stored", "I am a definition.")
    versions.restore_version("hall", 1, by=actor)
    assert (Agent.objects.get().kind, says(Client(load_table()))) == ("echo", "hello")


def test_who_may_not_have_code_run_is_refused_whatever_kind_runs_it(actor, monkeypatch):
    monkeypatch.setattr(EchoKind, "runs_code", True)
    with pytest.raises(Forbidden, match="a Echo agent runs code"):
        agents.register("hall", "/hall", HELLO, by=actor)


def test_a_variable_that_is_not_for_agents_is_refused_whatever_kind_names_it(actor, monkeypatch):
    monkeypatch.setattr(EchoSource, "variables", lambda _source: {"echo.says": "DATABASE_URL"})
    with pytest.raises(Malformed, match="DATABASE_URL is not for agents"):
        agents.register("hall", "/hall", HELLO, by=actor)


# --- what would happen -----------------------------------------------------------------------------------------------


def test_its_versions_are_previewed_and_its_functions_are_tried_like_those_that_are_built_here(hall, actor):
    agents.publish("hall", BYE, by=actor)
    found = preview("hall", "1", Call(), BASE)
    assert found.document["sections"]["main"][0]["ai"]["prompt"] == {"text": "hello"}
    version, request = rehearsal_of("hall", "shout", "1", {}, Call(), {}, BASE, NoWebhooks())
    assert (version.number, request.sub_path) == (1, "swaig")


def test_it_is_simulated_before_it_is_registered(monkeypatch):
    monkeypatch.setattr("registry.rehearsal.candidate.table_of", lambda _stage: RoutingTable())
    would = simulate("hall", "/hall", [], ECHO.read(HELLO), None, BASE)
    assert (would.by_path.outcome, would.document["version"], would.size > 0) == ("agent", "1.0.0", True)


# --- the doors -------------------------------------------------------------------------------------------------------


def test_it_comes_by_a_file_of_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    file, out = tmp_path / "hall.yaml", StringIO()
    file.write_text("echo:\n  says: hello\n")
    call_command("register", "hall", "--route", "/hall", "--file", str(file), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["kind"], told["source"], told["found"]) == ("echo", HELLO, None)
    credentials = told["credentials"]
    client = Client(load_table())
    assert client.get("/hall", auth=basic(credentials["user"], credentials["password"])).ai["prompt"]["text"] == "hello"


def test_it_comes_by_the_api_and_is_shown_there(api):
    assert api.post("/agents", {"name": "hall", "route": "/hall", **HELLO}).status_code == 201
    shown = api.get("/agents/hall").json()
    assert (shown["kind"], shown["echo"], shown["python"], shown["found"]) == ("echo", HELLO["echo"], None, None)
    assert [agent["name"] for agent in api.get("/agents?kind=echo").json()["items"]] == ["hall"]
    assert api("PUT", "/agents/hall/draft", BYE).status_code == 200
    version = api.get("/agents/hall/versions/2").json()
    assert (version["definition"], version["echo"]) == (None, BYE["echo"])
    document = api.get("/agents/hall/document?version=2").json()["document"]
    assert document["sections"]["main"][0]["ai"]["prompt"] == {"text": "good bye"}


def test_the_api_says_what_is_wrong_with_it(api):
    def refused(**body):
        answer = api.post("/agents", {"name": "hall", "route": "/hall", **body})
        assert answer.status_code == 422
        return answer.json()["problems"]

    assert refused(echo={"says": ""}) == {"body.echo.says": "must not be empty"}
    assert list(refused(echo={"says": "x", "louder": 1})) == ["body.echo.louder"]
    assert (
        refused(echo={"says": "x"}, definition={})["body"] == "give one of `definition`, `python`, `remote` and `echo`"
    )


def test_the_description_of_the_api_has_it(api):
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["AgentOut"]["properties"]["kind"]["enum"] == ["stored", "python", "remote", "echo"]
    assert schemas["Registration"]["properties"]["echo"]["description"] == ECHO.body_help
    assert schemas["EchoIn"]["required"] == ["says"]


def test_it_is_exported_and_applied_again(hall, actor):
    document = export_fleet()
    assert "    echo:\n      says: hello\n" in document
    trash.unregister_agent("hall", by=actor)
    plan = make_plan(document)
    assert [(step.agent, step.action) for step in plan.steps] == [("hall", "add")]
    apply_plan(document, by=actor)
    assert (export_fleet(), apply_plan(document, by=actor).changed) == (document, False)
    assert client_says_again() == "hello"


def client_says_again() -> str:
    return says(Client(load_table()))


def test_a_plan_tells_what_changes_in_it(hall, actor):
    document = export_fleet().replace("hello", "good bye")
    (step,) = make_plan(document).steps
    assert [(each.path, each.before, each.after) for each in step.differences] == [("echo.says", "hello", "good bye")]
    apply_plan(document, by=actor)
    assert (client_says_again(), AgentVersion.objects.count()) == ("good bye", 2)


def test_a_document_says_what_is_wrong_with_it():
    def problems(what: str) -> dict[str, str]:
        text = f"switchboard: 1\nagents:\n  hall:\n    routes: {{/hall: {{}}}}\n{what}"
        try:
            return dict(make_plan(text).problems)
        except Malformed as error:
            return dict(error.problems)

    assert problems("    echo: {says: ''}\n") == {"agents.hall.echo.says": "must not be empty"}
    beside = problems("    echo: {says: hello}\n    definition: {prompt: {text: hello}}\n")
    assert list(beside) == ["agents.hall.echo"]
    assert "one of definition, python, remote and echo" in beside["agents.hall.echo"]
    inside = problems("    definition: {echo: {says: hello}}\n")
    assert inside == {"agents.hall.definition": "must not have echo in it: echo stands instead of definition"}
    assert list(problems("    echo: {says: hello}\n    upstream: env:AGENT_SECRET_X_UPSTREAM\n")) == [
        "agents.hall.upstream"
    ]
