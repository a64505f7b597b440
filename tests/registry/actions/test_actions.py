import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.actions import agents, credentials, instead, pauses, routes, sip_names, trash
from registry.actions import transaction as changes
from registry.actions.etags import agent_tag
from registry.actions.transaction import Actor
from registry.base.errors import Busy, Conflict, Malformed, NotFound
from registry.models import RegistryChange, Route, SipMapping
from registry.reports.audit import Search, read_audit
from registry.reports.describe import describe_agent
from registry.serving.resumer import Resumer
from registry.triggers import ADVISORY_LOCK
from tests.config.processes import wait_for

DEFINITION = {"prompt": {"text": "I sell."}}
OTHER = {"prompt": {"text": "I sell more."}}


@pytest.fixture
def register(db, actor):
    def register(name="sales", route="/sales", definition=DEFINITION, **options):
        return agents.register(name, route, definition, by=actor, **options)

    return register


def everything():
    """All that an action can write, for comparing before and after."""
    return (
        list(Agent.objects.order_by("id").values()),
        list(AgentVersion.objects.order_by("id").values()),
        list(Route.objects.order_by("id").values()),
        list(SipMapping.objects.order_by("id").values()),
    )


@pytest.fixture
def unchanged(db):
    """Whatever is refused in this test must have changed nothing. Call it before the refusal."""
    before = []
    yield lambda: before.append((everything(), RegistryChange.newest()))
    assert before
    assert (everything(), RegistryChange.newest()) == before[0]


# --- register --------------------------------------------------------------------------------------------------------


def test_registering_makes_a_version_a_route_and_sip_names(register):
    change = register("sales-agent", "teams/Sales/", sip=["Sip:Tele-Sales@h"])
    assert (change.agent, change.route, change.version) == ("sales-agent", "/teams/Sales", 1)
    assert change.sip == ["tele-sales", "sales-agent", "salesagent", "sales"]
    assert change.revision == RegistryChange.newest() > 0
    agent = Agent.objects.get()
    assert (agent.state, agent.live.number, agent.live.definition) == ("serving", 1, DEFINITION)
    assert agent.live.author == "alice"
    sources = dict(SipMapping.objects.values_list("username", "source"))
    assert sources == {"tele-sales": "manual", "sales-agent": "auto", "salesagent": "auto", "sales": "auto"}


def test_without_any_credentials_some_are_made_up_and_told_once(register, actor):
    change = register()
    user, password = change.credentials
    assert (user, len(password) >= 32) == ("signalwire", True)
    assert credentials.reveal_credentials("sales", by=actor) == (user, password)
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM agents_agent")
        assert password not in cursor.fetchone()[0], "encrypted at rest"


def test_an_agent_may_have_its_own_credentials_or_the_fleets(register, actor, settings):
    assert register(credentials=("ü", "p:q")).credentials is None
    assert credentials.reveal_credentials("sales", by=actor) == ("ü", "p:q")
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    assert register("billing", "/billing").credentials is None
    assert credentials.reveal_credentials("billing", by=actor) == ("signalwire", "fleet-password")
    assert Agent.objects.get(name="billing").credentials == ""


def test_a_route_that_is_taken_is_a_conflict_that_names_the_owner(register, unchanged):
    register()
    unchanged()
    for route in ("/sales", "sales/"):
        with pytest.raises(Conflict, match="/sales is taken by agent sales"):
            register("billing", route)
        with pytest.raises(Conflict, match="registered already, at /sales: --update publishes a new version"):
            register("sales", route)


def test_a_name_that_is_registered_is_a_conflict_that_names_its_route(register, unchanged):
    register()
    unchanged()
    with pytest.raises(Conflict, match="registered already, at /sales"):
        register(route="/elsewhere")


def test_an_explicit_sip_name_that_is_taken_is_a_conflict_and_nothing_is_half_written(register, unchanged):
    register(sip=["tele-sales"])
    unchanged()
    with pytest.raises(Conflict, match="SIP name tele-sales belongs to agent sales at /sales"):
        register("billing", "/billing", sip=["sip:TELE-SALES@h"])


def test_an_automatic_sip_name_that_is_taken_is_skipped_and_reported(register):
    register(sip=["billing"])
    change = register("billing", "/accounts")
    assert (change.sip, change.skipped) == (["accounts"], {"billing": "sales"})


def test_an_explicit_name_that_would_be_automatic_too_is_the_chosen_one(register):
    assert register(sip=["Sales"]).sip == ["sales"]
    assert SipMapping.objects.get().source == "manual"


def test_automatic_names_can_be_refused(register):
    assert register(auto_sip=False).sip == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Sales Agent"}, "how about 'sales-agent'"),
        ({"name": "a\0"}, "name"),
        ({"route": "//sales"}, "not a route"),
        ({"route": "/a b"}, "not a route"),
        ({"definition": {}}, "prompt: is missing"),
        ({"definition": None}, "definition"),
        ({"definition": [1]}, "definition"),
        ({"definition": {"prompt": {"text": "a\0b"}}}, "NUL"),
        ({"definition": {"prompt": {"text": "a"}, "global_data": {"a": "\ud800"}}}, "surrogate"),
        ({"sip": ["good", "a b"]}, "not a SIP name"),
        ({"sip": ["sip:name@ho\0st"]}, "not a SIP name"),
        ({"sip": ["sip:name@ho\ud800st"]}, "not a SIP name"),
        ({"credentials": ("a:b", "p")}, "':'"),
        ({"credentials": ("u", "")}, "password"),
        ({"credentials": ("u", "p\n")}, "control"),
        ({"credentials": ("u", "\ud800")}, "cannot be stored"),
        ({"signing_key": "a\0"}, "cannot be stored"),
        ({"note": "\ud800"}, "cannot be stored"),
    ],
)
def test_what_is_malformed_is_refused_in_words_and_changes_nothing(register, unchanged, options, words):
    unchanged()
    with pytest.raises(Malformed, match=words):
        register(**options)


def test_a_definition_that_is_nested_too_deeply_is_malformed(register, unchanged):
    deep: dict = {}
    for _ in range(400):
        deep = {"a": deep}
    unchanged()
    with pytest.raises(Malformed):
        register(definition={**DEFINITION, "params": deep})


def test_every_problem_of_a_definition_is_named_by_its_field(register):
    with pytest.raises(Malformed) as refusal:
        register(definition={"prompt": {}, "hints": 5, "nonsense": 1})
    assert set(refusal.value.problems) == {"prompt", "hints", "nonsense"}
    assert refusal.value.status == 422


def test_reserved_routes_are_a_conflict(register, unchanged):
    unchanged()
    for route in ("/dashboard", "/API/x", "/sip", "/sales/swaig"):
        with pytest.raises(Conflict):
            register(route=route)


def test_transfers_to_agents_that_are_not_there_are_a_warning(register):
    definition = {
        **DEFINITION,
        "functions": {
            "go": {"description": "Go", "handler": {"transfer": "billing"}},
            "back": {"description": "Back", "handler": {"transfer": "sales"}},
        },
    }
    assert register(definition=definition).warnings == ["function go transfers to billing, which is not registered"]
    register("billing", "/billing")
    assert register("other", "/other", definition=definition).warnings == []


# --- publish ---------------------------------------------------------------------------------------------------------


def test_publishing_makes_the_next_version_live_and_retires_the_one_before(register, actor):
    register()
    change = agents.publish("sales", OTHER, by=actor, note="cheaper")
    assert change.version == 2
    first, second = AgentVersion.objects.order_by("number")
    assert (first.retired is None, second.retired, second.note) == (False, None, "cheaper")
    assert Agent.objects.get().live == second


def test_publishing_the_same_again_makes_no_version(register, actor):
    register()
    change = agents.publish("sales", dict(DEFINITION), by=actor)
    assert (change.version, change.changed, change.renewed) == (1, False, [])
    assert AgentVersion.objects.count() == 1
    change = agents.publish("sales", OTHER, by=actor)
    assert (change.changed, change.renewed) == (True, ["version"])


def test_publishing_the_same_in_another_order_is_another_version(register, actor):
    register(definition={**DEFINITION, "params": {"a": 1, "b": 2}})
    assert agents.publish("sales", {**DEFINITION, "params": {"b": 2, "a": 1}}, by=actor).version == 2


def test_publishing_at_another_agents_route_is_a_conflict(register, actor, unchanged):
    register()
    register("billing", "/billing")
    unchanged()
    with pytest.raises(Conflict, match="taken by agent billing"):
        agents.publish("sales", OTHER, route="/billing", by=actor)
    with pytest.raises(NotFound, match="/nowhere"):
        agents.publish("sales", OTHER, route="/nowhere", by=actor)
    with pytest.raises(NotFound, match="'nobody'"):
        agents.publish("nobody", OTHER, by=actor)


def test_an_update_adds_sip_names_and_replaces_secrets_in_the_same_transaction(register, actor, unchanged):
    register(sip=["tele-sales"], credentials=("u", "p"), signing_key="key")
    change = agents.publish(
        "sales", OTHER, by=actor, route="sales/", sip=["Hotline", "tele-sales", "SALES"],
        credentials=("me", "secret"), signing_key="other-key",
    )  # fmt: skip
    assert (change.version, change.route) == (2, "/sales")
    assert change.sip == ["hotline", "sales"], "one was there as chosen, one as automatic"
    assert change.renewed == ["version", "SIP names", "credentials", "signing key"]
    assert set(SipMapping.objects.values_list("username", "source")) == {
        ("hotline", "manual"), ("tele-sales", "manual"), ("sales", "manual"),
    }  # fmt: skip
    agent = Agent.objects.get()
    assert (agent.credentials, agent.signing_key) == ("me:secret", "other-key")

    register("billing", "/billing", sip=["accounts"])
    unchanged()
    with pytest.raises(Conflict, match="SIP name accounts belongs to agent billing at /billing"):
        agents.publish("sales", DEFINITION, by=actor, sip=["more", "accounts"], credentials=("x", "y"))
    for wrong in ({"sip": ["a b"]}, {"credentials": ("a:b", "p")}, {"signing_key": "\0"}):
        with pytest.raises(Malformed):
            agents.publish("sales", DEFINITION, by=actor, **wrong)


def test_what_an_update_does_not_mention_stays(register, actor, unchanged):
    register(sip=["tele-sales"], credentials=("u", "p"), signing_key="key")
    unchanged()
    change = agents.publish("sales", DEFINITION, by=actor, sip=["tele-sales"], credentials=("u", "p"), signing_key="")
    assert (change.changed, change.sip) == (False, [])


def test_secrets_of_an_agents_own_can_be_given_up_for_the_fleets(register, actor, settings, unchanged):
    register(credentials=("u", "p"), signing_key="key")
    change = agents.publish("sales", DEFINITION, by=actor, signing_key=instead.FLEET)
    assert (change.renewed, change.of_fleet, Agent.objects.get().signing_key) == (["signing key"], False, "")
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    change = agents.publish("sales", DEFINITION, by=actor, credentials=instead.FLEET)
    assert (change.renewed, change.of_fleet, Agent.objects.get().credentials) == (["credentials"], True, "")
    assert credentials.reveal_credentials("sales", by=actor) == ("signalwire", "fleet-password")
    settings.SWML_BASIC_AUTH_PASSWORD = ""
    unchanged()
    for act in (lambda: agents.publish("sales", DEFINITION, by=actor, credentials=instead.FLEET),
                lambda: register("billing", "/billing", credentials=instead.FLEET)):  # fmt: skip
        with pytest.raises(Conflict, match="the fleet has no credentials: set SWML_BASIC_AUTH_PASSWORD"):
            act()


def test_sip_names_go_to_the_only_route_or_to_the_one_that_is_named(register, actor, unchanged):
    register(auto_sip=False)
    assert agents.publish("sales", DEFINITION, by=actor, sip=["one"]).route == "/sales"
    Route.objects.create(path="/more", agent=Agent.objects.get())
    agents.publish("sales", DEFINITION, by=actor, sip=["two"], route="/more")
    assert dict(SipMapping.objects.values_list("username", "route__path")) == {"one": "/sales", "two": "/more"}
    unchanged()
    with pytest.raises(Conflict, match="several routes, /sales and /more among them: say which"):
        agents.publish("sales", DEFINITION, by=actor, sip=["three"])


# --- unregister ------------------------------------------------------------------------------------------------------


def test_unregistering_takes_route_and_names_away_and_trashes_the_agent(register, actor):
    register(sip=["tele-sales"])
    change = routes.unregister("sales/", by=actor)
    assert (change.agent, change.route, sorted(change.sip)) == ("sales", "/sales", ["sales", "tele-sales"])
    assert not Route.objects.exists()
    assert not SipMapping.objects.exists()
    agent = Agent.objects.get()
    assert (agent.state, agent.trashed is None) == ("trashed", False)
    with pytest.raises(NotFound, match="nothing is registered at /sales"):
        routes.unregister("/sales", by=actor)
    with pytest.raises(NotFound, match="in the trash"):
        pauses.pause("sales", by=actor)


def test_who_unregisters_an_agents_name_is_told_its_route(register, actor, unchanged):
    register("shop", "/x")
    unchanged()
    with pytest.raises(NotFound, match="nothing is registered at /shop; agent shop is at /x: unregister /x"):
        routes.unregister("shop", by=actor)
    with pytest.raises(NotFound, match="agent shop is at /x: use /x"):
        sip_names.register_sip_username("name", "/shop", by=actor)
    with pytest.raises(NotFound, match="nothing is registered at /nobody: `agents` lists the routes"):
        routes.unregister("nobody", by=actor)


def test_who_unregisters_the_name_of_an_agent_with_several_routes_is_told_all_of_them(register, actor):
    register("shop", "/x")
    Route.objects.create(path="/y", agent=Agent.objects.get())
    with pytest.raises(NotFound, match=r"agent shop is at /x, /y$"):
        routes.unregister("shop", by=actor)


def test_an_agent_with_another_route_goes_on_serving(register, actor):
    register()
    Route.objects.create(path="/more", agent=Agent.objects.get())
    routes.unregister("/sales", by=actor)
    assert Agent.objects.get().state == "serving"


def test_registering_again_brings_an_agent_back_with_its_versions_and_credentials(register, actor):
    password = register().credentials
    route = Route.objects.get().pk
    pauses.pause("sales", by=actor)
    routes.unregister("/sales", by=actor)
    change = register(route="/elsewhere", definition=OTHER)
    assert (change.version, change.credentials) == (2, None)
    assert change.warnings == ["taken out of the trash with the credentials it had; --basic-auth replaces them"]
    assert credentials.reveal_credentials("sales", by=actor) == password
    agent = Agent.objects.get()
    assert (agent.state, agent.trashed, agent.pause_message) == ("serving", None, "")
    assert Route.objects.get().pk != route


@pytest.mark.parametrize(
    ("had", "given", "says"),
    [
        (
            {"credentials": ("u", "p"), "signing_key": "key"},
            {},
            [
                (
                    "taken out of the trash with the credentials and the signing key it had; "
                    "--basic-auth and --signing-key replace them"
                )
            ],
        ),
        (
            {"credentials": ("u", "p"), "signing_key": "key"},
            {"credentials": ("me", "secret")},
            ["taken out of the trash with the signing key it had; --signing-key replaces it"],
        ),
        (
            {"credentials": ("u", "p"), "signing_key": "key"},
            {"credentials": ("me", "secret"), "signing_key": instead.FLEET},
            [],
        ),
        ({}, {}, []),
    ],
)  # fmt: skip
def test_secrets_from_before_the_trash_are_kept_and_said(register, actor, settings, had, given, says):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    register(**had)
    routes.unregister("/sales", by=actor)
    change = register(**given)
    assert change.warnings == says
    assert change.of_fleet == (not had)
    agent = Agent.objects.get()
    assert agent.credentials == ("" if not had else "me:secret" if given else "u:p")
    assert agent.signing_key == ("key" if had and "signing_key" not in given else "")


def test_secrets_from_before_the_trash_that_no_key_can_read_are_gone_and_that_is_said(register, actor, settings):
    register(credentials=("u", "p"), signing_key="key")
    routes.unregister("/sales", by=actor)
    settings.SECRET_KEY = "another"
    change = register()
    assert change.credentials is not None
    assert change.warnings == [
        "the credentials and the signing key it had cannot be read with this SECRET_KEY and are gone"
    ]
    assert Agent.objects.get().signing_key == ""


# --- pause, resume ---------------------------------------------------------------------------------------------------


def test_pausing_and_resuming(register, actor):
    register()
    pauses.pause("sales", "  Back at noon. ", by=actor)
    agent = Agent.objects.get()
    assert (agent.state, agent.pause_message) == ("paused", "Back at noon.")
    assert not pauses.pause("sales", "Back at noon.", by=actor).changed
    pauses.pause("sales", by=actor)
    assert Agent.objects.get().pause_message == pauses.PAUSE_MESSAGE
    pauses.resume("sales", by=actor)
    agent = Agent.objects.get()
    assert (agent.state, agent.pause_message) == ("serving", "")


def test_a_pause_that_ends_by_itself(register, actor):
    register()
    until = timezone.now() + timedelta(minutes=15)
    assert pauses.pause("sales", by=actor, until=until).changed
    agent = Agent.objects.get()
    assert (agent.state, agent.paused_until, agent.current_state) == ("paused", until, "paused")
    assert not pauses.pause("sales", by=actor, until=until).changed
    assert pauses.pause("sales", by=actor, until=until + timedelta(hours=1)).changed
    assert pauses.pause("sales", by=actor).changed  # until somebody resumes it
    assert Agent.objects.get().paused_until is None
    for end in (pauses.resume, lambda name, by: trash.unregister_agent(name, by=by)):
        pauses.pause("sales", by=actor, until=until)
        end("sales", by=actor)
        assert Agent.objects.get().paused_until is None


@pytest.mark.parametrize(
    ("until", "problem"),
    [
        (timezone.now() - timedelta(seconds=1), "future"),
        (datetime.min.replace(tzinfo=UTC), "future"),
        (timezone.now() + timedelta(days=31), "30 days"),
        (datetime.max.replace(tzinfo=UTC), "30 days"),
        (datetime.now() + timedelta(hours=1), "offset"),  # noqa: DTZ005
    ],
)
def test_a_pause_cannot_end_at_any_time(register, actor, unchanged, until, problem):
    register()
    unchanged()
    with pytest.raises(Malformed, match=problem) as refusal:
        pauses.pause("sales", by=actor, until=until)
    assert list(refusal.value.problems) == ["until"]


def pause_is_over(*names):
    """As if these agents had been paused until a second ago."""
    moment = timezone.now() - timedelta(seconds=1)
    Agent.objects.filter(name__in=names).update(state="paused", pause_message="Later.", paused_until=moment)


def test_who_is_overdue_serves_and_is_resumed_once(register, actor):
    for name in ("over", "later", "for-good", "serving"):
        register(name, f"/{name}")
    pause_is_over("over")
    pauses.pause("later", by=actor, until=timezone.now() + timedelta(minutes=1))
    pauses.pause("for-good", by=actor)
    assert Agent.objects.get(name="over").current_state == "serving"
    listed = {
        state: set(Agent.objects.filter(Agent.in_state(state)).values_list("name", flat=True))
        for state in ("serving", "paused", "trashed")
    }
    assert listed == {"serving": {"over", "serving"}, "paused": {"later", "for-good"}, "trashed": set()}
    told = describe_agent(Agent.objects.get(name="over"))
    assert (told["state"], told["pause_message"], told["paused_until"]) == ("serving", "", None)
    tag = agent_tag(Agent.objects.get(name="over"))
    revision = RegistryChange.newest()

    assert pauses.resume_what_is_over() == ["over"]
    assert pauses.resume_what_is_over() == []
    over = Agent.objects.get(name="over")
    assert (over.state, over.pause_message, over.paused_until) == ("serving", "", None)
    assert agent_tag(over) == tag  # nobody's edit is refused for it
    assert set(Agent.objects.filter(state="paused").values_list("name", flat=True)) == {"later", "for-good"}
    assert RegistryChange.newest() == revision + 1
    row = read_audit(Search(agent="over", what="agent"), 1)[0]
    assert (row["who"], row["via"], row["note"]) == ("Switchboard", "serve", "its time was up")
    assert row["changes"]["state"] == {"before": "paused", "after": "serving"}
    assert row["changes"]["paused_until"]["after"] is None


def test_several_workers_resume_an_agent_once(transactional_db, actor):
    for number in range(3):
        agents.register(f"a{number}", f"/a{number}", DEFINITION, by=actor)
    pause_is_over("a0", "a1", "a2")
    done = []

    def resume():
        done.extend(pauses.resume_what_is_over())
        connections.close_all()

    threads = [threading.Thread(target=resume) for _ in range(4)]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])  # so that all of them have looked
        for thread in threads:
            thread.start()
        wait_for(lambda: waiting_for_the_lock() == len(threads))
    for thread in threads:
        thread.join()
    assert sorted(done) == ["a0", "a1", "a2"]


def waiting_for_the_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]


def test_the_resumer_says_once_what_keeps_it_from_its_work(register, actor, monkeypatch, caplog):
    register()
    pause_is_over("sales")
    resumer = Resumer()
    with caplog.at_level("INFO"):
        with monkeypatch.context() as refusing:
            refusing.setattr(changes, "refuse_another_key", lambda: (_ for _ in ()).throw(Busy("not now")))
            resumer.work()
            resumer.work()
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            f"{Resumer.trouble}: not now"
        ]
        resumer.work()
        assert "Resumed sales" in caplog.text
    pause_is_over("sales")
    resumer.stopping.set()
    resumer.work()
    assert Agent.objects.get().state == "paused"


@pytest.mark.parametrize("message", ["a\0b", "\ud800", "x" * (pauses.MAX_PAUSE_MESSAGE + 1)])
def test_a_pause_message_that_cannot_be_said_is_malformed(register, actor, unchanged, message):
    register()
    unchanged()
    with pytest.raises(Malformed, match="message"):
        pauses.pause("sales", message, by=actor)


# --- SIP names and the default route ---------------------------------------------------------------------------------


def test_a_sip_name_is_bound_taken_away_and_free_again(register, actor):
    register()
    register("billing", "/billing")
    assert sip_names.register_sip_username("Help-Desk", "/sales", by=actor).sip == ["help-desk"]
    with pytest.raises(Conflict, match="agent sales at /sales"):
        sip_names.register_sip_username("help-desk", "/billing", by=actor)
    again = sip_names.register_sip_username("help-desk", "/sales", by=actor)
    assert (again.sip, again.changed) == (["help-desk"], False), "it is so already"
    change = sip_names.unregister_sip_username("sip:HELP-DESK@h", by=actor)
    assert (change.agent, change.route, change.sip) == ("sales", "/sales", ["help-desk"])
    with pytest.raises(NotFound, match="nobody has the SIP name help-desk"):
        sip_names.unregister_sip_username("help-desk", by=actor)
    sip_names.register_sip_username("help-desk", "/billing", by=actor)


def test_an_automatic_name_becomes_a_chosen_one(register, actor):
    register()
    sip_names.register_sip_username("SALES", "/sales", by=actor)
    mapping = SipMapping.objects.get()
    assert (mapping.source, mapping.typed) == ("manual", "SALES")


@pytest.mark.parametrize("typed", ["sip:name@ho\0st", "sip:name@ho\ud800st", "a b", "", None, 5])
def test_a_name_that_cannot_be_stored_is_malformed(register, actor, unchanged, typed):
    register()
    unchanged()
    with pytest.raises(Malformed):
        sip_names.register_sip_username(typed, "/sales", by=actor)


def test_a_name_for_a_route_that_is_not_there_is_not_found(register, actor, unchanged):
    unchanged()
    with pytest.raises(NotFound, match="/nowhere"):
        sip_names.register_sip_username("name", "/nowhere", by=actor)


def test_there_is_one_default_route_or_none(register, actor):
    register()
    register("billing", "/billing")
    assert routes.set_default_route("/sales", by=actor).agent == "sales"
    assert routes.set_default_route("/billing", by=actor).agent == "billing"
    assert not routes.set_default_route("/billing", by=actor).changed
    assert Route.objects.get(default=True).path == "/billing"
    with pytest.raises(NotFound):
        routes.set_default_route("/nowhere", by=actor)
    assert Route.objects.get(default=True).path == "/billing"
    routes.set_default_route(None, by=actor)
    assert not Route.objects.filter(default=True).exists()


def test_credentials_that_nobody_has_are_not_found(register, actor):
    register()
    Agent.objects.update(credentials="")
    with pytest.raises(NotFound, match="SWML_BASIC_AUTH_PASSWORD"):
        credentials.reveal_credentials("sales", by=actor)
    with pytest.raises(NotFound):
        credentials.reveal_credentials("nobody", by=actor)


# --- several at once -------------------------------------------------------------------------------------------------


def at_once(*works):
    """Each in a thread of its own, started at the same instant; results or exceptions, in their order."""
    outcomes = [None] * len(works)
    together = threading.Barrier(len(works))

    def run(index, work):
        try:
            connection.ensure_connection()
            together.wait(10)
            outcomes[index] = work()
        except Exception as error:  # noqa: BLE001 - is looked at by the test
            outcomes[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def test_of_two_registrations_of_one_route_at_the_same_instant_one_wins(transactional_db, actor):
    for attempt in range(5):
        route = f"/wanted-{attempt}"
        names = [f"first-{attempt}", f"second-{attempt}"]
        outcomes = at_once(
            *[lambda name=name, route=route: agents.register(name, route, DEFINITION, by=actor) for name in names]
        )
        (loser,) = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)]
        winner = names[1 - loser]
        assert isinstance(outcomes[loser], Conflict), outcomes
        assert f"{route} is taken by agent {winner}" in str(outcomes[loser])
        assert not Agent.objects.filter(name=names[loser]).exists(), "nothing is half-written"
        assert not SipMapping.objects.filter(username=names[loser]).exists()
        assert Route.objects.get(path=route).agent.name == winner


def test_of_two_registrations_of_one_sip_name_at_the_same_instant_one_wins(transactional_db, actor):
    names = ["first", "second", "third"]
    outcomes = at_once(
        *[lambda name=name: agents.register(name, f"/{name}", DEFINITION, sip=["desk"], by=actor) for name in names]
    )
    losers = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(losers) == 2, outcomes
    owner = SipMapping.objects.get(username="desk").route.agent.name
    assert all(f"belongs to agent {owner}" in str(loser) for loser in losers)
    assert [agent.name for agent in Agent.objects.all()] == [owner]
    assert AgentVersion.objects.count() == 1


def test_many_changes_at_once_each_have_a_revision_of_their_own(transactional_db, actor):
    works = [lambda n=n: agents.register(f"agent-{n}", f"/agent-{n}", DEFINITION, by=actor) for n in range(6)]
    revisions = [change.revision for change in at_once(*works)]
    assert len(set(revisions)) == 6
    feed = list(RegistryChange.objects.values_list("revision", flat=True))
    assert feed == list(range(feed[0], feed[0] + len(feed))), "no gap"
    assert max(revisions) == feed[-1]


def test_publish_and_unregister_at_once_end_in_one_of_the_two_orders(transactional_db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    published, gone = at_once(
        lambda: agents.publish("sales", OTHER, by=actor), lambda: routes.unregister("/sales", by=actor)
    )
    assert not isinstance(gone, Exception)
    assert isinstance(published, NotFound) or published.version == 2
    assert Agent.objects.get().state == "trashed"


def test_a_change_that_waits_too_long_for_another_is_busy(transactional_db, actor, monkeypatch):
    monkeypatch.setattr(changes, "LOCK_SECONDS", 0.05)
    locked, done = threading.Event(), threading.Event()

    def hold():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
                locked.set()
                done.wait(10)
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert locked.wait(10)
        with pytest.raises(Busy, match="try again"):
            agents.register("sales", "/sales", DEFINITION, by=actor)
    finally:
        done.set()
        thread.join()
    assert not Agent.objects.exists()
    agents.register("sales", "/sales", DEFINITION, by=actor)


def test_somebody_who_writes_beside_the_actions_is_a_conflict_too(register, actor, monkeypatch):
    register()
    monkeypatch.setattr(agents, "refuse_taken_route", lambda path, name: None)
    with pytest.raises(Conflict, match="the database refused"):
        register("billing", "/sales")
    assert not Agent.objects.filter(name="billing").exists()


def test_whoever_waits_is_told_how_far_it_has_come(register, monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    assert register().everywhere is None
    change = register("billing", "/billing", wait=True)
    assert (change.everywhere.live, change.everywhere.done) == (0, True)
    assert Actor("a", "b").request_id == ""
