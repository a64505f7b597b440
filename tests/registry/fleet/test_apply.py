import gc
import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.actions import agents as agent_actions
from registry.actions import credentials, routes, sip_names, trash
from registry.actions import versions as version_actions
from registry.actions.transaction import Actor
from registry.base.errors import Conflict, Malformed, Outdated
from registry.fleet import apply_plan, export_document, export_fleet, make_plan, read_document, writes
from registry.fleet.collector import collector_waits
from registry.heartbeats import Heart
from registry.models import Route, SipMapping
from tests.client import load_table
from tests.registry.fleet.conftest import DEFINITION, everything
from tests.registry.fleet.test_plan import plain

AgentEvent = apps.get_model("agents", "AgentEvent")
RouteEvent = apps.get_model("registry", "RouteEvent")
SipMappingEvent = apps.get_model("registry", "SipMappingEvent")
OTHER = {"prompt": {"text": "I sell more."}}


@pytest.fixture
def apply(db, actor):
    def apply(remove=False, expected=None, note="applied", **agents):
        text = json.dumps(plain(**agents))
        return apply_plan(text, by=actor, remove=remove, expected_digest=expected, note=note)

    return apply


def reach():
    """What leads where: routes with their agents, names with their routes."""
    return (
        dict(Route.objects.order_by("id").values_list("path", "agent__name")),
        dict(SipMapping.objects.values_list("username", "route__path")),
    )


def test_a_new_agent_is_what_register_makes(register, apply, settings):
    register("one", "/one", sip=["Desk-One"], auto_sip=True, credentials=None)
    result = apply(two={"routes": {"/two": {"sip": ["Desk-Two"], "auto_sip": True}}}, note="")
    one, two = (
        [
            list(rows.values())
            for rows in (
                Agent.objects.filter(name=name),
                AgentVersion.objects.filter(agent__name=name),
                Route.objects.filter(agent__name=name),
                SipMapping.objects.filter(route__agent__name=name).order_by("source"),
            )
        ]
        for name in ("one", "two")
    )  # fmt: skip
    for rows in (*one, *two):
        for row in rows:
            for column in ("id", "created", "live_id", "agent_id", "route_id", "credentials"):
                row.pop(column, None)
    assert json.dumps(one, default=str).replace("one", "two").replace("One", "Two") == json.dumps(two, default=str)
    user, password = result.credentials["two"]
    assert (user, len(password) >= 32) == ("signalwire", True)
    assert credentials.reveal_credentials("two", by=Actor("eve", "command")) == (user, password)
    assert result.as_json()["credentials"] == {"two": {"user": user, "password": password}}
    assert apply(two={"routes": {"/two": {"sip": ["desk-two"], "auto_sip": True}}}).changed is False


def test_a_changed_definition_is_a_new_version_and_the_live_one_retires(register, apply):
    register("sales", credentials=None)
    register("same", credentials=None)
    agent_actions.publish("sales", OTHER, by=Actor("bob", "api"))
    version_actions.save_draft("sales", {"prompt": {"text": "draft"}}, by=Actor("bob", "api"))
    apply(sales={"definition": {"prompt": {"text": "third"}}}, same={}, note="from git")
    versions = list(AgentVersion.objects.filter(agent__name="sales").order_by("number"))
    assert [(version.number, version.retired is None) for version in versions] == [
        (1, False), (2, False), (3, True), (4, True),
    ]  # fmt: skip
    agent = Agent.objects.get(name="sales")
    assert (agent.live.number, agent.live.note, agent.live.author, agent.draft.number) == (4, "from git", "alice", 3)
    assert Agent.objects.get(name="same").versions.count() == 1


def test_applying_it_twice_changes_nothing(varied, actor):
    text = export_fleet()
    before = everything()
    assert not apply_plan(text, by=actor).changed
    assert everything() == before


def test_everything_of_an_agent_can_be_changed(varied, actor, monkeypatch):
    document = export_document().as_plain()
    desk, info, signed = (document["agents"][name] for name in ("booking-desk", "info-line", "signed"))
    desk |= {"title": "Other", "tags": ["b"], "state": "paused", "pause_message": "Later.", "definition": OTHER}
    for key in ("state", "pause_message", "paused_until"):
        del document["agents"]["pharmacy"][key]
    info["routes"] = {
        "/info/more": {"sip": ["extra"], "auto_sip": ["more"]},
        "/info": {"default": True, "enabled": False},
    }
    del signed["signing_key"]
    monkeypatch.setenv("AGENT_SECRET_SIGNED_CREDENTIALS", "new:word")
    assert apply_plan(json.dumps(document), by=actor).plan.totals["change"] == 4
    again = export_document().as_plain()
    assert again == document
    assert list(again["agents"]["info-line"]["routes"]) == ["/info/more", "/info"]
    assert not make_plan(json.dumps(document)).changes
    assert credentials.reveal_credentials("signed", by=actor) == ("new", "word")


def test_the_end_of_a_pause_is_part_of_the_fleet_and_a_pause_that_is_over_is_not(register, apply, actor):
    register()
    until = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
    moment = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    pause = {"state": "paused", "pause_message": "Later.", "paused_until": moment}
    assert [change.path for change in apply(sales=pause).plan.steps[0].differences] == list(pause)
    agent = Agent.objects.get()
    assert (agent.state, agent.paused_until) == ("paused", until)
    assert not apply(sales=pause).changed
    (difference,) = apply(sales={**pause, "paused_until": ""}).plan.steps[0].differences
    assert (difference.path, difference.before, difference.after) == ("paused_until", moment, "")
    Agent.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert "paused" not in export_fleet()
    assert not apply(sales={}).changed
    assert not apply(sales={**pause, "paused_until": "2020-01-01T00:00:00Z"}).changed
    assert apply(sales={"title": "Sales"}).changed
    agent = Agent.objects.get()
    assert (agent.state, agent.pause_message, agent.paused_until) == ("serving", "", None)


def test_routes_and_names_can_be_swapped(register, apply, actor):
    register("a", "/x", sip=["one", "both"], credentials=None)
    register("b", "/y", sip=["two"], auto_sip=True, credentials=None)
    routes.set_default_route("/x", by=actor)
    agents = {
        "a": {"routes": {"/y": {"sip": ["two"], "auto_sip": ["both"]}}},
        "b": {"routes": {"/x": {"sip": ["one", "b"]}, "/z": {"default": True}}},
    }
    apply(**agents)
    assert reach() == (
        {"/y": "a", "/x": "b", "/z": "b"},
        {"one": "/x", "b": "/x", "two": "/y", "both": "/y"},
    )
    assert Route.objects.get(default=True).path == "/z"
    assert SipMapping.objects.get(username="both").source == "auto"
    assert SipMapping.objects.get(username="b").source == "manual"
    assert apply(**agents).changed is False


def test_names_change_without_their_route_being_another_one(register, apply):
    register("a", "/x", sip=["one", "two"], credentials=None)
    before = Route.objects.get().pk
    apply(a={"routes": {"/x": {"sip": ["two", "three"], "enabled": False}, "/more": {}}})
    assert Route.objects.get(path="/x").pk == before
    assert not Route.objects.get(path="/x").enabled
    assert reach()[1] == {"two": "/x", "three": "/x"}


def test_removals_only_when_asked_for_and_they_can_be_undone(register, apply, actor):
    register("stays", credentials=None)
    register("goes", "/goes", sip=["going"], auto_sip=True)
    routes.set_default_route("/goes", by=actor)
    assert apply(stays={}).plan.totals == {"add": 0, "change": 0, "remove": 0, "unchanged": 1, "kept": 1}
    result = apply(remove=True, stays={})
    assert result.plan.totals == {"add": 0, "change": 0, "remove": 1, "unchanged": 1, "kept": 0}
    agent = Agent.objects.get(name="goes")
    assert (agent.state, agent.trashed is not None) == ("trashed", True)
    assert reach() == ({"/stays": "stays"}, {})
    assert apply(remove=True, stays={}).changed is False
    trash.restore_agent("goes", by=actor)
    assert reach() == ({"/stays": "stays", "/goes": "goes"}, {"going": "/goes", "goes": "/goes"})
    assert Route.objects.get(default=True).path == "/goes"


def test_a_document_brings_an_agent_back_from_the_trash_with_what_it_says(register, apply, actor):
    register("sales", credentials=("u", "p"), signing_key="PSK_1")
    trash.unregister_agent("sales", by=actor)
    result = apply(sales={"routes": {"/new": {}}, "title": "Back"})
    assert (result.plan.steps[0].action, result.plan.steps[0].restored, result.credentials) == ("add", True, {})
    agent = Agent.objects.get()
    assert (agent.state, agent.title, agent.trashed, agent.live.number) == ("serving", "Back", None, 1)
    assert (agent.credentials, agent.signing_key) == ("u:p", ""), "the document has no signing key"
    assert Agent.objects.filter(former_reach__isnull=True).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT former_reach IS NULL FROM agents_agent")
        assert cursor.fetchone() == (True,)
    trash.unregister_agent("sales", by=actor)
    apply(sales={"definition": OTHER, "state": "paused"})
    agent.refresh_from_db()
    assert (agent.state, agent.live.number) == ("paused", 2)


def test_a_route_of_a_removed_agent_is_free_at_once(register, apply):
    register("old", "/sales", sip=["hotline"])
    apply(remove=True, new={"routes": {"/sales": {"sip": ["hotline"]}}})
    assert reach() == ({"/sales": "new"}, {"hotline": "/sales"})


def test_a_failure_at_the_very_end_leaves_nothing(register, apply, monkeypatch):
    register("a", sip=["one"], credentials=None)
    before = everything()

    def fails(*_arguments, **_options):
        raise Conflict("at the end")

    monkeypatch.setattr(writes.SipMapping.objects, "bulk_create", fails)
    with pytest.raises(Conflict, match="at the end"):
        apply(remove=True, b={"routes": {"/b": {"sip": ["two"]}}})
    assert everything() == before
    assert gc.isenabled()


def test_a_plan_that_has_been_seen_is_refused_when_anything_has_changed(register, apply, actor, monkeypatch):
    register("a", credentials=None)
    register("other")
    wanted = {"a": {"definition": OTHER}}
    seen = make_plan(json.dumps(plain(**wanted))).digest
    assert make_plan(json.dumps(plain(**wanted))).digest == seen
    for change in (
        lambda: agent_actions.update_agent("other", title="x", by=actor),
        lambda: sip_names.register_sip_username("x", "/other", by=actor),
        lambda: agent_actions.update_agent("a", credentials=("v", "w"), by=actor),
        lambda: agent_actions.publish("a", {"prompt": {"text": "meanwhile"}}, by=actor),
        lambda: trash.unregister_agent("other", by=actor),
    ):
        change()
        before = everything()
        with pytest.raises(Outdated, match="make it again"):
            apply(expected=seen, **wanted)
        assert everything() == before
        seen = make_plan(json.dumps(plain(**wanted))).digest
    with pytest.raises(Outdated):
        apply(expected=seen, remove=True, **wanted)
    with pytest.raises(Outdated):
        apply(expected=seen, a={"definition": DEFINITION})
    assert apply(expected=seen, **wanted).changed


def test_a_registration_between_plan_and_application_is_not_overwritten(register, apply):
    wanted = {"a": {"routes": {"/a": {"sip": ["one"]}}}}
    seen = make_plan(json.dumps(plain(**wanted))).digest
    register("b", "/a")
    with pytest.raises(Outdated):
        apply(expected=seen, **wanted)
    with pytest.raises(Conflict, match=r"agents.a.routes./a: is taken by agent b") as refusal:
        apply(**wanted)
    assert refusal.value.status == 409
    assert Route.objects.get().agent.name == "b"


def test_a_definition_that_was_live_when_it_was_checked_is_checked_when_it_is_not_any_more(
    register, actor, monkeypatch
):
    wrong = {"prompt": {"txt": "x"}}
    register("a", credentials=None)
    monkeypatch.setattr("registry.fleet.checks.is_live", lambda *_arguments: True)
    with pytest.raises(Malformed):
        apply_plan(json.dumps(plain(a={"definition": wrong})), by=actor)


def test_one_audit_context_names_the_actor_and_no_row_is_doubled(register, actor):
    register("a", sip=["one"], credentials=("u", "p"))
    register("goes")
    first = {model: model.objects.count() for model in (AgentEvent, RouteEvent, SipMappingEvent)}
    bob = Actor("bob", "api", request_id="r-7")
    document = plain(a={"title": "A", "definition": OTHER, "credentials": "env:AGENT_SECRET_X_CREDENTIALS"}, b={})
    apply_plan(json.dumps(document), by=bob, remove=True)
    rows = {
        model: list(model.objects.order_by("pgh_id")[first[model] :])
        for model in (AgentEvent, RouteEvent, SipMappingEvent)
    }
    labels = [(row.name, row.pgh_label) for row in rows[AgentEvent]]
    assert sorted(labels) == [
        ("a", "update"), ("a", "update"), ("b", "insert"), ("b", "update"), ("goes", "update"),
    ]  # fmt: skip
    assert sorted((row.path, row.pgh_label) for row in rows[RouteEvent]) == [("/b", "insert"), ("/goes", "delete")]
    assert [(row.username, row.pgh_label) for row in rows[SipMappingEvent]] == [("one", "delete")]
    contexts = {row.pgh_context_id for some in rows.values() for row in some}
    assert len(contexts) == 1
    assert rows[AgentEvent][0].pgh_context.metadata == {"user": "bob", "via": "api", "request_id": "r-7"}


def test_other_secrets_are_in_the_audit_by_name_only(register, actor, monkeypatch):
    monkeypatch.setenv("AGENT_SECRET_X_CREDENTIALS", "user:hunter2-hunter2")
    monkeypatch.setenv("AGENT_SECRET_K_SIGNING_KEY", "PSK_key_key_key")
    register("a")
    secret = {"credentials": "env:AGENT_SECRET_X_CREDENTIALS", "signing_key": "env:AGENT_SECRET_K_SIGNING_KEY"}
    apply_plan(json.dumps(plain(a=secret)), by=actor)
    last = AgentEvent.objects.order_by("pgh_id").last()
    assert (last.pgh_label, last.pgh_context.metadata["changed"]) == ("update", "credentials, signing key")
    assert "hunter2" not in str(AgentEvent.objects.values_list()) + str(last.pgh_context.metadata)


def test_workers_serve_what_the_database_has(varied, actor, emptied):
    document = read_document(export_fleet())
    result = apply_plan(document, by=actor)
    trash.unregister_agent("pharmacy", by=actor)
    apply_plan(document, by=actor)
    table = load_table()
    assert {path: entry.agent.name for path, entry in table.routes.items()} == dict(
        Route.objects.filter(enabled=True).values_list("path", "agent__name")
    )
    assert {name: entry.path for name, entry in table.sip.items()} == dict(
        SipMapping.objects.filter(route__enabled=True).values_list("username", "route__path")
    )
    assert result.everywhere is None


def test_it_says_whether_all_workers_have_it(register, actor, monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    Heart("replica-1", timezone.now(), 7).beat(0, 0, "")
    result = apply_plan(json.dumps(plain(a={})), by=actor, wait=True)
    assert (result.as_json()["workers"], result.as_json()["everywhere"]) == (1, False)


def test_a_fleet_takes_no_more_queries_the_more_agents_there_are(db, actor, django_assert_max_num_queries, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    agents = {f"a{number}": {"routes": {f"/a{number}": {"auto_sip": True}}} for number in range(60)}
    with django_assert_max_num_queries(30):
        apply_plan(json.dumps(plain(**agents)), by=actor)
    for about in agents.values():
        about["definition"] = OTHER
    with django_assert_max_num_queries(30):
        apply_plan(json.dumps(plain(**agents)), by=actor)
    with django_assert_max_num_queries(30):
        apply_plan('{"switchboard": 1, "agents": {}}', by=actor, remove=True)
    with django_assert_max_num_queries(30):
        apply_plan(json.dumps(plain(**agents)), by=actor)
    assert Agent.objects.filter(state="serving").count() == 60


def test_the_collector_wakes_up_after_the_last_one():
    with collector_waits():
        with collector_waits():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with collector_waits():
            pass
        assert not gc.isenabled(), "somebody else's"
    finally:
        gc.enable()


def test_outside_of_a_transaction_it_is_the_same(transactional_db, fleet, actor):
    text = export_fleet()
    other = text.replace("You take refill orders.", "You take refills.")
    plan = make_plan(other)
    assert [step.agent for step in plan.steps] == ["pharmacy"]
    assert apply_plan(other, by=actor, expected_digest=plan.digest).changed
    before = everything()
    with pytest.raises(Conflict):
        apply_plan(json.dumps(plain(a={"routes": {"/info": {}}})), by=actor)
    assert everything() == before


def test_secrets_of_the_trash_that_no_key_can_read_are_gone(register, apply, actor, settings):
    register("sales", credentials=("u", "p"), signing_key="PSK_1")
    trash.unregister_agent("sales", by=actor)
    settings.SECRET_KEY = "another-key-that-cannot-read-the-former-ones"
    found = make_plan(json.dumps(plain(sales={"signing_key": "env:AGENT_SECRET_NOT_SET_SIGNING_KEY"})))
    assert set(found.problems) == {"agents.sales.signing_key"}
    result = apply(sales={})
    agent = Agent.objects.get()
    assert agent.credentials == ":".join(result.credentials["sales"])
    assert agent.signing_key == ""


def test_what_nobody_can_read_now_is_kept_or_replaced(register, apply, actor, settings, monkeypatch):
    register("sales", credentials=("u", "p"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM agents_agent")
        (kept,) = cursor.fetchone()
    settings.SECRET_KEY = "another-key-that-cannot-read-the-former-ones"
    named = {"sales": {"title": "x", "credentials": "env:AGENT_SECRET_S_CREDENTIALS"}}
    assert apply(**named).changed
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM agents_agent")
        assert cursor.fetchone() == (kept,), "its key may come back"
    monkeypatch.setenv("AGENT_SECRET_S_CREDENTIALS", "v:w")
    assert apply(**named).changed
    assert Agent.objects.get().credentials == "v:w"
    assert apply(**named).changed is False
