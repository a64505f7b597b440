"""Python and remote agents through the API; what is found of them is pretended."""

import logging

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from agents.sources import Found
from registry.heartbeats import Heart
from tests.registry.api.conftest import PUMP, Asker
from tests.registry.pretending import Pretended, pretend

pytestmark = pytest.mark.django_db
CLASS = {"class": "fleet.sales:Sales", "arguments": {"greeting": "Hello"}}
SERVER = {"url": "http://host.example:3000/sales", "user": "them", "password": "top-secret-of-theirs"}
WITHOUT = {"url": SERVER["url"]}


@pytest.fixture
def pretended(monkeypatch) -> Pretended:
    return pretend(monkeypatch)


@pytest.fixture
def admin(token, pretended) -> Asker:
    return Asker(token("admin"))


def register(asker, name="sales", **source):
    return asker.post("/agents", {"name": name, "route": f"/{name}", **source})


def test_a_python_agent_is_registered_and_shown_with_what_was_found(admin, look):
    assert register(admin, python=CLASS).status_code == 201
    agent = look.get("/agents/sales").json()
    assert (agent["kind"], agent["python"], agent["remote"], agent["upstream"]) == ("python", CLASS, None, None)
    assert agent["found"]["functions"]["get_price"]["description"] == "A price"
    assert agent["trouble"] is None
    assert [found["name"] for found in look.get("/agents?kind=python").json()["items"]] == ["sales"]
    assert look.get("/agents?kind=remote").json()["items"] == []
    version = look.get("/agents/sales/versions/1").json()
    assert (version["definition"], version["python"], set(version["found"])) == (None, CLASS, set(agent["found"]))


def test_secrets_of_its_own_code_are_named_and_not_shown(admin, pretended):
    pretended.credentials = "me:top-secret"
    made = register(admin, python=CLASS)
    assert (made.json()["of_code"], made.json()["credentials"]) == (["credentials"], None)
    assert "top-secret" not in made.content.decode()


def test_one_agent_of_a_script(admin, look):
    script = {"script": "fleet/all.py", "route": "/sales"}
    assert register(admin, python=script).status_code == 201
    assert look.get("/agents/sales").json()["python"] == script


def test_what_is_shown_can_be_sent_back(admin, look):
    register(admin, python=CLASS)
    admin.post("/agents/sales/reload", {"force": True})
    shown = look.get("/agents/sales").json()["python"]
    assert register(admin, "other", python=shown).status_code == 201


def test_a_python_agent_needs_an_admin(ask, admin, pretended):
    for answer in (register(ask, python=CLASS), ask.post("/agents/sales/versions", {"python": CLASS})):
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
        assert "only an Admin" in answer.json()["detail"]
    assert pretended.asked == []
    register(admin, python=CLASS)
    assert ask.post("/agents/sales/reload").status_code == 403
    assert ask("PUT", "/agents/sales/draft", {"python": CLASS}).status_code == 403


def test_a_remote_agent_shows_no_credentials_anywhere(ask, look, pretended, caplog):
    caplog.set_level(logging.DEBUG)
    made = register(ask, remote={**SERVER, "seconds": 20})
    assert made.status_code == 201
    assert pretended.asked[0][1] == ("them", SERVER["password"])
    agent = look.get("/agents/sales").json()
    assert (agent["kind"], agent["upstream"]) == ("remote", "own")
    assert agent["remote"] == {"url": SERVER["url"], "seconds": 20}
    everything = [made, look.get("/agents/sales"), look.get("/agents/sales/versions/1"), look.get("/audit")]
    texts = [answer.content.decode() for answer in everything] + [caplog.text]
    with connection.cursor() as cursor:
        cursor.execute("SELECT definition::text FROM agents_agentversion UNION SELECT upstream FROM agents_agent")
        texts += [text for (text,) in cursor.fetchall()]
    assert not [text for text in texts if "top-secret" in text or "them" in text]


def test_credentials_of_a_server_are_changed_and_taken_away(ask, look, pretended):
    register(ask, remote=SERVER)
    tag = look.get("/agents/sales")["ETag"]
    changed = ask("PATCH", "/agents/sales", {"upstream": {"user": "they", "password": "other"}})
    assert changed.json()["changed"] is True
    assert (Agent.objects.get().upstream, changed["ETag"] != tag) == ("they:other", True)
    assert ask("PATCH", "/agents/sales", {"title": "Sales"}).status_code == 200
    assert Agent.objects.get().upstream == "they:other"
    assert ask("PATCH", "/agents/sales", {"upstream": None}).json()["changed"] is True
    assert look.get("/agents/sales").json()["upstream"] == "none"
    notes = [row["note"] for row in look.get("/audit?agent=sales").json()["items"]]
    assert notes.count("credentials of its server") == 2


def test_only_remote_agents_have_a_server(pumps, admin):
    answer = pumps("PATCH", "/agents/pumps", {"upstream": {"user": "a", "password": "b"}})
    assert (answer.status_code, list(answer.json()["problems"])) == (409, ["body.upstream"])


def test_a_new_version_keeps_or_replaces_the_credentials_of_its_server(ask, pretended):
    register(ask, remote=SERVER)
    ask.post("/agents/sales/versions", {"remote": {**WITHOUT, "seconds": 9}})
    assert pretended.asked[-1][1] == ("them", SERVER["password"])
    refused = ask.post("/agents/sales/versions", {"remote": {"url": "http://elsewhere.example/"}})
    assert (refused.status_code, list(refused.json()["problems"])) == (422, ["body.remote.user"])
    assert "top-secret" not in refused.content.decode()
    taken = ask.post("/agents/sales/versions", {"remote": {"url": "http://elsewhere.example/", "user": None}})
    assert (taken.status_code, Agent.objects.get().upstream) == (201, "")
    draft = ask("PUT", "/agents/sales/draft", {"remote": {**WITHOUT, "user": "a", "password": "b"}})
    assert (draft.status_code, "no credentials of its own" in draft.json()["detail"]) == (422, True)


def test_a_server_inside_the_network_needs_an_admin(ask, admin):
    inside = {"url": "http://10.0.0.1/sales"}
    refused = register(ask, remote=inside)
    assert (refused.status_code, list(refused.json()["problems"])) == (422, ["body.remote.url"])
    assert register(admin, remote=inside).status_code == 201


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({}, "body"),
        ({"definition": PUMP, "python": CLASS}, "body"),
        ({"python": CLASS, "remote": WITHOUT}, "body"),
        ({"definition": {"python": CLASS}}, "body.definition"),
        ({"python": {"class": "no class"}}, "body.python.class"),
        ({"python": {"class": "a:B", "found": {}}}, "body.python.found"),
        ({"python": {"script": "x.py"}}, "body.python"),
        ({"python": {"class": "a:B", "arguments": []}}, "body.python.arguments"),
        ({"remote": {"url": "ftp://host"}}, "body.remote.url"),
        ({"remote": {"url": "http://me:top-secret@host"}}, "body.remote.url"),
        ({"remote": {**WITHOUT, "seconds": 1000}}, "body.remote.seconds"),
        ({"remote": {**WITHOUT, "user": "them"}}, "body.remote"),
        ({"remote": {**WITHOUT, "origins": []}}, "body.remote.origins"),
    ],
)
def test_what_is_wrong_is_said_by_field(admin, source, path):
    answer = register(admin, **source)
    assert (answer.status_code, list(answer.json()["problems"])) == (422, [path])
    assert "top-secret" not in answer.content.decode()
    assert Agent.objects.count() == 0


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"python": CLASS}, "body.python.class"),
        ({"python": {"script": "x.py", "route": "/x"}}, "body.python.script"),
        ({"remote": SERVER}, "body.remote.url"),
    ],
)
def test_what_cannot_be_used_is_said_by_field(admin, pretended, source, path):
    pretended.problem = "there is no module fleet in /agents"
    answer = register(admin, **source)
    assert (answer.status_code, answer.json()["problems"]) == (422, {path: pretended.problem})


def test_reload_makes_a_version_of_what_has_changed(admin, look, pretended):
    register(admin, python=CLASS)
    same = admin.post("/agents/sales/reload").json()
    assert (same["changed"], same["version"]) == (False, 1)
    pretended.code, pretended.found = "digest-2", Found(mcp=True)
    other = admin.post("/agents/sales/reload", {"force": False}).json()
    assert (other["changed"], other["version"]) == (True, 2)
    assert look.get("/agents/sales").json()["found"]["mcp"] is True
    assert admin.post("/agents/sales/reload", {"force": True}).json()["version"] == 3
    newest = look.get("/audit?agent=sales&what=agent").json()["items"][0]
    assert (newest["note"], newest["changes"]) == ("reloaded", {"live_version": {"before": 2, "after": 3}})


def test_a_definition_cannot_be_reloaded(pumps):
    assert pumps.post("/agents/pumps/reload").status_code == 409
    assert pumps.post("/agents/nobody/reload").status_code == 404


def test_a_draft_may_be_of_another_kind(admin, pumps, look):
    assert admin("PUT", "/agents/pumps/draft", {"python": CLASS}).status_code == 200
    draft = look.get("/agents/pumps/draft").json()
    assert (draft["definition"], draft["python"]) == (None, CLASS)
    assert admin.post("/agents/pumps/publish").json()["changed"] is True
    assert look.get("/agents/pumps").json()["kind"] == "python"


def test_trouble_is_told_of_one_and_in_the_list(admin, look, pumps):
    register(admin, python=CLASS)
    trouble = {"state": "down", "detail": "it ends at once", "since": 1000.0}
    Heart("one", timezone.now(), 1).beat(1, 0, "", {"sales": trouble})
    told = {**trouble, "since": "1970-01-01T00:16:40+00:00", "workers": 1, "of": 1}
    assert look.get("/agents/sales").json()["trouble"] == told
    assert [agent["trouble"] for agent in look.get("/agents").json()["items"]] == [None, told]


def test_secrets_among_arguments_are_warned_of(admin):
    made = register(admin, python={"class": "a:B", "arguments": {"api_key": "x", "rate": 2}}).json()
    (warning,) = [warning for warning in made["warnings"] if "api_key" in warning]
    assert "kept in the clear" in warning


def test_registered_with_its_kind_from_the_first_audit_row_on(admin, actor):
    register(admin, python=CLASS)
    rows = [row for row in admin.get("/audit?agent=sales").json()["items"] if row["what"] == "agent"]
    assert rows[-1]["changes"]["kind"] == {"before": None, "after": "python"}
    assert "kind" not in rows[0]["changes"]
