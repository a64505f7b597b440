import json
from datetime import datetime, timedelta
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.actions import pauses, routes
from registry.heartbeats import Heart
from registry.models import Installation, Route, SipMapping
from registry.secret_key import fingerprint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)


@pytest.fixture
def run():
    """Run a command; give what it printed."""

    def run(*arguments):
        out = StringIO()
        call_command(*[str(argument) for argument in arguments], stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def run_json(run):
    return lambda *arguments: json.loads(run(*arguments, "--json"))


@pytest.fixture
def refused(run):
    """Run a command that must be refused with exit code 1; give what it says."""

    def refused(*arguments, code=1):
        with pytest.raises(CommandError) as refusal:
            run(*arguments)
        assert refusal.value.returncode == code
        return str(refusal.value)

    return refused


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "agent.yaml"
    path.write_text("prompt: {text: I sell.}\n")
    return path


# --- register --------------------------------------------------------------------------------------------------------


def test_register_says_where_the_agent_answers_and_its_credentials_once(run, file):
    text = run(
        "register",
        "sales-agent",
        "--route",
        "/sales",
        "--file",
        file,
        "--sip",
        "help-desk",
        "hotline",
        "--note",
        "first",
    )
    assert "Registered sales-agent at /sales, SIP names help-desk, hotline, sales-agent, salesagent, sales." in text
    agent = Agent.objects.get()
    user, _, password = agent.credentials.partition(":")
    assert f"Credentials, shown this once: user {user} password {password}" in text
    assert "no worker is running" in text
    assert (agent.live.note, agent.live.author != "") == ("first", True)


def test_register_prints_json(run_json, file):
    printed = run_json(
        "register", "sales", "--route", "/sales", "--file", file, "--no-auto-sip", "--basic-auth", "me:pass:word"
    )
    assert printed == {
        "agent": "sales",
        "route": "/sales",
        "version": 1,
        "changed": True,
        "sip": [],
        "sip_skipped": {},
        "warnings": [],
        "credentials": None,
        "revision": printed["revision"],
        "workers": 0,
        "everywhere": True,
        "kind": "stored",
    }
    assert Agent.objects.get().credentials == "me:pass:word"


def test_register_reads_secrets_from_the_environment(run, file, monkeypatch, refused):
    monkeypatch.setenv("SALES_AUTH", "me:secret")
    monkeypatch.setenv("SALES_KEY", "PSK_x")
    run(
        "register",
        "sales",
        "--route",
        "/sales",
        "--file",
        file,
        "--basic-auth",
        "env:SALES_AUTH",
        "--signing-key",
        "env:SALES_KEY",
    )
    agent = Agent.objects.get()
    assert (agent.credentials, agent.signing_key) == ("me:secret", "PSK_x")
    text = refused("register", "other", "--route", "/other", "--file", file, "--basic-auth", "env:NOBODY_SET_THIS")
    assert "NOBODY_SET_THIS" in text
    text = refused("register", "other", "--route", "/other", "--file", file, "--signing-key", "SALES_KEY")
    assert "--signing-key needs env:NAME, with the key in the variable NAME, or none" in text


def test_register_tells_of_skipped_names_and_of_transfers_to_nobody(run, tmp_path, fleet):
    path = tmp_path / "agent.json"
    function = {"description": "Go", "handler": {"transfer": "nobody"}}
    path.write_text(json.dumps({"prompt": {"text": "a"}, "functions": {"go": function}}))
    text = run("register", "refills", "--route", "/r", "--file", path)
    assert "SIP name refills was skipped: agent pharmacy has it" in text
    assert "Warning: function go transfers to nobody, which is not registered" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Sales Agent"}, "how about 'sales-agent'?"),
        ({"route": "/a b"}, "not a route"),
        ({"route": "/dashboard"}, "reserved"),
        ({"route": "/info"}, "route /info is taken by agent info-line"),
        ({"name": "info-line"}, "registered already, at /info"),
        ({"name": "info-line", "route": "/info"}, "registered already, at /info: --update publishes a new version"),
        ({"file": "/nowhere.yaml"}, "No such file"),
        ({"sip": "refills"}, "SIP name refills belongs to agent pharmacy at /pharmacy"),
        ({"basic_auth": "nonsense"}, "USER:PASSWORD"),
    ],
)
def test_what_register_refuses_is_said_in_one_line_with_exit_code_1(run, fleet, file, change, words):
    options = {"name": "sales", "route": "/sales", "file": str(file), **change}
    arguments = [options["name"], "--route", options["route"], "--file", options["file"]]
    arguments += ["--sip", options["sip"]] if "sip" in options else []
    arguments += ["--basic-auth", options["basic_auth"]] if "basic_auth" in options else []
    with pytest.raises(CommandError, match=words.replace("?", r"\?")) as refusal:
        run("register", *arguments)
    assert refusal.value.returncode == 1
    assert "\n" not in str(refusal.value)
    assert Agent.objects.count() == 3


def test_problems_of_a_definition_are_listed_by_field(refused, run, tmp_path, capsys):
    path = tmp_path / "agent.yaml"
    path.write_text("prompt: {}\nhints: 5\n")
    text = refused("register", "sales", "--route", "/sales", "--file", path)
    assert "prompt: needs either text or sections" in text
    assert "hints: " in text
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("register", "sales", "--route", "/sales", "--file", str(path), "--json", stdout=out)
    assert ended.value.code == 1
    assert set(json.loads(out.getvalue())["problems"]) == {"prompt", "hints"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sales"],
        ["sales", "--route", "/sales"],
        ["sales", "--file", "x", "--nonsense"],
        ["sales", "--route", "/sales", "--file", "x", "--python", "a:B"],
    ],
)
def test_wrong_usage_is_refused(run, arguments):
    with pytest.raises(CommandError):
        run("register", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "--route is missing"), (["--update", "--no-auto-sip"], "--no-auto-sip is for a new agent")],
)
def test_options_that_do_not_go_together_are_wrong_usage(refused, file, arguments, words):
    assert words in refused("register", "sales", "--file", file, *arguments, code=2)


@pytest.fixture
def update(run, file):
    """Register sales at /sales; gives the arguments of an update."""
    run("register", "sales", "--route", "/sales", "--file", file, "--basic-auth", "u:p")
    return ["register", "sales", "--route", "/sales", "--file", file, "--update"]


def test_register_with_update_publishes_a_new_version(run, run_json, refused, file, update):
    file.write_text("prompt: {text: I sell more.}\n")
    assert run(*update).startswith("Version 2 of sales is live.\n")
    assert AgentVersion.objects.count() == 2
    assert "nothing is registered at /other" in refused(
        "register", "sales", "--route", "/other", "--file", file, "--update"
    )


def test_an_update_that_changes_nothing_says_so(run, run_json, update):
    assert "Version 1 of sales is live already: nothing changed." in run(*update)
    printed = run_json(*update)
    assert (printed["version"], printed["changed"]) == (1, False)


def test_an_update_takes_sip_names_and_secrets_too(run, run_json, update, monkeypatch, settings, refused):
    monkeypatch.setenv("SALES_KEY", "PSK_x")
    text = run(*update, "--sip", "hotline", "sales", "--basic-auth", "me:new", "--signing-key", "env:SALES_KEY")
    assert "Version 1 of sales is live already. SIP names hotline, sales lead to /sales. Replaced: cred" in text
    assert "Replaced: credentials, signing key." in text
    agent = Agent.objects.get()
    assert (agent.credentials, agent.signing_key) == ("me:new", "PSK_x")
    assert set(SipMapping.objects.values_list("username", "source")) == {("hotline", "manual"), ("sales", "manual")}
    assert "nothing changed" in run(*update, "--sip", "hotline", "--basic-auth", "me:new")

    assert run_json(*update, "--signing-key", "none")["changed"] is True
    assert Agent.objects.get().signing_key == ""
    assert "the fleet has no credentials" in refused(*update, "--basic-auth", "none")
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    assert "Replaced: credentials." in run(*update, "--basic-auth", "none")
    assert Agent.objects.get().credentials == ""


def test_an_update_needs_no_route_while_there_is_only_one(run, refused, file, update):
    file.write_text("prompt: {text: I sell more.}\n")
    without = ["register", "sales", "--file", file, "--update"]
    assert "Version 2 of sales is live." in run(*without)
    Route.objects.create(path="/more", agent=Agent.objects.get())
    assert "several routes, /sales and /more among them: say which" in refused(*without)
    assert "there is no agent 'nobody'" in refused("register", "nobody", "--file", file, "--update")


def test_the_fleets_credentials_of_this_environment_are_a_warning(run, run_json, file, settings, update):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    words = (
        "uses the fleet's credentials of this command's environment; the server needs the same SWML_BASIC_AUTH_PASSW"
    )
    assert words in run("register", "billing", "--route", "/billing", "--file", file)
    own = run_json("register", "shop", "--route", "/shop", "--file", file, "--basic-auth", "u:p")
    assert own["warnings"] == []
    assert words not in run(*update), "an update that does not touch them"
    assert words in run(*update, "--basic-auth", "none")


def test_secrets_from_before_the_trash_are_said(run, file, update):
    run("unregister", "/sales")
    text = run("register", "sales", "--route", "/sales", "--file", file)
    assert "Warning: taken out of the trash with the credentials it had; --basic-auth replaces them" in text


def test_with_another_secret_key_than_the_databases_nothing_is_changed(refused, file, update, settings):
    Installation.objects.create(secret_fingerprint=fingerprint("the server's"))
    assert "belongs to another SECRET_KEY" in refused(*update, "--basic-auth", "me:new")
    assert Agent.objects.get().credentials == "u:p"


def test_a_plain_document_is_registered_as_a_definition(run, refused, tmp_path):
    path = tmp_path / "document.json"
    document = {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"ai": {"prompt": {"text": "I sell."}}}]}}
    path.write_text(json.dumps(document))
    run("register", "sales", "--route", "/sales", "--file", path)
    assert Agent.objects.get().live.definition["prompt"]["text"] == "I sell."
    document["sections"]["main"][1]["ai"]["prompt"] = {"txt": "I sell."}
    path.write_text(json.dumps(document))
    text = refused("register", "sales", "--file", path, "--update")
    assert "the definition has problems:" in text
    assert "prompt" in text


# --- the others ------------------------------------------------------------------------------------------------------


def test_unregister(run, run_json, refused, fleet):
    text = run("unregister", "/pharmacy")
    assert "Unregistered pharmacy from /pharmacy; nobody has the SIP names " in text
    assert "refills" in text
    assert run_json("unregister", "info")["agent"] == "info-line"
    assert [route.path for route in Route.objects.all()] == ["/clinic/booking"]
    assert "nothing is registered at /pharmacy" in refused("unregister", "/pharmacy")
    text = refused("unregister", "booking-desk")
    assert "nothing is registered at /booking-desk; agent booking-desk is at /clinic/booking" in text
    assert text.endswith(": unregister /clinic/booking")


def test_agents_are_listed(run, run_json, fleet, actor):
    pauses.pause("pharmacy", by=actor)
    text = run("agents")
    assert text.splitlines()[0].split() == ["NAME", "KIND", "STATE", "VERSION", "ROUTES", "SIP", "NAMES"]
    assert any(line.split()[:4] == ["pharmacy", "stored", "paused", "1"] for line in text.splitlines())
    rows = run_json("agents")
    assert [row["name"] for row in rows] == ["booking-desk", "info-line", "pharmacy"]
    assert rows[2] == {
        "name": "pharmacy",
        "state": "paused",
        "paused_until": None,
        "kind": "stored",
        "routes": ["/pharmacy"],
        "sip": ["pharmacy", "refills"],
        "version": 1,
        "trouble": None,
    }


def test_the_trash_is_listed_only_when_asked_for(run, run_json, fleet, actor):
    routes.unregister("/pharmacy", by=actor)
    text = run("agents")
    assert "pharmacy" not in text
    assert "1 more in the trash: agents --trash" in text
    assert [row["name"] for row in run_json("agents")] == ["booking-desk", "info-line"]
    text = run("agents", "--trash")
    assert any(line.split()[:4] == ["pharmacy", "stored", "trashed", "1"] for line in text.splitlines())
    assert "more in the trash" not in text
    assert [row["state"] for row in run_json("agents", "--trash")] == ["serving", "serving", "trashed"]


def test_agents_without_any_says_how_to_register_one(run, run_json):
    assert "manage.py register" in run("agents")
    assert run_json("agents") == []


def test_listing_agents_takes_no_more_queries_the_more_there_are(run, fleet, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        run("agents")


def test_pause_and_resume(run, run_json, refused, fleet):
    assert "Paused info-line" in run("pause", "info-line", "--message", "Back at noon.")
    assert Agent.objects.get(name="info-line").pause_message == "Back at noon."
    printed = run_json("resume", "info-line")
    assert (printed["agent"], printed["state"], printed["message"]) == ("info-line", "serving", "")
    assert Agent.objects.get(name="info-line").state == "serving"
    printed = run_json("pause", "info-line")
    assert (printed["state"], printed["message"]) == ("paused", pauses.PAUSE_MESSAGE)
    assert printed["everywhere"] is True
    assert f"new calls hear “{pauses.PAUSE_MESSAGE}”" in run("pause", "info-line")
    assert "Resumed info-line" in run("resume", "info-line")
    for command in ("pause", "resume"):
        assert "there is no agent 'nobody'" in refused(command, "nobody")
    assert "500" in refused("pause", "info-line", "--message", "x" * 501)


def test_a_pause_for_some_minutes(run, run_json, refused, fleet):
    before = timezone.now()
    printed = run_json("pause", "info-line", "--minutes", "15")
    until = datetime.fromisoformat(printed["paused_until"])
    assert timedelta() <= until - before - timedelta(minutes=15) < timedelta(minutes=1)
    assert f"Paused info-line until {before:%Y}" in run("pause", "info-line", "--minutes", "0.5")
    assert f"paused until {before:%Y}" in run("agents")
    assert run_json("agents")[1]["paused_until"] is not None
    for minutes in ("0", "-1", "43201", "1e99", "nan"):
        assert "43200, which are 30 days" in refused("pause", "info-line", "--minutes", minutes)
    over = timezone.now() - timedelta(seconds=1)
    Agent.objects.filter(name="info-line").update(paused_until=over)
    assert (run_json("agents")[1]["state"], run_json("agents")[1]["paused_until"]) == ("serving", None)
    run("pause", "info-line")
    assert Agent.objects.get(name="info-line").paused_until is None


def test_credentials_are_printed_so_that_curl_takes_them(run, run_json, refused, fleet):
    assert run("credentials", "info-line") == "u:p\n"
    assert run_json("credentials", "info-line") == {"user": "u", "password": "p"}
    assert "there is no agent" in refused("credentials", "nobody")


def test_sip_names_are_mapped_listed_and_unmapped(run, run_json, refused, fleet):
    assert "hotline leads to /info (info-line)." in run("sip", "map", "sip:HotLine@example.com", "/info")
    assert "hotline leads to /info (info-line) already: nothing changed." in run("sip", "map", "HOTLINE", "/info")
    assert run_json("sip", "map", "hotline", "info")["changed"] is False
    assert "belongs to agent info-line" in refused("sip", "map", "hotline", "/pharmacy")
    assert "nothing is registered at /nowhere" in refused("sip", "map", "x", "/nowhere")
    assert "not a SIP name" in refused("sip", "map", "a b", "/info")
    text = run("sip", "list")
    assert any(line.split() == ["hotline", "/info", "info-line", "manual"] for line in text.splitlines())
    row = next(row for row in run_json("sip", "list") if row["username"] == "hotline")
    assert row == {
        "username": "hotline",
        "typed": "sip:HotLine@example.com",
        "route": "/info",
        "agent": "info-line",
        "source": "manual",
    }
    assert "Nobody has the SIP name hotline any more." in run("sip", "unmap", "HOTLINE")
    assert "nobody has the SIP name hotline" in refused("sip", "unmap", "hotline")
    assert not SipMapping.objects.filter(username="hotline").exists()


def test_the_default_route_is_chosen_and_taken_back(run, run_json, refused, fleet):
    assert "lead to /info (info-line)" in run("sip", "default", "/info")
    assert Route.objects.get(default=True).path == "/info"
    assert "There is no default route." in run("sip", "default", "none")
    assert not Route.objects.filter(default=True).exists()
    assert "nothing is registered" in refused("sip", "default", "/nowhere")
    assert run_json("sip", "default", "/info")["route"] == "/info"
    for command in (["sip", "default"], ["sip", "list"]):
        assert "SIP names that nobody has lead to /info (info-line)." in run(*command)
    assert run_json("sip", "default") == {"agent": "info-line", "route": "/info"}
    assert Route.objects.get(default=True).path == "/info"
    run("sip", "default", "none")
    for command in (["sip", "default"], ["sip", "list"]):
        assert "There is no default route." in run(*command)
    assert run_json("sip", "default") == {"agent": None, "route": None}


def test_a_default_route_that_is_off_is_said_to_be_off(run, run_json, fleet, actor):
    routes.update_route("/info", default=True, enabled=False, by=actor)
    words = "The default route /info (info-line) is switched off: other SIP names get 404."
    for command in (["sip", "default"], ["sip", "list"], ["sip", "default", "/info"]):
        assert words in run(*command)
    assert run_json("sip", "default") == {"agent": "info-line", "route": "/info"}


@pytest.mark.parametrize(
    "arguments",
    [["pause", "\udcff"], ["restore", "\udcff"], ["sip", "map", "\udcff", "/info"], ["unregister", "/\udcff"],
     ["credentials", "\udcff"], ["member", "off", "\udcff"], ["token", "revoke", "\udcff"]],
)  # fmt: skip
def test_what_is_no_utf_8_is_refused_and_no_error_of_ours(refused, fleet, arguments):
    assert refused(*arguments)


def test_a_terminal_that_cannot_show_what_was_done_is_not_told_that_it_was_refused(fleet):
    narrow = TextIOWrapper(BytesIO(), "latin-1")
    with pytest.raises(UnicodeEncodeError):
        call_command("pause", "info-line", stdout=narrow)
    narrow.detach()
    assert Agent.objects.get(name="info-line").state == "paused"


def test_a_sip_address_is_tested_with_each_step(transactional_db, fleet, run, run_json, actor):
    text = run("sip", "test", "<SIPS:Refills@example.com>")
    assert "ok    sip: refills leads to /pharmacy" in text
    assert "is answered by pharmacy." in text
    text = unanswered("sip", "test", "nobody")
    assert "FAIL  sip: nobody has the SIP name nobody" in text
    assert "Nobody answers nobody." in text
    printed = run_json("sip", "test", "refills")
    assert (printed["agent"], printed["route"], printed["outcome"], printed["fallback"]) == (
        "pharmacy",
        "/pharmacy",
        "agent",
        False,
    )
    assert [step["rule"] for step in printed["steps"]] == ["sip", "route", "version"]
    assert json.loads(unanswered("sip", "test", "nobody", "--json"))["agent"] is None
    routes.set_default_route("/info", by=actor)
    assert "nobody is answered by info-line." in run("sip", "test", "nobody")


def test_a_number_is_mapped_without_separators_and_its_other_form_named(transactional_db, fleet, run):
    assert "+15551234567 leads to /pharmacy" in run("sip", "map", "+1-555-123-4567", "/pharmacy")
    assert "is answered by pharmacy." in run("sip", "test", "sip:+1 (555) 123-4567@h;user=phone")
    text = unanswered("sip", "test", "sip:15551234567@h")
    assert "FAIL  sip: nobody has the SIP name 15551234567; +15551234567, which leads to /pharmacy, may be" in text


def unanswered(*arguments):
    """Run a command that ends with exit code 1 and an answer all the same."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*arguments, stdout=out)
    assert ended.value.code == 1
    return out.getvalue()


def test_json_may_stand_before_the_verb_too(fleet):
    out = StringIO()
    call_command("sip", "--json", "list", stdout=out)
    assert len(json.loads(out.getvalue())) == 9


def test_a_change_that_is_not_everywhere_yet_has_exit_code_4(run, fleet):
    Heart("replica-1", timezone.now(), 7).beat(0, 0, "")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("pause", "info-line", "--json", stdout=out)
    assert ended.value.code == 4
    assert json.loads(out.getvalue())["everywhere"] is False
    with pytest.raises(SystemExit) as ended:
        call_command("resume", "info-line", stdout=out)
    assert ended.value.code == 4
    assert "0/1 workers, not yet on replica-1/7" in out.getvalue()
    assert Agent.objects.get(name="info-line").state == "serving", "done all the same"


def test_without_a_database_it_is_said_with_exit_code_3(run, refused, monkeypatch):
    def away(*_arguments, **_options):
        raise OperationalError("connection refused")

    monkeypatch.setattr(pauses, "pause", away)
    assert "connection refused" in refused("pause", "info-line", code=3)


def test_a_database_that_was_never_set_up_is_said_with_what_to_do(refused):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agents_agent RENAME TO elsewhere")  # taken back with the test's transaction
    assert "start `serve` once, or run `migrate`" in refused("agents", code=1)


def test_refusals_are_json_too(fleet):
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("unregister", "/nowhere", "--json", stdout=out)
    assert ended.value.code == 1
    assert "nothing is registered at /nowhere" in json.loads(out.getvalue())["error"]


def test_restore_brings_an_agent_or_a_version_back(run, refused, fleet):
    run("unregister", "/pharmacy")
    assert "Restored pharmacy at /pharmacy" in run("restore", "pharmacy")
    assert "there is nothing to restore" in refused("restore", "pharmacy")
    assert "nothing changed" in run("restore", "pharmacy", "--number", "1")
    assert "has no version 9" in refused("restore", "pharmacy", "--number", "9")
