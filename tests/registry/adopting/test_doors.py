"""The ways in to adopting: the command and the API."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from registry.actions import agents
from tests.registry.adopting.conftest import ADMIN, PROMPT, agent_at
from tests.registry.api.conftest import Asker, ask, token  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)


def run(*arguments: str, code: int = 0) -> str:
    """What the command prints."""
    out = StringIO()
    if code == 0:
        call_command("adopt", *arguments, stdout=out)
    else:
        with pytest.raises(SystemExit, match=str(code)):
            call_command("adopt", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    return str(refusal.value)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_shows_then_does_then_does_nothing(elsewhere, monkeypatch):
    monkeypatch.setenv("OLD_PASSWORD", "p")
    url = elsewhere("/sales", "/help").url
    options = (url, "--user", "u", "--password", "env:OLD_PASSWORD")
    plan = run(*options, "--dry-run")
    assert f"{url} has 2 agents." in plan
    assert "/sales would be sales at /sales: 1 function (ask)" in plan
    assert "Not served here: routes of its own on server.app" in plan
    assert plan.endswith("Register 2.\n")
    assert not Agent.objects.exists()
    done = run(*options)
    user, _, password = Agent.objects.get(name="help").credentials.partition(":")
    assert "/help is help at /help: 1 function (ask); SIP names help" in done
    assert f"Credentials, shown this once: user {user} password {password}" in done
    assert "Registered 2.\n" in done
    assert Agent.objects.get(name="help").upstream == "u:p"
    assert "Skipped 2." in run(*options)


def test_the_command_fails_if_anything_was_refused(elsewhere):
    agents.register("sales", "/sales", PROMPT, by=ADMIN)
    said = run(elsewhere("/sales", "/bad\x1b[31m", "/help").url, code=1)
    assert "/sales refused: the name 'sales' is taken" in said
    assert "\x1b" not in said
    assert "Registered 1, refused 2." in said


def test_a_server_without_agents_is_left_alone(elsewhere):
    url = elsewhere(health={"status": "ok", "agents": 0, "routes": []}).url
    assert run(url) == f"{url} has 0 agents.\nNothing to adopt.\n"


def test_the_command_prints_json(elsewhere):
    url = elsewhere("/sales").url
    printed = json.loads(run(url, "--json", "--no-auto-sip", "--note", "moved"))
    agent = printed["agents"][0]
    assert agent["credentials"]["user"] == "signalwire"
    assert printed == {
        "origin": url,
        "dry_run": False,
        "agents": [
            {
                "original": "/sales", "route": "/sales", "agent": "sales", "state": "registered", "reason": "",
                "functions": ["ask"], "not_served": [], "version": 1, "sip": [], "sip_skipped": {}, "warnings": [],
                "credentials": agent["credentials"],
            }
        ],
        "totals": {"registered": 1, "updated": 0, "skipped": 0, "refused": 0},
        "not_served": printed["not_served"],
        "notes": printed["notes"],
        "revision": printed["revision"],
        "workers": 0,
        "everywhere": True,
    }  # fmt: skip
    assert Agent.objects.get().live.note == "moved"


def test_the_command_adopts_a_script(folder, script):
    script(agent_at("/sales", "Sales Desk", sip=["shop"]), not_served=["static files of /web at /"])
    said = run(str(folder / "fleet.py"))
    assert "/sales is sales-desk at /sales: 1 function (ask); SIP names shop, sales-desk, salesdesk, sales" in said
    assert "Not served here: static files of /web at /" in said
    assert "a process of its own" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("127.0.0.1:3000",), "write http:// or https://"),
        (("one.py", "two.py"), "name one script"),
        (("http://127.0.0.1:1", "two.py"), "name one script"),
        (("http://127.0.0.1:1", "--user", "u"), "go together"),
        (("one.py", "--user", "u", "--password", "p"), "for a server's URL"),
        (("http://127.0.0.1:1", "--user", "u", "--password", "env:NOT_THERE"), "no variable NOT_THERE"),
    ],
)
def test_the_command_says_what_it_needs(arguments, said):
    assert said in refused(*arguments)


# --- the API ---------------------------------------------------------------------------------------------------------


def adopt(asker: Asker, **body: Any) -> Any:
    return asker.post("/adopt", body)


def test_an_operator_adopts_what_the_settings_allow(elsewhere, settings, ask):  # noqa: F811
    url = elsewhere("/sales", "/help").url
    answer = adopt(ask, url=url)
    assert answer.status_code == 403
    assert "an Admin may adopt" in answer.json()["detail"]
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    plan = adopt(ask, url=url, dry_run=True, user="u", password="p").json()
    assert {agent["state"] for agent in plan["agents"]} == {"register"}
    assert not Agent.objects.exists()
    done = adopt(ask, url=url, user="u", password="p", routes=["/help"], route_prefix="/old", note="moved").json()
    assert [(agent["agent"], agent["route"], agent["state"]) for agent in done["agents"]] == [
        ("help", "/old/help", "registered")
    ]
    assert done["agents"][0]["credentials"]["password"]
    agent = Agent.objects.get()
    assert (agent.upstream, agent.live.note) == ("u:p", "moved")
    assert adopt(ask, url=url, routes=["/help"]).json()["totals"]["skipped"] == 1


def test_an_admin_adopts_inside_the_network(elsewhere, token, probed):  # noqa: F811
    answer = adopt(Asker(token("admin")), url=elsewhere("/sales").url)
    assert answer.json()["totals"]["registered"] == 1
    assert probed[0][2] is True


def test_the_api_says_what_is_wrong(elsewhere, token):  # noqa: F811
    admin = Asker(token("admin"))
    assert adopt(admin, url="nowhere").status_code == 422
    assert adopt(admin, url="http://127.0.0.1:1", user="u").status_code == 422
    answer = adopt(admin, url=elsewhere(health={"status": "ok"}).url)
    assert answer.status_code == 422
    assert "is no AgentServer" in answer.json()["detail"]
