"""Python and remote agents in fleet documents; what is found of them is pretended."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent, AgentVersion
from agents.sources import Found
from registry.actions import agents
from registry.actions.transaction import Actor
from registry.base.errors import Forbidden, Malformed, Outdated
from registry.fleet import apply_plan, export_fleet, make_plan, read_document
from registry.models import RegistryChange
from tests.registry.fleet.conftest import DEFINITION, everything
from tests.registry.pretending import Pretended, pretend

pytestmark = pytest.mark.django_db
BOTH = """switchboard: 1
agents:
  far:
    routes:
      /far: {}
    upstream: env:AGENT_SECRET_FAR_UPSTREAM
    remote:
      url: http://host.example/far
      seconds: 20.0
  sales:
    routes:
      /sales: {}
    python:
      class: fleet.sales:Sales
      arguments:
        greeting: Hello
"""


@pytest.fixture
def pretended(monkeypatch, settings) -> Pretended:
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    settings.SWML_BASIC_AUTH_PASSWORD = "of-the-fleet"
    monkeypatch.setenv("AGENT_SECRET_FAR_UPSTREAM", "them:top-secret")
    return pretend(monkeypatch)


@pytest.fixture
def admin(actor) -> Actor:
    return replace(actor, may_run_code=True)


@pytest.fixture
def applied(pretended, admin):
    return apply_plan(BOTH, by=admin)


def test_a_document_with_both_is_applied_and_exported_as_it_was(applied, pretended):
    assert export_fleet() == BOTH
    far, sales = Agent.objects.order_by("name")
    assert (far.kind, far.upstream, sales.kind) == ("remote", "them:top-secret", "python")
    assert [version.definition[version.agent.kind]["found"]["name"] for version in AgentVersion.objects.all()] == [
        "Sales", "Sales",
    ]  # fmt: skip
    assert pretended.asked[0][1] == ("them", "top-secret")


def test_applied_again_it_changes_nothing_and_nobody_is_asked(applied, pretended, admin):
    asked, before = len(pretended.asked), everything()
    pretended.code = "digest-2"  # nobody looks
    assert not apply_plan(BOTH, by=admin).changed
    assert (len(pretended.asked), everything()) == (asked, before)


def test_a_forced_reload_is_no_difference(applied, admin):
    agents.reload("sales", by=admin, force=True)
    assert export_fleet() == BOTH
    assert not make_plan(BOTH, by=admin).changes


def test_a_change_is_told_by_field_and_looked_at_before_the_change(applied, pretended, admin):
    asked, text = len(pretended.asked), BOTH.replace("Hello", "Good day")
    plan = make_plan(text, by=admin)
    (step,) = plan.steps
    assert [difference.as_json() for difference in step.differences] == [
        {"path": "python.arguments.greeting", "before": "Hello", "after": "Good day"}
    ]
    assert [source.arguments for source in pretended.asked[asked:]] == [{"greeting": "Good day"}]
    apply_plan(text, by=admin, expected_digest=plan.digest)
    assert Agent.objects.get(name="sales").live.number == 2


def test_the_kind_may_change(applied, admin):
    text = BOTH.replace(BOTH[BOTH.index("    python:") :], "    definition:\n      prompt: {text: I sell.}\n")
    (step,) = make_plan(text, by=admin).steps
    assert [difference.path for difference in step.differences] == ["definition", "python"] or {
        difference.path for difference in step.differences
    } == {"python", "definition"}
    apply_plan(text, by=admin)
    assert Agent.objects.get(name="sales").kind == "stored"
    apply_plan(BOTH, by=admin)
    assert Agent.objects.get(name="sales").kind == "python"


def test_a_python_agent_needs_an_admin_and_the_plan_names_it(pretended, actor):
    plan = make_plan(BOTH, by=actor)
    (path,) = plan.all_problems
    assert (path, "only an Admin" in plan.all_problems[path]) == ("agents.sales.python", True)
    with pytest.raises(Forbidden, match=r"agents\.sales\.python: .*only an Admin"):
        apply_plan(BOTH, by=actor)
    assert not Agent.objects.exists()
    assert make_plan(BOTH).forbidden.keys() == {"agents.sales.python"}


def test_who_may_not_run_code_may_apply_what_is_so_already(applied, actor):
    assert not make_plan(BOTH, by=actor).all_problems
    text = BOTH.replace("routes:\n      /sales", "title: Sales\n    routes:\n      /sales")
    assert apply_plan(text, by=actor).changed


def test_what_cannot_be_used_is_told_by_its_path(pretended, admin):
    pretended.problem = "there is no module fleet"
    problems = {"agents.far.remote.url": pretended.problem, "agents.sales.python.class": pretended.problem}
    assert make_plan(BOTH, by=admin).all_problems == problems
    with pytest.raises(Malformed) as refused:
        apply_plan(BOTH, by=admin)
    assert refused.value.problems == problems


@pytest.mark.parametrize(
    ("words", "path", "problem"),
    [
        ("python: {class: no class}", "python.class", "must be MODULE:CLASS"),
        ("python: {class: 'a:B', code: x}", "python.code", "not for people"),
        ("python: {class: 'a:B', again: 1}", "python.again", "not for people"),
        ("python: 5", "python", "must be an object"),
        ("remote: {url: 'ftp://host'}", "remote.url", "must begin with http"),
        ("remote: {url: 'http://a', found: {}}", "remote.found", "not for people"),
        ("definition: {python: {class: 'a:B'}}", "definition", "python stands instead of definition"),
        ("{}", "definition", "is missing: an agent has a definition, or python or remote"),
        ("python: {class: 'a:B'}\n    remote: {url: 'http://a'}", "remote", "stands beside python"),
        ("python: {class: 'a:B'}\n    upstream: env:AGENT_SECRET_A_UPSTREAM", "upstream", "is for remote agents"),
        ("remote: {url: 'http://a'}\n    upstream: me:top-secret", "upstream", "secrets are in variables"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_read(words, path, problem):
    about = "" if words == "{}" else f"    {words}\n"
    with pytest.raises(Malformed) as refused:
        read_document(f"switchboard: 1\nagents:\n  x:\n    routes: {{/x: {{}}}}\n{about}")
    assert problem in refused.value.problems[f"agents.x.{path}"]
    assert "top-secret" not in str(refused.value)


def test_without_the_variable_the_same_server_keeps_its_credentials(applied, admin, pretended, monkeypatch):
    monkeypatch.delenv("AGENT_SECRET_FAR_UPSTREAM")
    apply_plan(BOTH.replace("20.0", "30.0"), by=admin)
    assert pretended.asked[-1][1] == ("them", "top-secret")
    plan = make_plan(BOTH.replace("host.example", "elsewhere.example"), by=admin)
    assert "are for another server" in plan.all_problems["agents.far.upstream"]
    monkeypatch.setenv("AGENT_SECRET_FAR_UPSTREAM", "a:b")
    apply_plan(BOTH.replace("host.example", "elsewhere.example"), by=admin)
    assert pretended.asked[-1][1] == ("a", "b")


def test_a_new_agent_needs_the_variable_that_its_document_names(pretended, admin, monkeypatch):
    monkeypatch.delenv("AGENT_SECRET_FAR_UPSTREAM")
    assert "is not set here" in make_plan(BOTH, by=admin).all_problems["agents.far.upstream"]
    text = BOTH.replace("AGENT_SECRET_FAR_UPSTREAM", "AGENT_SECRET_FAR")
    assert "must end in _UPSTREAM" in make_plan(text, by=admin).all_problems["agents.far.upstream"]


def test_credentials_of_a_server_change_with_the_variable_or_go(applied, admin, monkeypatch, pretended):
    asked = len(pretended.asked)
    monkeypatch.setenv("AGENT_SECRET_FAR_UPSTREAM", "them:another")
    (step,) = make_plan(BOTH, by=admin).steps
    assert step.differences[0].as_json() == {
        "path": "upstream", "before": "own", "after": "own, of AGENT_SECRET_FAR_UPSTREAM",
    }  # fmt: skip
    apply_plan(BOTH, by=admin)
    assert Agent.objects.get(name="far").upstream == "them:another"
    apply_plan(BOTH.replace("    upstream: env:AGENT_SECRET_FAR_UPSTREAM\n", ""), by=admin)
    assert (Agent.objects.get(name="far").upstream, len(pretended.asked)) == ("", asked)
    assert "another" not in export_fleet()


def test_secrets_of_an_agents_own_code_are_its_own_and_stay(pretended, admin):
    pretended.credentials, pretended.signing_key = "me:of-the-code", "PSK_of_the_code"
    text = BOTH[: BOTH.index("  far:")] + BOTH[BOTH.index("  sales:") :]
    plan = make_plan(text, by=admin)
    assert {change.path: change.after for change in plan.steps[0].differences if change.path != "routes./sales"} == {
        "credentials": "own, of its code", "signing_key": "own, of its code",
    }  # fmt: skip
    assert "of-the-code" not in json.dumps(plan.as_json())
    apply_plan(text, by=admin)
    agent = Agent.objects.get()
    assert (agent.credentials, agent.signing_key) == ("me:of-the-code", "PSK_of_the_code")
    assert not apply_plan(text, by=admin).changed
    assert "credentials: env:AGENT_SECRET_SALES_CREDENTIALS" in export_fleet()


def test_names_that_code_claims_are_bound_only_if_the_document_says_so(pretended, admin):
    pretended.found = Found(sip=["Sales-Line", "not a name at all"])
    (warning,) = [words for words in make_plan(BOTH, by=admin).warnings if words.startswith("sales")]
    assert warning == "sales: its code claims the SIP name Sales-Line, which the document does not give it"
    text = BOTH.replace("/sales: {}", "/sales: {sip: [sales-line]}")
    assert not [words for words in make_plan(text, by=admin).warnings if words.startswith("sales")]


def test_what_changes_between_look_and_lock_is_not_looked_at_while_others_wait(applied, admin, monkeypatch):
    def meanwhile(*_arguments):
        agents.publish("sales", DEFINITION, by=admin)

    document = read_document(BOTH)
    monkeypatch.setattr("registry.fleet.apply.check_all", meanwhile)
    with pytest.raises(Outdated, match="agent sales was changed while the document was checked"):
        apply_plan(document, by=admin)
    assert Agent.objects.get(name="sales").kind == "stored"


def test_the_command_applies_what_it_has_looked_at_once(pretended, tmp_path: Path, capsys):
    path = tmp_path / "fleet.yaml"
    path.write_text(BOTH)
    call_command("apply", str(path), "--yes")
    assert (len(pretended.asked), Agent.objects.count()) == (2, 2)
    revision = RegistryChange.newest()
    pretended.problem = "it is gone"
    path.write_text(BOTH.replace("Hello", "Good day"))
    with pytest.raises(CommandError, match=r"agents\.sales\.python\.class: it is gone"):
        call_command("apply", str(path), "--yes")
    assert RegistryChange.newest() == revision
