"""Registering, looking at, changing and unregistering agents through the API."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.base.errors import Malformed
from registry.fleet.document import UPLOAD_MARKS
from registry.heartbeats import Everywhere, Heart
from registry.models import RegistryChange, Route, SipMapping
from registry.rehearsal.rehearsal import Call, rehearsal_of
from tests.agents.building import NoWebhooks
from tests.client import Client, basic, load_table
from tests.registry.api.conftest import PUMP

pytestmark = pytest.mark.django_db


def test_one_post_registers(pumps, look):
    agent = look.get("/agents/pumps").json()
    assert agent["state"] == "serving"
    assert agent["live_version"] == 1
    assert [route["path"] for route in agent["routes"]] == ["/pumps"]
    assert {name["username"]: name["source"] for name in agent["routes"][0]["sip"]} == {
        "pump-sales": "manual",
        "pumps": "auto",
    }
    assert load_table().sip["pump-sales"].path == "/pumps"


def test_credentials_are_shown_once(ask, look):
    made = ask.post("/agents", {"name": "x", "route": "/x", "definition": PUMP}).json()
    user, password = made["credentials"].values()
    assert len(password) > 20
    assert Client(load_table()).get("/x", auth=None).status == 401
    assert password not in look.get("/agents/x").content.decode()
    assert ask.post("/agents/x/credentials").json() == {"user": user, "password": password}
    assert look.post("/agents/x/credentials").status_code == 403


def test_what_is_wrong_is_said_by_field(ask):
    answer = ask.post("/agents", {"name": "x", "rout": "/x", "definition": {}})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["problems"] == {
        "body.route": "Field required",
        "body.rout": "Extra inputs are not permitted",
    }
    answer = ask.post("/agents", {"name": "x", "route": "/x", "definition": {"prompt": {"text": 7}}})
    assert (answer.status_code, list(answer.json()["problems"])) == (422, ["body.definition.prompt.text"])
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
    ],
)
def test_a_body_that_is_none_is_a_problem(ask, raw, content_type, status):
    answer = ask("POST", "/agents", raw=raw, content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_a_character_that_cannot_be_stored_is_a_problem(ask):
    definition = {"prompt": {"text": "a\0b"}}
    assert ask.post("/agents", {"name": "x", "route": "/x", "definition": definition}).status_code == 422
    assert ask.post("/agents", {"name": "x", "route": "/x", "definition": PUMP, "note": "\0"}).status_code == 422
    assert ask.get("/agents/%00").status_code == 404


def test_a_taken_route_or_name_names_its_owner(pumps):
    answer = pumps.post("/agents", {"name": "other", "route": "/pumps", "definition": PUMP})
    assert (answer.status_code, answer.json()["detail"]) == (409, "route /pumps is taken by agent pumps")
    answer = pumps.post("/agents", {"name": "other", "route": "/other", "definition": PUMP, "sip": ["pump-sales"]})
    assert answer.status_code == 409
    assert "pumps" in answer.json()["detail"]
    assert Agent.objects.count() == 1


def test_an_edit_with_an_old_tag_is_refused(pumps, look):
    tag = look.get("/agents/pumps")["ETag"]
    first = pumps("PATCH", "/agents/pumps", {"title": "Pumps"}, **{"If-Match": tag})
    assert first.status_code == 200
    second = pumps("PATCH", "/agents/pumps", {"title": "Wells"}, **{"If-Match": tag})
    assert second.status_code == 412
    assert pumps("PATCH", "/agents/pumps", {"title": "Wells"}, **{"If-Match": first["ETag"]}).status_code == 200
    assert pumps("PATCH", "/agents/pumps", {"title": "Any"}, **{"If-Match": "*"}).status_code == 200
    assert pumps("PATCH", "/agents/pumps", {"title": "X"}, **{"If-Match": "unquoted"}).status_code == 422
    assert look.get("/agents/pumps").json()["title"] == "Any"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/agents/pumps", None),
        ("POST", "/agents/pumps/versions", {"definition": PUMP}),
        ("POST", "/agents/pumps/restore", {"version": 1}),
        ("PUT", "/agents/pumps/draft", {"definition": PUMP}),
        ("DELETE", "/agents/pumps/draft", None),
        ("POST", "/agents/pumps/publish", None),
    ],
)
def test_every_edit_takes_a_tag(pumps, method, path, body):
    pumps("PUT", "/agents/pumps/draft", {"definition": {"prompt": {"text": "draft"}}})
    before = RegistryChange.newest()
    assert pumps(method, path, body, **{"If-Match": '"nonsense"'}).status_code == 412
    assert RegistryChange.newest() == before


def test_secrets_change_the_tag_and_are_not_shown(pumps, look):
    before = look.get("/agents/pumps")["ETag"]
    body = {"credentials": {"user": "u", "password": "very secret words"}, "signing_key": "PSK secret"}
    assert pumps("PATCH", "/agents/pumps", body).json()["changed"] is True
    after = look.get("/agents/pumps")
    assert after["ETag"] != before
    assert after.json()["signing_key"] == "own"
    assert "secret" not in after.content.decode()
    assert pumps("PATCH", "/agents/pumps", {"signing_key": None}).status_code == 200
    assert look.get("/agents/pumps").json()["signing_key"] == "none"
    assert pumps("PATCH", "/agents/pumps", {"credentials": None}).status_code == 409  # the fleet has none


def test_pause_and_resume(pumps, look):
    assert pumps.post("/agents/pumps/pause", {"message": "Back at nine."}).json()["changed"] is True
    assert look.get("/agents/pumps").json()["pause_message"] == "Back at nine."
    assert look.get("/agents/pumps/document").json()["state"] == "paused"
    assert pumps.post("/agents/pumps/pause").status_code == 200
    assert pumps.post("/agents/pumps/resume").json()["changed"] is True
    assert pumps.post("/agents/pumps/resume").json()["changed"] is False


def test_a_pause_that_ends_by_itself(pumps, look):
    until = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
    for given in (
        until.isoformat(),
        f"{until:%Y-%m-%dT%H:%M:%S}",
        until.astimezone(ZoneInfo("Asia/Tokyo")).isoformat(),
    ):
        assert pumps.post("/agents/pumps/pause", {"until": given}).status_code == 200
        assert datetime.fromisoformat(look.get("/agents/pumps").json()["paused_until"]) == until
    assert pumps.post("/agents/pumps/pause", {"minutes": 15}).status_code == 200
    end = datetime.fromisoformat(look.get("/agents/pumps").json()["paused_until"])
    assert timedelta(minutes=14) < end - timezone.now() <= timedelta(minutes=15)
    past, far = timezone.now() - timedelta(minutes=1), timezone.now() + timedelta(days=31)
    for wrong in (
        {"until": past.isoformat()}, {"until": far.isoformat()}, {"until": "0001-01-01T00:00:00+14:00"},
        {"until": "tomorrow"}, {"minutes": 0}, {"minutes": 43201}, {"minutes": 5, "until": until.isoformat()},
    ):  # fmt: skip
        assert pumps.post("/agents/pumps/pause", wrong).status_code in (400, 422), wrong
    assert pumps.post("/agents/pumps/resume").json()["changed"] is True
    assert look.get("/agents/pumps").json()["paused_until"] is None


def test_a_pause_that_is_over_is_none_whether_or_not_the_database_says_so_yet(pumps, look):
    pumps.post("/agents/pumps/pause", {"minutes": 15})
    assert len(look.get("/agents?state=paused").json()["items"]) == 1
    assert look.get("/agents?state=serving").json()["items"] == []
    Agent.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    told = look.get("/agents/pumps").json()
    assert (told["state"], told["pause_message"], told["paused_until"]) == ("serving", "", None)
    assert look.get("/agents?state=paused").json()["items"] == []
    (listed,) = look.get("/agents?state=serving").json()["items"]
    assert listed.items() <= told.items()
    assert look.get("/agents/pumps/document").json()["state"] == "serving"


def test_unregistered_means_gone_and_restored_means_all_of_it_is_back(pumps, look):
    pumps.post("/routes", {"path": "/wells", "agent": "pumps"})
    route = Route.objects.get(path="/wells")
    pumps("PATCH", f"/routes/{route.pk}", {"default": True})
    before = look.get("/agents/pumps").json()
    gone = pumps("DELETE", "/agents/pumps")
    assert sorted(gone.json()["sip"]) == ["pump-sales", "pumps", "wells"]
    assert load_table().routes == {}
    assert look.get("/agents").json()["items"] == []
    assert [agent["name"] for agent in look.get("/agents?state=trashed").json()["items"]] == ["pumps"]
    assert pumps("DELETE", "/agents/pumps").status_code == 404
    assert pumps.post("/agents/pumps/restore").status_code == 200
    after = look.get("/agents/pumps").json()
    for agent in (before, after):
        for one in agent["routes"]:
            del one["id"]
    assert after == before
    assert pumps.post("/agents/pumps/restore").status_code == 409


def test_restoring_where_somebody_else_is_now(pumps):
    pumps("DELETE", "/agents/pumps")
    body = {"name": "wells", "route": "/pumps", "definition": PUMP, "sip": ["pump-sales"]}
    assert pumps.post("/agents", body).status_code == 201
    answer = pumps.post("/agents/pumps/restore")
    assert (answer.status_code, answer.json()["detail"]) == (409, "route /pumps is taken by agent wells")
    pumps("PATCH", f"/routes/{Route.objects.get().pk}", {"enabled": False})
    pumps("DELETE", "/agents/wells")
    pumps.post("/agents", {"name": "third", "route": "/third", "definition": PUMP, "sip": ["pump-sales"]})
    assert pumps.post("/agents/pumps/restore").json()["sip_skipped"] == {"pump-sales": "third"}
    assert Agent.objects.get(name="pumps").state == "serving"


def test_drafts(pumps, look):
    assert look.get("/agents/pumps/draft").status_code == 404
    first = pumps("PUT", "/agents/pumps/draft", {"definition": {"prompt": {"text": "new"}}, "note": "why"})
    assert (first.status_code, first.json()["version"]) == (200, 2)
    draft = look.get("/agents/pumps/draft")
    assert draft["ETag"] == first["ETag"]
    assert draft.json()["definition"] == {"prompt": {"text": "new"}}
    assert pumps("PUT", "/agents/pumps/draft", {"definition": {"prompt": {"text": "new"}}}).json()["changed"] is False
    assert look.get("/agents/pumps/document?version=draft").json()["version"] == 2
    assert look.get("/agents/pumps").json()["live_version"] == 1
    assert pumps.post("/agents/pumps/publish").json()["version"] == 2
    assert look.get("/agents/pumps").json()["draft_version"] is None
    assert pumps.post("/agents/pumps/publish").status_code == 404
    pumps("PUT", "/agents/pumps/draft", {"definition": {"prompt": {"text": "newer"}}})
    assert pumps("DELETE", "/agents/pumps/draft").status_code == 200
    states = {version["number"]: version["state"] for version in look.get("/agents/pumps/versions").json()["items"]}
    assert states == {3: "unpublished", 2: "live", 1: "retired"}
    assert pumps.post("/agents/pumps/restore", {"version": 1}).json()["version"] == 4
    assert AgentVersion.objects.get(number=4).note == "restored from version 1"
    assert look.get("/agents/pumps/versions/4").json()["definition"] == PUMP
    assert look.get("/agents/pumps/versions/9999999999").status_code == 404


def test_a_draft_is_checked_as_a_registration_is(pumps):
    assert pumps("PUT", "/agents/pumps/draft", {"definition": {"prompt": {}, "nonsense": 1}}).status_code == 422
    assert AgentVersion.objects.count() == 1


def test_a_published_definition_that_is_live_already_makes_no_version(pumps):
    assert pumps.post("/agents/pumps/versions", {"definition": PUMP}).status_code == 200
    assert pumps.post("/agents/pumps/versions", {"definition": {"prompt": {"text": "x"}}}).status_code == 201
    assert AgentVersion.objects.count() == 2


def test_a_preview_shows_no_secret(ask, look, monkeypatch):
    monkeypatch.setenv("AGENT_SECRET_CRM", "the secret of the crm")
    definition = {
        **PUMP,
        "global_data": {"key": "env:AGENT_SECRET_CRM"},
        "post_prompt": {"text": "Summarise."},
    }
    made = ask.post("/agents", {"name": "x", "route": "/x", "definition": definition})
    text = look.get("/agents/x/document?caller=%2B1555&call_id=c").content.decode()
    assert "the secret" not in text
    assert made.json()["credentials"]["password"] not in text
    assert text.count("__token=***") == 3


def test_pages_go_on_where_they_ended(ask, look):
    for number in range(5):
        ask.post("/agents", {"name": f"a{number}", "route": f"/a{number}", "definition": PUMP})
    for path, key in [("/agents", "name"), ("/routes", "path"), ("/sip", "username")]:
        seen, after = [], ""
        while after is not None:
            page = look.get(f"{path}?limit=2&after={after}").json()
            seen += [item[key] for item in page["items"]]
            after = page["next"]
        assert len(seen) == len(set(seen)) == 5
    for after in ("nonsense", "WzFd", "W10", "%00", "WyJhXHUwMDAwIl0"):
        assert look.get(f"/agents?after={after}").status_code == 422
    assert look.get("/agents?limit=0").status_code == 422
    assert [agent["name"] for agent in look.get("/agents?q=A3").json()["items"]] == ["a3"]
    assert look.get("/agents?q=%25").json()["items"] == []


def test_tags_find_agents(pumps, look):
    pumps("PATCH", "/agents/pumps", {"tags": ["emea", "emea", " night "]})
    assert look.get("/agents?tag=night").json()["items"][0]["tags"] == ["emea", "night"]
    assert look.get("/agents?tag=apac").json()["items"] == []
    assert pumps("PATCH", "/agents/pumps", {"tags": [""]}).status_code == 422


def test_routes_and_names(pumps, look):
    made = pumps.post("/routes", {"path": "wells", "agent": "pumps", "sip": ["Well Desk"]})
    assert made.status_code == 422  # no SIP name has a space
    made = pumps.post("/routes", {"path": "wells", "agent": "pumps", "sip": ["sip:Well-Desk@example.com"]})
    assert (made.status_code, made.json()["sip"]) == (201, ["well-desk", "wells"])
    route = look("GET", made["Location"].removeprefix("/api/v1"))
    assert route["ETag"] == made["ETag"]
    path = f"/routes/{route.json()['id']}"
    assert pumps("PATCH", path, {"enabled": False}, **{"If-Match": route["ETag"]}).json()["changed"] is True
    assert pumps("PATCH", path, {"enabled": True}, **{"If-Match": route["ETag"]}).status_code == 412
    assert "/wells" not in load_table().routes
    assert pumps("DELETE", path, **{"If-Match": route["ETag"]}).status_code == 412
    assert pumps("DELETE", path).status_code == 200
    assert pumps("DELETE", path).status_code == 404
    assert pumps("DELETE", "/routes/99999999999999999999").status_code == 404
    assert pumps.post("/routes", {"path": "/pumps", "agent": "pumps"}).status_code == 409
    assert pumps.post("/routes", {"path": "/x", "agent": "nobody"}).status_code == 404

    assert pumps.post("/sip", {"username": "sip:Help-Desk@example.com", "route": "/pumps"}).status_code == 201
    assert pumps.post("/sip", {"username": "help-desk", "route": "/pumps"}).status_code == 200
    assert look.get("/sip?q=HELP").json()["items"][0]["route"] == "/pumps"
    assert pumps("DELETE", "/sip/help-desk").status_code == 200
    assert pumps("DELETE", "/sip/help-desk").status_code == 404
    assert not SipMapping.objects.filter(username="help-desk").exists()


def test_only_one_route_is_the_default(pumps, look):
    pumps.post("/routes", {"path": "/wells", "agent": "pumps"})
    first, second = Route.objects.order_by("pk")
    pumps("PATCH", f"/routes/{first.pk}", {"default": True})
    assert pumps("PATCH", f"/routes/{second.pk}", {"default": True}).json()["changed"] is True
    assert [route["default"] for route in look.get("/routes").json()["items"]] == [False, True]
    assert pumps("PATCH", f"/routes/{second.pk}", {"default": True}).json()["changed"] is False


@pytest.mark.django_db(transaction=True)
def test_the_dry_run_is_the_dispatchers_decision(pumps, look):
    decided = look.post("/decide", {"dialled": "sip:pump-sales@example.com"}).json()
    assert (decided["outcome"], decided["agent"], decided["version"]) == ("agent", "pumps", 1)
    assert decided["steps"][0] == {"rule": "sip", "detail": "pump-sales leads to /pumps", "ok": True}
    decided = look.post("/decide", {"dialled": "sip:nobody@example.com"}).json()
    assert (decided["outcome"], decided["agent"]) == ("not_found", None)
    assert decided["steps"][-1]["ok"] is False
    assert pumps.post("/sip", {"username": "+1-555-123-4567", "route": "/pumps"}).status_code == 201
    assert look.post("/decide", {"dialled": "tel:+1.555.123.4567"}).json()["agent"] == "pumps"
    decided = look.post("/decide", {"dialled": "sip:15551234567@example.com"}).json()
    assert decided["steps"][0]["detail"].endswith("; +15551234567, which leads to /pumps, may be the same number")
    assert look.post("/decide", {"path": "/pumps/swaig", "function": "price"}).json()["sub_path"] == "swaig"
    assert look.post("/decide", {"method": "PUT"}).status_code == 422


def test_waiting_says_who_is_behind(pumps, monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    Heart("there", timezone.now(), 1).beat(RegistryChange.newest() + 1, 0, "")
    Heart("late", timezone.now(), 2).beat(0, 0, "")
    everywhere = pumps.post("/agents/pumps/pause?wait=true").json()["everywhere"]
    assert (everywhere["workers"], everywhere["reached"], everywhere["done"]) == (2, 1, False)
    assert everywhere["behind"] == ["late/2"]


def test_a_restored_agent_has_credentials_or_is_not_restored(ask, look, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "the fleet's own"
    ask.post("/agents", {"name": "pumps", "route": "/pumps", "definition": PUMP})
    ask("DELETE", "/agents/pumps")
    settings.SWML_BASIC_AUTH_PASSWORD = ""
    made = ask.post("/agents/pumps/restore").json()["credentials"]
    assert Client(load_table()).get("/pumps", auth=basic(**made)).status == 200

    ask("DELETE", "/agents/pumps")
    kept = Agent.objects.annotate(kept=Cast("credentials", TextField())).get().kept
    key, settings.SECRET_KEY = settings.SECRET_KEY, "another key, whose owner is not here"
    answer = ask.post("/agents/pumps/restore")
    settings.SECRET_KEY = key
    assert (answer.status_code, "SECRET_KEY_FALLBACKS" in answer.json()["detail"]) == (409, True)
    assert Agent.objects.annotate(kept=Cast("credentials", TextField())).get().kept == kept


def test_a_change_has_the_tag_of_what_it_left(pumps, look):
    made = pumps.post("/agents", {"name": "wells", "route": "/wells", "definition": PUMP, "signing_key": "PSK"})
    assert made["ETag"] == look.get("/agents/wells")["ETag"]
    for method, path, body in [
        ("PATCH", "/agents/wells", {"title": "Wells", "tags": ["emea"], "signing_key": None}),
        ("POST", "/agents/wells/versions", {"definition": {"prompt": {"text": "x"}}}),
    ]:
        assert pumps(method, path, body)["ETag"] == look.get("/agents/wells")["ETag"]
    made = pumps.post("/routes", {"path": "/more", "agent": "wells"})
    path = made["Location"].removeprefix("/api/v1")
    assert made["ETag"] == look.get(path)["ETag"]
    assert pumps("PATCH", path, {"default": True})["ETag"] == look.get(path)["ETag"]


def test_the_tag_of_a_change_is_not_somebody_elses(pumps, look, monkeypatch):
    """Between a change and its answer, which may wait for the workers, another one comes."""

    def meanwhile(*_):
        Agent.objects.filter(name="pumps").update(title="by somebody else")
        return Everywhere(1, 1, 1)

    monkeypatch.setattr("registry.actions.transaction.wait_for", meanwhile)
    mine = pumps("PATCH", "/agents/pumps?wait=true", {"title": "mine"})
    again = pumps("PATCH", "/agents/pumps", {"title": "mine again"}, **{"If-Match": mine["ETag"]})
    assert again.status_code == 412
    assert look.get("/agents/pumps").json()["title"] == "by somebody else"


def test_what_is_not_there_meets_no_tag(pumps):
    assert pumps("PUT", "/agents/pumps/draft", {"definition": PUMP}, **{"If-Match": "*"}).status_code == 412
    pumps("DELETE", "/agents/pumps")
    assert pumps.post("/agents/pumps/restore", **{"If-Match": '"bogus"'}).status_code == 412
    assert pumps.post("/agents/pumps/restore").status_code == 200


def test_hostile_input_is_a_problem_and_no_error_of_ours(pumps):
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    forged = [base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=") for value in (
        ["\ud800"], ["2020-01-01T00:00:00", "\ud800", "1"], ["0001-01-01T00:00:00+23:59", "agent", "1"],
    )]  # fmt: skip
    for path in [
        "/agents?q=%00", "/agents?tag=%00", "/sip?q=%00", "/sip?agent=%00", "/routes?agent=%00",
        *(f"{place}?after={cursor}" for cursor in forged for place in ("/agents", "/sip", "/audit")),
    ]:  # fmt: skip
        assert pumps.get(path).status_code == 422, path
    assert pumps.post("/decide", {"at": "0001-01-01T00:00:00+23:00"}).status_code == 422
    for body in ({"arguments": {"a": deep}}, {"global_data": {"a": deep}}, {"global_data": {"a": "x" * 70_000}}):
        with pytest.raises(Malformed):
            rehearsal_of("pumps", "price", "live", body.get("arguments", {}), Call(), body, "http://x", NoWebhooks())
    raw = json.dumps({"switchboard": 1, "agents": {"\ud800": {}}}).encode()
    answer = pumps("POST", "/apply", raw=raw)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


def test_large_bodies_are_refused(pumps, settings):
    answer = pumps("POST", "/decide", raw=b'{"path": "' + b"x" * settings.MAX_BODY_BYTES + b'"}')
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")
    answer = pumps("POST", "/apply", raw=b"[" * (UPLOAD_MARKS + 1), content_type="application/yaml")
    assert (answer.status_code, "manage.py apply" in answer.json()["detail"]) == (413, True)
