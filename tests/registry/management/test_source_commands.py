"""Commands about Python and remote agents; what is found of them is pretended."""

import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.models import Agent, AgentVersion
from agents.sources import Found
from registry.actions import versions
from registry.actions.transaction import Actor
from registry.base.errors import Forbidden
from registry.heartbeats import Heart
from registry.management.command import RegistryCommand
from registry.models import SipMapping
from tests.registry.pretending import PRICE, Pretended, pretend

pytestmark = pytest.mark.django_db
PYTHON = ["register", "sales", "--route", "/sales", "--python", "fleet.sales:Sales"]
REMOTE = ["register", "sales", "--route", "/sales", "--remote", "http://host.example:3000/sales/"]


@pytest.fixture
def pretended(monkeypatch) -> Pretended:
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    return pretend(monkeypatch)


@pytest.fixture
def run(pretended):
    def run(*arguments):
        out = StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def refused(run):
    def refused(*arguments, code=1):
        with pytest.raises(CommandError) as refusal:
            run(*arguments)
        assert refusal.value.returncode == code
        return str(refusal.value)

    return refused


def test_a_python_agent_is_registered_and_told_with_all_that_was_found(run, pretended):
    pretended.found = Found(
        functions={"get_price": PRICE, "look_up": PRICE.model_copy(update={"runs_here": False})},
        mcp=True, sip=["Sales-Line"], callbacks=["route_me"], not_served=["the route /metrics of its application"],
    )  # fmt: skip
    pretended.credentials, pretended.signing_key = "me:of-the-code", "PSK_of_the_code"
    pretended.warnings = ["it prints while it is imported"]
    text = run(*PYTHON, "--arguments", '{"greeting": "Hello"}')
    for words in (
        "Registered sales at /sales, SIP names sales-line, sales.",
        "Warning: it prints while it is imported",
        "Found: functions get_price, look_up (not here)",
        "Found: its functions are MCP tools, too",
        "Found: its own SIP names Sales-Line",
        "Found: routing callbacks at /route_me",
        "Not served here: the route /metrics of its application",
        "Used: the credentials and the signing key in its code",
    ):
        assert words in text
    assert "of-the-code" not in text
    assert "of_the_code" not in text
    agent = Agent.objects.get()
    assert (agent.kind, agent.credentials, agent.signing_key) == ("python", "me:of-the-code", "PSK_of_the_code")
    assert agent.live.definition["python"]["arguments"] == {"greeting": "Hello"}
    assert set(SipMapping.objects.values_list("username", flat=True)) == {"sales-line", "sales"}


def test_what_is_given_goes_before_what_the_code_says(run, pretended):
    pretended.credentials = "me:of-the-code"
    assert "Used" not in run(*PYTHON, "--basic-auth", "own:one")
    assert Agent.objects.get().credentials == "own:one"


def test_json_has_kind_source_and_what_was_found(run):
    printed = json.loads(run(*PYTHON, "--json"))
    assert (printed["kind"], printed["source"]) == ("python", {"python": {"class": "fleet.sales:Sales"}})
    assert set(printed["found"]["functions"]) == {"get_price"}


def test_arguments_may_be_in_a_file(run, pretended, tmp_path):
    path = tmp_path / "arguments.json"
    path.write_text('{"rate": 1e5}')
    run(*PYTHON, "--arguments", f"@{path}")
    assert pretended.asked[0].arguments == {"rate": 1e5}


def test_one_agent_of_a_script(run, pretended, settings, tmp_path):
    settings.AGENT_PATH = [str(tmp_path)]
    script = tmp_path / "fleet" / "all.py"
    script.parent.mkdir()
    script.touch()
    run("register", "sales", "--route", "/s", "--script", str(script), "--at", "/sales")
    run("register", "other", "--route", "/o", "--script", "fleet/all.py", "--at", "/other")
    assert [(one.script, one.route) for one in pretended.asked] == [
        ("fleet/all.py", "/sales"), ("fleet/all.py", "/other"),
    ]  # fmt: skip


def test_a_remote_agent_with_its_credentials(run, pretended, monkeypatch):
    monkeypatch.setenv("UPSTREAM", "hidden:password")
    text = run(
        *REMOTE, "--more-urls", "http://host.example:3001/sales", "--user", "them", "--password", "env:UPSTREAM",
        "--seconds", "20", "--document-seconds", "5", "--keep-last-document",
    )  # fmt: skip
    assert "Found: functions get_price" in text
    assert "hidden" not in text
    (source, upstream), agent = pretended.asked[0], Agent.objects.get()
    assert upstream == ("them", "hidden:password")
    assert (source.endpoints, source.seconds, source.document_seconds, source.keep_last_document) == (
        ["http://host.example:3000/sales", "http://host.example:3001/sales"], 20, 5, True,
    )  # fmt: skip
    assert (agent.kind, agent.upstream) == ("remote", "them:hidden:password")
    assert "hidden" not in json.dumps(agent.live.definition)


def test_the_password_is_asked_for_on_a_terminal(run, refused, pretended, monkeypatch):
    assert "--password is missing" in refused(*REMOTE, "--user", "them")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _question: "typed")
    run(*REMOTE, "--user", "them")
    assert pretended.asked[0][1] == ("them", "typed")


def test_credentials_stay_with_the_server_they_are_for(run, refused, pretended):
    run(*REMOTE, "--user", "them", "--password", "secret")
    again = ["register", "sales", "--update", "--remote"]
    run(*again, "http://host.example:3000/other")
    assert pretended.asked[-1][1] == ("them", "secret")
    asked = len(pretended.asked)
    text = refused(*again, "http://elsewhere.example/sales")
    assert "the credentials that sales has are for another server than http://elsewhere.example: give the" in text
    assert len(pretended.asked) == asked
    run(*again, "http://elsewhere.example/sales", "--user", "none")
    assert pretended.asked[-1][1] is None
    assert Agent.objects.get().upstream == ""
    assert "Replaced: credentials of its server." in run(
        *again, "http://elsewhere.example/sales", "--user", "a", "--password", "b"
    )


def test_an_update_may_change_the_kind(run, tmp_path):
    file = tmp_path / "agent.yaml"
    file.write_text("prompt: {text: I sell.}\n")
    run("register", "sales", "--route", "/sales", "--file", str(file))
    assert run(*PYTHON, "--update").startswith("Version 2 of sales is live.\n")
    assert Agent.objects.get().kind == "python"
    run("register", "sales", "--file", str(file), "--update")
    assert Agent.objects.get().kind == "stored"


def test_other_secrets_in_the_code_of_an_update_are_told(run, pretended):
    run(*PYTHON)
    pretended.credentials, pretended.code = "me:of-the-code", "digest-2"
    text = run("reload", "sales")
    assert "Warning: its code asks for another credentials than the agent has" not in text
    assert "its code asks for credentials that are not the agent's: the agent keeps what it has" in text


@pytest.mark.parametrize("command", [PYTHON, REMOTE])
def test_what_cannot_be_used_is_told_as_it_was_found(refused, pretended, command):
    pretended.problem = "AGENT_PATH: the folder /agents is not there: make it, or set AGENT_PATH"
    assert refused(*command) == pretended.problem
    assert Agent.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*PYTHON[:-1], "no class"], "python.class: must be MODULE:CLASS"),
        ([*PYTHON, "--arguments", "[1]"], "--arguments must be an object"),
        ([*PYTHON, "--arguments", "{"], "--arguments is neither YAML nor JSON"),
        ([*PYTHON, "--arguments", "@/nowhere.json"], "/nowhere.json cannot be read: No such file"),
        ([*REMOTE[:-1], "ftp://host"], "remote.url: must begin with http:// or https://"),
        ([*REMOTE[:-1], "http://me:secret@host"], "remote.url: must not contain a user and password"),
        ([*REMOTE, "--seconds", "500"], "remote.seconds: "),
        ([*REMOTE, "--user", "them", "--password", "env:NOT_SET_ANYWHERE"], "no variable NOT_SET_ANYWHERE"),
    ],
)
def test_a_mistake_is_named(refused, arguments, words):
    text = refused(*arguments)
    assert words in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*PYTHON, "--user", "them"], "--user is for --remote"),
        ([*PYTHON, "--keep-last-document"], "--keep-last-document is for --remote"),
        ([*REMOTE, "--arguments", "{}"], "--arguments is for --python"),
        ([*REMOTE, "--at", "/x"], "--at is for --script"),
        ([*REMOTE, "--password", "x"], "--user is missing"),
        (["register", "s", "--route", "/s", "--script", "x.py"], "--at is missing"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(refused, arguments, words):
    assert words in refused(*arguments, code=2)


def test_reload_says_whether_anything_changed(run, pretended):
    run(*PYTHON)
    assert run("reload", "sales").startswith("sales: its code is the same: nothing changed; --force loads it anew")
    assert json.loads(run("reload", "sales", "--json"))["changed"] is False
    pretended.code = "digest-2"
    assert run("reload", "sales").startswith("Version 2 of sales is live.\n")
    assert run("reload", "sales", "--force").startswith("Version 3 of sales is live.\n")
    assert "nothing changed" in run("reload", "sales")
    printed = json.loads(run("reload", "sales", "--force", "--json"))
    assert (printed["changed"], printed["version"], printed["kind"]) == (True, 4, "python")
    assert set(AgentVersion.objects.exclude(number=1).values_list("note", flat=True)) == {"reloaded"}


def test_reload_of_a_remote_agent(run):
    run(*REMOTE)
    assert "sales: its server says the same: nothing changed" in run("reload", "sales")


def test_reload_is_for_agents_that_have_something_to_load(refused, fleet):
    assert "agent info-line is built here: publish a new version" in refused("reload", "info-line")
    assert "there is no agent 'nobody'" in refused("reload", "nobody")


def test_the_list_says_kind_and_trouble(run):
    run(*PYTHON)
    run("register", "far", "--route", "/far", "--remote", "http://host.example/far")
    trouble = {"state": "down", "detail": "it ends at once", "since": 1000.0}
    Heart("one", timezone.now(), 1).beat(1, 0, "", {"sales": trouble})
    Heart("one", timezone.now(), 2).beat(1, 0, "", {})
    lines = run("agents").splitlines()
    assert lines[0].split()[:4] == ["NAME", "KIND", "STATE", "VERSION"]
    assert lines[1].split()[:4] == ["far", "remote", "serving", "1"]
    assert lines[2].split()[:4] == ["sales", "python", "serving,", "down"]
    assert "sales is down on 1 of 2 workers since 1970-01-01 00:16 UTC: it ends at once" in lines[-1]
    far, sales = json.loads(run("agents", "--json"))
    assert far["trouble"] is None
    assert (sales["trouble"]["state"], sales["trouble"]["workers"], sales["trouble"]["of"]) == ("down", 1, 2)


def test_an_mcp_token_for_what_offers_mcp(run, refused, pretended):
    run(*PYTHON)
    assert "agent sales offers no MCP: its class has to call enable_mcp_server()" in refused("mcp", "sales")
    run("register", "far", "--route", "/far", "--remote", "http://host.example/far")
    assert "its server has to offer it" in refused("mcp", "far")
    pretended.found = Found(mcp=True)
    run("reload", "sales")
    assert "/sales/mcp?__token=" in run("mcp", "sales")


def test_a_version_comes_back_only_with_the_files_that_it_was_made_of(run, refused, pretended):
    run(*PYTHON)
    pretended.code = "digest-2"
    run("reload", "sales")
    words = refused("restore", "sales", "--number", "1")
    assert "that version was made of other code (digest-1) than the files have now (digest-2)" in words
    pretended.code = "digest-1"
    assert "which says what 1 said, is live" in run("restore", "sales", "--number", "1")


def test_only_who_may_run_code_brings_a_version_or_a_draft_of_it_back(run):
    run(*PYTHON)
    run(*PYTHON, "--update", "--arguments", '{"rate": 2}')
    operator = Actor("olga", "api")
    with pytest.raises(Forbidden, match="only an Admin"):
        versions.restore_version("sales", 1, by=operator)
    versions.save_draft("sales", {"python": {"class": "fleet.sales:Other"}}, by=Actor("ada", "api", may_run_code=True))
    with pytest.raises(Forbidden, match="only an Admin"):
        versions.publish_draft("sales", by=operator)
    assert Agent.objects.get(name="sales").live.number == 2


def test_an_update_keeps_the_arguments_of_the_same_class(run):
    run(*PYTHON, "--arguments", '{"rate": 2}')
    run(*PYTHON, "--update", "--validate-arguments")
    assert Agent.objects.get(name="sales").live.definition["python"]["arguments"] == {"rate": 2}
    run("register", "sales", "--route", "/sales", "--python", "fleet.sales:Other", "--update")
    assert "arguments" not in Agent.objects.get(name="sales").live.definition["python"]


def test_what_keeps_an_agent_from_running_in_the_server_is_said_at_once(pretended):
    trouble = {"state": "down", "detail": "there is no module fleet", "since": 1}
    Heart("replica", timezone.now()).beat(99, 0, "", {"sales": trouble})
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*PYTHON, stdout=out)
    assert ended.value.code == 4
    assert "It does not run in the server: there is no module fleet" in out.getvalue()


def test_a_reload_of_what_is_down_starts_it_anew_also_if_its_code_is_the_same(run):
    run(*PYTHON)
    trouble = {"state": "down", "detail": "SyntaxError", "since": 1}
    heart = Heart("replica", timezone.now())
    heart.beat(99, 0, "", {"sales": trouble})
    with pytest.raises(SystemExit):
        call_command("reload", "sales", stdout=StringIO())
    assert Agent.objects.get(name="sales").live.number == 2


def test_what_takes_long_is_said_on_standard_error(capfd, monkeypatch):
    monkeypatch.setattr("registry.management.command.PATIENCE_SECONDS", 0.01)
    command = RegistryCommand()
    with command.patience("Still building the agent."):
        time.sleep(0.2)
    with command.patience("Not said."):
        pass
    assert capfd.readouterr() == ("", "Still building the agent.\n")
