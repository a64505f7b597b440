"""A script for the AgentServer: what it registers becomes Python agents; each for itself, and once."""

import pytest

from agents.errors import UnusableSource
from agents.models import Agent
from registry.actions import agents
from registry.adopting import Wishes, adopt_script
from registry.base.errors import Forbidden, Malformed
from registry.models import RegistryChange, SipMapping
from tests.registry.adopting.conftest import ADMIN, OPERATOR, PROMPT, agent_at, by_original, states

pytestmark = pytest.mark.django_db


def test_every_agent_of_a_script_becomes_a_python_agent(folder, script):
    script(
        agent_at("/clinic/booking", "Booking Desk", sip=["appointments"]),
        agent_at("/slow", "slow"),
        agent_at("/Mixed-Case_9", "slow"),
        agent_at("/api", "reserved"),
        not_served=["custom route GET /get_token"],
        auto_sip=False,
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
    assert list(SipMapping.objects.values_list("username", "source")) == [("appointments", "manual")]
    assert report.not_served == ["custom route GET /get_token"]


def test_a_script_twice_changes_nothing_until_its_code_does(folder, script):
    script(agent_at("/a", "a"), agent_at("/", "b"))
    adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    before = RegistryChange.newest()
    report = adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
    assert states(report) == {"/a": "skipped", "/": "skipped"}
    script(agent_at("/a", "a", code="2"), agent_at("/", "b"), agent_at("/c", "c"))
    report = adopt_script(str(folder / "fleet.py"), Wishes(dry_run=True), by=ADMIN)
    assert states(report) == {"/a": "skipped", "/": "skipped", "/c": "register"}
    assert "`reload a`" in by_original(report)["/a"].reason
    assert RegistryChange.newest() == before
    report = adopt_script(str(folder / "fleet.py"), Wishes(update=True, only=("/a",)), by=ADMIN)
    assert states(report) == {"/a": "updated"}
    assert Agent.objects.get(name="a").live.definition["python"]["code"] == "2"


def test_a_chosen_sip_name_wins_over_one_that_another_got_by_itself(folder, script, actor):
    agents.register("lobby", "/lobby", PROMPT, sip=["reception"], by=actor)
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

    monkeypatch.setattr("registry.adopting.scripts.inspect_script", fail)
    with pytest.raises(Malformed, match="no module named 'pumps'"):
        adopt_script(str(folder / "fleet.py"), Wishes(), by=ADMIN)
