"""How the API treats tokens, sessions, too many requests, a database that is away, and paths that are none."""

import psycopg
import pytest
from django.db import OperationalError
from django.test import Client

from registry.api import agents as operations
from registry.api.api import api
from registry.models import ApiToken
from tests.registry.api.conftest import Asker, person

pytestmark = pytest.mark.django_db


def test_without_a_token_the_answer_says_how(db):
    answer = Asker().get("/agents")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="Switchboard"')
    assert "Authorization: Bearer" in answer.json()["detail"]
    assert Asker("Basic dTpw").get("/agents").status_code == 401


@pytest.mark.parametrize(
    ("state", "words"), [("revoked", "is revoked since"), ("expired", "is expired since"), ("unknown", "no such token")]
)
def test_a_token_that_is_no_good_says_why(token, state, words):
    text = token("admin", state) if state != "unknown" else f"Bearer swb_{'a' * 12}_{'0' * 48}"
    answer = Asker(text).get("/agents")
    assert answer.status_code == 401
    assert words in answer.json()["detail"]
    assert "swb_…" in Asker("Bearer nonsense").get("/agents").json()["detail"]


def test_the_secret_half_must_be_right(token):
    text = token("admin")
    assert Asker(text).get("/me").json()["level"] == "admin"
    assert Asker(text[:-1] + ("0" if text[-1] != "0" else "1")).get("/me").status_code == 401


def test_revoked_is_so_with_the_next_request(token, ask):
    admin = Asker(token("admin"))
    key = ask.get("/me").json()["token"]
    assert admin("DELETE", f"/tokens/{key}").json()["state"] == "revoked"
    assert ask.get("/me").status_code == 401
    assert admin("DELETE", f"/tokens/{key}").status_code == 200
    assert admin("DELETE", "/tokens/swb_nobody").status_code == 404


def test_a_token_is_shown_once(token):
    admin = Asker(token("admin"))
    made = admin.post("/tokens", {"name": "ci", "scope": "read", "days": None})
    text = made.json()["token"]
    assert made["Cache-Control"] == "no-store"
    assert Asker(f"Bearer {text}").get("/me").json() == {
        "name": "ci",
        "level": "read",
        "token": made.json()["key"],
    }
    listed = admin.get("/tokens").content.decode()
    assert text not in listed
    assert text.rpartition("_")[2] not in listed
    assert ApiToken.objects.get(name="ci").digest not in listed
    assert admin.post("/tokens", {"name": "", "scope": "read"}).status_code == 422
    assert admin.post("/tokens", {"name": "x", "scope": "root"}).status_code == 422


def test_too_many_requests_wait(token, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    busy, other = Asker(token("read")), Asker(token("read"))
    assert [busy.get("/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = busy.get("/me")
    assert answer["Retry-After"] == "20"
    assert answer["Content-Type"] == "application/problem+json"
    assert other.get("/me").status_code == 200


def test_a_session_needs_the_csrf_token_for_changes(db):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(person("olga", "Operator"))
    signed_in = Asker(client=client)
    assert signed_in.get("/me").json() == {"name": "olga", "level": "operate", "token": ""}
    answer = signed_in.post("/agents/x/pause")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    client.cookies["csrftoken"] = "a" * 32
    assert signed_in("POST", "/agents/x/pause", **{"X-CSRFToken": "a" * 32}).status_code == 404


def test_a_wrong_token_is_not_mended_by_a_session(db):
    client = Client()
    client.force_login(person("olga", "Operator"))
    assert Asker("Bearer nonsense", client).get("/me").status_code == 401


def test_what_is_nothing_is_a_problem_too(look):
    for path in ("/nothing", "/agents/x/versions/abc", "/events/not-a-uuid"):
        answer = look.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    answer = look("PUT", "/agents")
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    assert answer["Cache-Control"] == "no-store"


def test_a_database_that_is_away_is_said(look, monkeypatch):
    def away(*_):
        raise OperationalError("connection refused") from psycopg.OperationalError("connection refused")

    monkeypatch.setattr(operations, "described_agents", away)
    answer = look.get("/agents")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "calls are answered" in answer.json()["detail"]


def test_an_error_of_ours_tells_nothing_of_itself(look, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("the inside of it")

    monkeypatch.setattr(operations, "described_agents", broken)
    answer = look.get("/agents")
    assert answer.status_code == 500
    assert "inside" not in answer.content.decode()
    assert "the inside of it" in caplog.text
    caplog.clear()


def test_the_tokens_that_a_token_makes_have_its_owner(token, db):
    boss = person("boss", "Admin")
    made = Asker(token("admin", owner=boss)).post("/tokens", {"name": "child", "scope": "admin", "days": None}).json()
    assert made["owner"] == "boss"
    child = Asker(f"Bearer {made['token']}")
    assert child.get("/me").json() == {"name": "boss", "level": "admin", "token": made["key"]}
    boss.is_active = False
    boss.save()
    assert child.get("/me").status_code == 401


def test_the_descriptions_are_made_once(db):
    first = Asker().get("/openapi.json").content
    assert api.get_openapi_schema() is api.get_openapi_schema()
    assert Asker().get("/openapi.json").content == first
