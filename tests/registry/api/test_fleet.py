"""Fleet as code through the API."""

import pytest

from agents.models import Agent, AgentVersion
from registry.models import RegistryChange
from tests.registry.api.conftest import Asker

pytestmark = pytest.mark.django_db
WELLS = """
switchboard: 1
agents:
  wells:
    title: Wells
    routes:
      /wells: {sip: [well-desk]}
    definition:
      prompt: {text: You sell wells.}
"""


def apply(ask: Asker, text: str, query: str = "", content_type: str = "application/yaml"):
    return ask("POST", f"/apply{query}", raw=text.encode(), content_type=content_type)


def test_a_plan_then_exactly_that_then_nothing(pumps, look):
    before = RegistryChange.newest()
    plan = apply(pumps, WELLS, "?dry_run=true").json()
    assert plan["applied"] is False
    assert plan["plan"]["totals"] == {"add": 1, "change": 0, "remove": 0, "unchanged": 0, "kept": 1}
    assert RegistryChange.newest() == before

    done = apply(pumps, WELLS, f"?digest={plan['plan']['digest']}").json()
    assert done["applied"] is True
    assert done["credentials"]["wells"]["password"]
    assert look.get("/agents/wells").json()["title"] == "Wells"
    assert AgentVersion.objects.get(agent__name="wells").author == "operate token"
    assert look.get("/audit?agent=wells").json()["items"][0]["via"] == "api"

    assert apply(pumps, WELLS, f"?digest={plan['plan']['digest']}").status_code == 412
    revision = RegistryChange.newest()
    assert apply(pumps, WELLS).json()["applied"] is False
    assert RegistryChange.newest() == revision


def test_what_goes_goes_only_when_asked(pumps):
    plan = apply(pumps, WELLS, "?dry_run=true&remove=true").json()["plan"]
    assert [(step["agent"], step["action"]) for step in plan["steps"]] == [("pumps", "remove"), ("wells", "add")]
    apply(pumps, WELLS)
    assert Agent.objects.get(name="pumps").state == "serving"
    apply(pumps, WELLS, "?remove=true")
    assert Agent.objects.get(name="pumps").state == "trashed"


def test_an_export_applied_changes_nothing(pumps, look):
    exported = look.get("/export")
    assert exported["Content-Type"] == "application/yaml; charset=utf-8"
    text = exported.content.decode()
    plan = apply(pumps, text, "?dry_run=true&remove=true").json()["plan"]
    assert (plan["steps"], plan["totals"]["unchanged"]) == ([], 1)
    assert apply(pumps, text.replace("sell pumps", "rent pumps")).json()["plan"]["steps"][0]["differences"] == [
        {"path": "definition.prompt.text", "before": "You sell pumps.", "after": "You rent pumps."}
    ]


def test_what_is_wrong_is_said_by_path(pumps):
    for text, status in [("{", 422), ("[]", 422), ("switchboard: 1\nagents: {x: {rout: 1}}", 422), ("\0", 422)]:
        answer = apply(pumps, text)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), text
    answer = apply(pumps, WELLS.replace("/wells", "/pumps"))
    assert answer.status_code == 409
    assert any("agents.wells.routes" in path for path in answer.json()["problems"])
    assert apply(pumps, WELLS, content_type="image/png").status_code == 415
    assert apply(pumps, '{"switchboard": 1, "agents": {}}', content_type="application/json").status_code == 200
    assert not Agent.objects.filter(name="wells").exists()


def test_a_viewer_exports_and_applies_nothing(look):
    assert look.get("/export").status_code == 200
    assert apply(look, WELLS).status_code == 403
