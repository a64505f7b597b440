import logging
import math
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from signalwire.core.security.session_manager import SessionManager

from agents.models import Agent, AgentVersion
from agents.python.sdk_tokens import swaig_secret
from agents.tokens import TOKEN_SECONDS, TokenKey, for_function
from registry.actions import agents as agent_actions
from registry.actions import pauses, routes, sip_names
from registry.actions.transaction import Actor
from registry.models import RegistryChange, Route
from registry.routing.decide import decide
from registry.routing.facts import Facts
from registry.routing.table import NOT_PAUSED
from registry.serving.loader import Loader
from tests.client import load_table
from tests.registry.pretending import pretend

DEFINITION = {"prompt": {"text": "I sell."}}


def text(number):
    return {"prompt": {"text": f"I am number {number}."}}


def summary(table):
    """What a table says, for comparing two of them."""
    return {
        "revision": table.revision,
        "routes": {
            path: (
                entry.id,
                entry.prefix,
                entry.agent.name,
                entry.agent.live and entry.agent.live.number,
                sorted(entry.agent.versions),
                entry.agent.paused,
                entry.agent.paused_until,
                entry.agent.credentials,
                entry.agent.signing_key,
            )
            for path, entry in table.routes.items()
        },
        "sip": {name: entry.path for name, entry in table.sip.items()},
        "agents": {name: entry.path for name, entry in table.agents.items()},
        "default": table.default and table.default.path,
    }


def test_the_table_has_what_is_registered(fleet):
    table = load_table()
    assert list(table.routes) == ["/clinic/booking", "/pharmacy", "/info"]
    assert {name: entry.agent.name for name, entry in table.sip.items()} == {
        "appointments": "booking-desk",
        "booking-desk": "booking-desk",
        "bookingdesk": "booking-desk",
        "booking": "booking-desk",
        "refills": "pharmacy",
        "pharmacy": "pharmacy",
        "info-line": "info-line",
        "infoline": "info-line",
        "info": "info-line",
    }
    agent = table.routes["/pharmacy"].agent
    assert (agent.name, agent.live.number, agent.paused, agent.problem) == ("pharmacy", 1, None, "")
    assert (agent.credentials.user, agent.credentials.password) == ("u", "p")
    assert table.revision == RegistryChange.newest()
    assert table.default is None


def test_after_any_change_the_next_table_is_the_one_that_a_full_load_gives(transactional_db, actor):
    loader = Loader()
    table = loader.next(None)
    assert summary(table)["routes"] == {}

    def register(name, route, **options):
        return lambda: agent_actions.register(name, route, DEFINITION, by=actor, **options)

    def sql(statement):
        def run():
            with connection.cursor() as cursor:
                cursor.execute(statement)

        return run

    for change in [
        register("a", "/a", credentials=("u", "p")),
        register("b", "/b", sip=["desk"]),
        lambda: agent_actions.publish("a", text(2), by=actor),
        lambda: pauses.pause("a", "Later.", by=actor),
        lambda: pauses.pause("a", "Later.", until=timezone.now() + timedelta(hours=1), by=actor),
        lambda: routes.set_default_route("/b", by=actor),
        lambda: routes.set_default_route("/a", by=actor),
        lambda: sip_names.register_sip_username("hotline", "/a", by=actor),
        lambda: sip_names.unregister_sip_username("desk", by=actor),
        register("c", "/c"),
        lambda: pauses.resume("a", by=actor),
        lambda: routes.unregister("/a", by=actor),
        register("a", "/again"),
        sql(
            "UPDATE registry_sipmapping SET route_id = (SELECT id FROM registry_route WHERE path = '/c') "
            "WHERE username = 'a'"
        ),
        sql("UPDATE registry_route SET enabled = false WHERE path = '/b'"),
        sql(
            "UPDATE registry_route SET agent_id = (SELECT id FROM agents_agent WHERE name = 'c') WHERE path = '/again'"
        ),
        sql("UPDATE registry_route SET enabled = true"),
        sql("UPDATE agents_agent SET state = 'trashed' WHERE name = 'c'"),
        sql("UPDATE agents_agent SET state = 'serving', live_id = NULL WHERE name = 'c'"),
        sql("DELETE FROM registry_sipmapping"),
        lambda: (routes.unregister("/b", by=actor), register("b", "/b")(), pauses.pause("b", by=actor)),
    ]:
        change()
        before, table = table, loader.next(table)
        assert table is not before
        assert table.revision == RegistryChange.newest()
        assert summary(table) == summary(Loader().next(None))


def test_without_a_change_it_is_the_same_table(transactional_db, actor):
    loader = Loader()
    agent_actions.register("a", "/a", DEFINITION, by=actor)
    table = loader.next(None)
    assert loader.next(table) is table


def test_an_agent_that_did_not_change_is_not_loaded_again(transactional_db, actor):
    loader = Loader()
    agent_actions.register("a", "/a", DEFINITION, by=actor)
    agent_actions.register("b", "/b", DEFINITION, by=actor)
    table = loader.next(None)
    agent_actions.publish("b", text(2), by=actor)
    following = loader.next(table)
    assert following.routes["/a"] is table.routes["/a"]
    assert following.routes["/b"] is not table.routes["/b"]
    assert following.routes["/b"].agent.versions[1] is table.routes["/b"].agent.live


def test_only_versions_that_are_served_are_remembered(transactional_db, actor):
    loader = Loader()
    agent_actions.register("a", "/a", DEFINITION, by=actor)
    table = loader.next(None)
    agent_actions.publish("a", text(2), by=actor)
    long_ago = timezone.now() - timedelta(seconds=TOKEN_SECONDS + 60)
    AgentVersion.objects.filter(number=1).update(retired=long_ago)
    table = loader.next(table)
    (versions,) = loader.prepared.values()
    assert list(versions.values()) == [table.routes["/a"].agent.live]
    routes.unregister("/a", by=actor)
    loader.next(table)
    assert loader.prepared == {}


def test_a_live_version_of_another_agent_is_not_served(fleet):
    Agent.objects.filter(name="pharmacy").update(live=AgentVersion.objects.get(agent__name="info-line"))
    assert load_table().routes["/pharmacy"].agent.problem == "it has no live version"


@pytest.mark.parametrize("what_happens", ["a gap", "the feed is set back", "something that no agent owns"])
def test_when_it_is_not_known_what_changed_everything_is_loaded_and_prepared_anew(
    transactional_db, actor, what_happens
):
    loader = Loader()
    agent_actions.register("a", "/a", DEFINITION, by=actor)
    table = loader.next(None)
    agent_actions.register("b", "/b", DEFINITION, by=actor)
    newest = RegistryChange.newest()
    if what_happens == "a gap":
        RegistryChange.objects.filter(revision__gt=table.revision, revision__lt=newest).delete()
        RegistryChange.objects.filter(revision=newest).update(agent_id=Agent.objects.get(name="a").pk)
    elif what_happens == "the feed is set back":
        RegistryChange.objects.filter(revision__gte=2).delete()
    else:
        RegistryChange.objects.filter(revision=newest).update(agent_id=None)
    following = loader.next(table)
    assert set(following.routes) == {"/a", "/b"}
    # The feed may be that of another database, with other versions of the same ids.
    assert following.routes["/a"].agent.live is not table.routes["/a"].agent.live
    assert following.revision == RegistryChange.newest()


def test_versions_that_were_live_within_a_tokens_life_are_there_for_running_calls(fleet, actor):
    for number in (2, 3, 4):
        agent_actions.publish("info-line", text(number), by=actor)
    long_ago = timezone.now() - timedelta(seconds=TOKEN_SECONDS + 60)
    AgentVersion.objects.filter(agent__name="info-line", number=2).update(retired=long_ago)
    agent = load_table().routes["/info"].agent
    assert set(agent.versions) == {1, 3, 4}
    assert agent.live is agent.versions[4]


def test_agents_without_credentials_of_their_own_have_the_fleets_or_nobody_gets_in(fleet, settings):
    Agent.objects.filter(name="info-line").update(credentials="", signing_key="")
    Agent.objects.filter(name="pharmacy").update(signing_key="own")
    assert load_table().routes["/info"].agent.credentials is None
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet"
    settings.SIGNALWIRE_SIGNING_KEY = "fleet-key"
    table = load_table()
    agent = table.routes["/info"].agent
    assert (agent.credentials.user, agent.credentials.password, agent.signing_key) == (
        "signalwire",
        "fleet",
        "fleet-key",
    )
    assert table.routes["/pharmacy"].agent.credentials.user == "u"
    assert table.routes["/pharmacy"].agent.signing_key == "own"


def insert_version(agent: Agent, definition: str) -> None:
    """A live version as somebody writes it by SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agents_agentversion (agent_id, number, definition, note, author, created) "
            "VALUES (%s, 99, %s, '', 'sql', now()) RETURNING id",
            [agent.pk, definition],
        )
        Agent.objects.filter(pk=agent.pk).update(live_id=cursor.fetchone()[0])


@pytest.mark.parametrize(
    "definition",
    [
        "{}",
        "[]",
        "null",
        "5",
        '{"prompt": {"text": 5}}',
        '{"prompt": {"text": "a"}, "params": ' + '{"a":' * 300 + "1" + "}" * 301,
        "{not json",
        "",
        '{"prompt": {"text": "\\ud800"}}',
        "[" * 5000,
    ],
)
def test_a_definition_that_somebody_broke_by_sql_breaks_no_other_agent(fleet, caplog, definition):
    insert_version(Agent.objects.get(name="pharmacy"), definition)
    with caplog.at_level(logging.CRITICAL, "registry.serving.loader"):
        table = load_table()
    broken = table.routes["/pharmacy"].agent
    assert broken.live is None
    assert broken.problem
    assert not broken.live_step.ok
    assert set(broken.versions) == set()
    assert table.routes["/info"].agent.live.number == 1


def test_an_agent_without_a_live_version_says_so(fleet):
    Agent.objects.filter(name="pharmacy").update(live=None)
    agent = load_table().routes["/pharmacy"].agent
    assert (agent.live, agent.problem) == (None, "it has no live version")


def test_routes_that_are_off_and_agents_in_the_trash_are_not_served(fleet):
    Route.objects.filter(path="/info").update(enabled=False)
    Agent.objects.filter(name="pharmacy").update(state="trashed")
    table = load_table()
    assert set(table.routes) == {"/clinic/booking"}
    assert set(table.agents) == {"booking-desk"}
    assert "refills" not in table.sip


def test_an_agent_whose_secrets_are_of_another_key_lets_nobody_in_and_hides_no_other_agent(fleet, settings):
    settings.SECRET_KEY = "another"
    Agent.objects.filter(name="pharmacy").update(credentials="x:y")
    table = load_table()
    assert table.agents["info-line"].agent.credentials is None
    assert table.agents["pharmacy"].agent.credentials.user == "x"
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet"
    assert load_table().agents["info-line"].agent.credentials is None


def test_the_change_feed_is_pruned_and_a_table_that_has_missed_more_is_loaded_whole(fleet, actor):
    before = load_table()
    far = RegistryChange.objects.create(revision=before.revision + 20_000, created=timezone.now())
    pauses.pause("pharmacy", by=actor)
    assert list(RegistryChange.objects.values_list("revision", flat=True)) == [far.revision, far.revision + 1]
    assert RegistryChange.newest() - before.revision > RegistryChange.objects.count()  # the gap that Loader.next sees


def test_the_table_knows_when_a_pause_ends(fleet, actor):
    until = timezone.now() + timedelta(minutes=15)
    pauses.pause("pharmacy", by=actor, until=until)
    pauses.pause("info-line", by=actor)
    agents = load_table().agents
    assert agents["pharmacy"].agent.paused_until == pytest.approx(until.timestamp(), abs=1e-5)
    assert agents["info-line"].agent.paused_until == agents["booking-desk"].agent.paused_until == math.inf
    assert (agents["booking-desk"].agent.paused, agents["booking-desk"].agent.pause_over) == (None, NOT_PAUSED)


def test_an_end_of_a_pause_that_only_sql_can_write_breaks_nothing(fleet, actor):
    pauses.pause("pharmacy", by=actor)
    for end in ("infinity", "-infinity", "294276-12-31", "4713-01-01 BC"):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE agents_agent SET paused_until = %s WHERE name = 'pharmacy'", [end])
        assert len(load_table().agents) == 3


def test_calls_keep_their_version_when_their_agent_becomes_something_else(db, monkeypatch):
    """A definition that becomes a Python agent, and back: tokens of both, and marks, lead to where they were made."""
    pretend(monkeypatch)
    admin = Actor("alice", "command", may_run_code=True)
    settings_key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), "changing")
    purpose, now = for_function("get_price"), time.time()
    agent_actions.register("changing", "/changing", DEFINITION, by=admin)
    python = {"python": {"class": "sales:Sales"}}
    for definition in (python, text(3)):
        agent_actions.publish("changing", definition, by=admin)
        table = load_table()
        [ours] = settings_key.mint(1, int(now) + 60, [purpose], "C1")
        sdk = SessionManager(60, swaig_secret(settings_key, 2)).generate_token("get_price", "C1")
        for given, number in (({"token": ours.decode()}, 1), ({"token": sdk}, 2), ({"mark": "2"}, 2)):
            facts = Facts("/changing/swaig", function="get_price", call_ids=("C1",), **given)
            assert decide(table, facts, now).version.number == number, given
    assert decide(table, Facts("/changing/swaig", function="get_price", mark="1"), now).version.number == 3
