import io
import json
import sys
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent, AgentVersion
from registry.actions import agents as agent_actions
from registry.base.text import safe
from registry.fleet import export_fleet
from registry.fleet.lines import cut, difference_line
from registry.fleet.plan import Difference
from registry.management.commands import apply as apply_command
from registry.models import Route
from tests.registry.fleet.conftest import everything

pytestmark = pytest.mark.django_db
DOCUMENT = """
switchboard: 1
agents:
  sales: {routes: {/sales: {auto_sip: true}}, definition: {prompt: {text: I sell.}}}
  billing: {routes: {/billing: {}}, definition: {prompt: {text: I bill.}}}
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)


@pytest.fixture
def run():
    """Run a command; give its exit code and what it printed."""

    def run(*arguments):
        out, code = io.StringIO(), 0
        try:
            call_command(*[str(argument) for argument in arguments], stdout=out, stderr=out)
        except SystemExit as ended:
            code = ended.code
        except CommandError as refusal:
            return refusal.returncode, str(refusal)
        return code, out.getvalue()

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(DOCUMENT)
    return path


@pytest.fixture
def terminal(monkeypatch):
    """A terminal at which somebody types this."""

    def terminal(answer):
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda _question: answer)

    return terminal


def test_the_plan_is_shown_and_applied_when_somebody_says_so(run, file, terminal):
    terminal("no")
    code, text = run("apply", file)
    assert code == 1
    assert text.splitlines()[:3] == [
        "+ billing  /billing",
        "+ sales  /sales; SIP names sales",
        "Plan: 2 to add, 0 to change, 0 to remove, 0 unchanged.",
    ]
    assert "Nothing was changed." in text
    assert not Agent.objects.exists()
    terminal("y")
    code, text = run("apply", file, "--note", "from git")
    assert code == 0
    assert "Applied: 2 added, 0 changed, 0 removed." in text
    assert "Credentials of sales, shown this once: user signalwire password " in text
    assert "no worker is running" in text
    assert set(AgentVersion.objects.values_list("note", flat=True)) == {"from git"}
    assert run("apply", file) == (0, "Nothing to change.\n")


def test_without_a_terminal_somebody_must_have_said_yes(run, file, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    code, text = run("apply", file)
    assert (code, "--yes applies it" in text) == (1, True)
    assert not Agent.objects.exists()
    assert run("apply", file, "--yes")[0] == 0
    assert Agent.objects.count() == 2


def test_a_dry_run_says_by_its_exit_code_whether_there_is_anything_to_do(run, file):
    before = everything()
    code, text = run("apply", file, "--dry-run")
    assert (code, "Plan: 2 to add" in text) == (5, True)
    assert everything() == before
    run("apply", file, "--yes")
    assert run("apply", file, "--dry-run") == (0, "Nothing to change.\n")
    code, text = run("apply", file, "--dry-run", "--yes")
    assert code == 2


def test_it_prints_json(run, file):
    code, text = run("apply", file, "--dry-run", "--json")
    printed = json.loads(text)
    assert (code, printed["changed"], printed["plan"]["totals"]["add"]) == (5, False, 2)
    code, text = run("apply", file, "--yes", "--json")
    printed = json.loads(text)
    assert (code, printed["changed"], printed["everywhere"], set(printed["credentials"])) == (
        0,
        True,
        True,
        {"sales", "billing"},
    )


def test_removals_are_asked_for(run, file, register):
    register("old", sip=["hotline"])
    assert "1 not in the document and kept (--remove removes them)" in run("apply", file, "--yes")[1]
    code, text = run("apply", file, "--yes", "--remove")
    assert code == 0
    assert "- old  /old; nobody has the SIP names hotline any more" in text
    assert Agent.objects.get(name="old").state == "trashed"


def test_problems_are_told_with_their_paths(run, file, register):
    file.write_text(DOCUMENT.replace("{text: I bill.}", "{txt: x}"))
    code, text = run("apply", file, "--yes")
    assert (code, "agents.billing.definition.prompt" in text) == (1, True)
    code, text = run("apply", file, "--yes", "--json")
    assert any("agents.billing.definition" in path for path in json.loads(text)["problems"])
    file.write_text("switchboard: 3\n")
    assert f"{file} has problems:\n  switchboard: must be 1" in run("apply", file)[1]
    assert "cannot be read" in run("apply", file.with_name("none.yaml"))[1]


def test_what_somebody_else_changes_meanwhile_is_not_overwritten(run, file, terminal, monkeypatch, actor):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def answer(_question):
        agent_actions.register("meanwhile", "/meanwhile", {"prompt": {"text": "x"}}, by=actor)
        return "y"

    monkeypatch.setattr("builtins.input", answer)
    code, text = run("apply", file)
    assert (code, "make it again" in text) == (1, True)
    assert Agent.objects.get().name == "meanwhile"


def test_the_fleets_credentials_of_this_environment_are_a_warning(run, file, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    assert "the fleet's credentials of this command's environment" in run("apply", file, "--yes")[1]


def test_the_document_may_come_from_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(DOCUMENT.encode()), isatty=lambda: False))
    assert run("apply", "-", "--yes")[0] == 0
    assert Route.objects.count() == 2
    assert "nothing on standard input" in run("apply", "-", "--yes", "--remove")[1]
    assert Route.objects.count() == 2


def test_long_work_shows_how_far_it_is_on_a_terminal(run, tmp_path, monkeypatch):
    errors = io.StringIO()
    errors.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", errors)
    agents = {f"a{n}": {"routes": {f"/a{n}": {}}, "definition": {"prompt": {"text": "x"}}} for n in range(60)}
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps({"switchboard": 1, "agents": agents}))
    assert run("apply", path, "--yes")[0] == 0
    assert "\rchecked 50 of 60" in errors.getvalue()
    assert "\rwritten 60 of 60\r" in errors.getvalue()


def test_the_fleet_is_exported_whole_or_not_at_all(run, file, tmp_path, monkeypatch):
    run("apply", file, "--yes")
    assert run("export") == (0, export_fleet())
    assert run("export", "-") == (0, export_fleet())
    path = tmp_path / "out.yaml"
    assert run("export", path) == (0, f"2 agents are in {path}.\n")
    assert path.read_text() == export_fleet()
    assert run("apply", path) == (0, "Nothing to change.\n")
    code, text = run("export", "--json")
    path.write_text(text)
    assert run("apply", path) == (0, "Nothing to change.\n")
    assert json.loads(run("export", path, "--json")[1])["agents"] == 2
    code, text = run("export", tmp_path / "none" / "out.yaml")
    assert (code, "cannot be written" in text) == (1, True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["fleet.yaml", "out.yaml"]


def test_what_is_left_out_of_an_export_is_said(run, file):
    run("apply", file, "--yes")
    Agent.objects.filter(name="billing").update(live=None)
    _, text = run("export")
    assert "Left out: billing, which has no live version" in text


def test_long_values_are_shown_where_they_differ_and_obey_no_terminal_code():
    line = difference_line(Difference("x", "a" * 500 + "b", "a" * 500 + "c\x9b31m"))
    assert "aaab" in line
    assert "aaac\\u009b31m" in line
    assert len(line) < 100
    assert difference_line(Difference("x\x1b[0m", [1], {"a": None})) == 'x\\u001b[0m: [1] → {"a": null}'
    assert safe("\u202e") == "\\u202e"
    assert cut("a" * 100, 0) == "a" * 60 + "…"
    assert apply_command.EVERY < 60
