"""A process with another secret key than the database's changes nothing; a changed key takes the secrets along."""

import inspect
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.fields import UNREADABLE
from agents.models import Agent
from registry.actions import agents, credentials, pauses, routes, sip_names, transaction, trash, versions
from registry.actions.transaction import Actor
from registry.base.errors import WrongSecret
from registry.installation import initialise
from registry.models import Installation, RegistryChange
from registry.secret_key import fingerprint
from tests.registry.actions.test_actions import everything

pytestmark = pytest.mark.django_db
AgentEvent = apps.get_model("agents", "AgentEvent")
DEFINITION = {"prompt": {"text": "I sell."}, "mcp": True}

ACTIONS = {
    "register": lambda actor: agents.register("billing", "/billing", DEFINITION, by=actor),
    "publish": lambda actor: agents.publish("sales", {"prompt": {"text": "x"}}, by=actor),
    "unregister": lambda actor: routes.unregister("/sales", by=actor),
    "pause": lambda actor: pauses.pause("sales", by=actor),
    "resume": lambda actor: pauses.resume("sales", by=actor),
    "register_sip_username": lambda actor: sip_names.register_sip_username("x", "/sales", by=actor),
    "unregister_sip_username": lambda actor: sip_names.unregister_sip_username("sales", by=actor),
    "set_default_route": lambda actor: routes.set_default_route("/sales", by=actor),
    "reveal_credentials": lambda actor: credentials.reveal_credentials("sales", by=actor),
    "issue_mcp_token": lambda actor: credentials.issue_mcp_token("sales", 1, by=actor),
    "update_agent": lambda actor: agents.update_agent("sales", title="Sales", by=actor),
    "register_route": lambda actor: routes.register_route("sales", "/more", by=actor),
    "update_route": lambda actor: routes.update_route("/sales", enabled=False, by=actor),
    "unregister_agent": lambda actor: trash.unregister_agent("sales", by=actor),
    "restore_agent": lambda actor: trash.restore_agent("former", by=actor),
    "save_draft": lambda actor: versions.save_draft("sales", {"prompt": {"text": "y"}}, by=actor),
    "discard_draft": lambda actor: versions.discard_draft("sales", by=actor),
    "publish_draft": lambda actor: versions.publish_draft("sales", by=actor),
    "restore_version": lambda actor: versions.restore_version("sales", 2, by=actor),
    "reencrypt": lambda actor: credentials.reencrypt(by=actor),
    "set_aside": lambda actor: versions.set_aside("sales", {"prompt": {"text": "w"}}, by=actor),
    "move_sip_username": lambda actor: sip_names.move_sip_username("sales", "/late", by=actor),
    "restore_route": lambda actor: routes.restore_route("sales", GONE, by=actor),
    "resume_what_is_over": lambda actor: pauses.resume_what_is_over(),
}
GONE = {"path": "/gone", "enabled": True, "default": False, "sip": []}


@pytest.fixture
def sales(settings, actor):
    """An agent with secrets, in a database that belongs to the key `old`."""
    settings.SECRET_KEY = "old"
    initialise(example=False, by=actor)
    agents.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", "p"), signing_key="key")


def test_the_actions_here_are_all_there_are():
    found = {
        name
        for module in (agents, credentials, pauses, routes, sip_names, trash, versions)
        for name, function in vars(module).items()
        if inspect.isfunction(function) and "changing" in function.__code__.co_names
    }
    assert found - {"set_state"} | {"pause", "resume"} == set(ACTIONS)


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize(
    ("fallbacks", "words"), [([], "belongs to another SECRET_KEY"), (["old"], "start `serve`, which takes")]
)
def test_no_action_writes_with_another_key(sales, actor, settings, name, fallbacks, words):
    versions.save_draft("sales", {"prompt": {"text": "z"}}, by=actor)
    agents.register("former", "/former", DEFINITION, by=actor)
    trash.unregister_agent("former", by=actor)
    agents.register("late", "/late", DEFINITION, by=actor)
    pauses.pause("late", by=actor)
    Agent.objects.filter(name="late").update(paused_until=timezone.now() - timedelta(minutes=1))
    before = everything(), RegistryChange.newest(), AgentEvent.objects.count()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", fallbacks
    with pytest.raises(WrongSecret, match=words):
        ACTIONS[name](actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", []
    assert (everything(), RegistryChange.newest(), AgentEvent.objects.count()) == before
    ACTIONS[name](actor)


def test_a_database_that_is_nobodys_yet_can_be_changed(actor):
    assert not Installation.objects.exists()
    agents.register("sales", "/sales", DEFINITION, by=actor)


def test_the_check_is_one_query(sales, actor):
    with CaptureQueriesContext(connection) as captured, transaction.changing(actor):
        pass
    assert sum("registry_installation" in query["sql"] for query in captured) == 1


def kept():
    """What the database holds, by agent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, credentials, signing_key FROM agents_agent ORDER BY name")
        return {name: secrets for name, *secrets in cursor.fetchall()}


def test_a_change_of_the_key_encrypts_anew_what_the_old_one_encrypted(sales, actor, settings):
    agents.register("billing", "/billing", DEFINITION, by=actor, credentials=("b", "q"))
    agents.register("gone", "/gone", DEFINITION, by=actor, credentials=("g", "r"))
    routes.unregister("/gone", by=actor)
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    agents.register("fleet", "/fleet", DEFINITION, by=actor)
    before, revision = kept(), RegistryChange.newest()

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["older", "old"]
    assert initialise(example=True, by=Actor("serve", "serve")).reencrypted == 3
    assert kept()["fleet"] == ["", ""]
    assert not {text for texts in before.values() for text in texts if text} & {
        text for texts in kept().values() for text in texts
    }
    assert RegistryChange.newest() > revision, "snapshots on disk must follow"
    events = AgentEvent.objects.order_by("pgh_id")[:100]
    told = {
        event.name: event.pgh_context.metadata
        for event in events
        if event.pgh_context.metadata.get("changed") == "secret key"
    }
    assert told == {
        name: {"user": "serve", "via": "serve", "changed": "secret key"} for name in ("billing", "gone", "sales")
    }

    # The old one can go, and a second start has nothing to do.
    again = kept()
    assert initialise(example=False, by=actor).reencrypted == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert initialise(example=False, by=actor).reencrypted == 0
    assert kept() == again
    secrets = {agent.name: (agent.credentials, agent.signing_key) for agent in Agent.objects.all()}
    assert secrets == {"billing": ("b:q", ""), "fleet": ("", ""), "gone": ("g:r", ""), "sales": ("u:p", "key")}


def test_what_no_key_can_read_stays_as_it_is(sales, actor, settings):
    Agent.objects.filter(name="sales").update(signing_key="also old")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agents_agent SET credentials = 'nonsense'")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert initialise(example=False, by=actor).reencrypted == 1
    assert kept()["sales"][0] == "nonsense"
    agent = Agent.objects.get()
    assert (agent.credentials, agent.signing_key) == (UNREADABLE, "also old")
    assert initialise(example=False, by=actor).reencrypted == 0


def test_more_agents_than_a_chunk_are_all_encrypted_anew(sales, actor, settings, monkeypatch):
    monkeypatch.setattr("registry.actions.credentials.CHUNK", 3)
    for number in range(7):
        agents.register(f"a{number}", f"/a{number}", DEFINITION, by=actor, credentials=("u", str(number)))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    Installation.objects.update(secret_fingerprint=fingerprint("new"))
    assert credentials.reencrypt(by=actor) == 8
    settings.SECRET_KEY_FALLBACKS = []
    assert {agent.credentials for agent in Agent.objects.all()} == {"u:p", *(f"u:{number}" for number in range(7))}


def test_both_orders_of_a_rolling_change_can_always_be_read(sales, actor, settings):
    """As docs/operating.md has it: first every replica knows both keys, then each makes the new one its own."""
    initialise(example=False, by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", ["new"]  # the first round
    assert initialise(example=False, by=actor).reencrypted == 0
    pauses.pause("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]  # the second, a first replica
    assert initialise(example=False, by=actor).reencrypted == 1
    pauses.resume("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", ["new"]  # another replica, still serving
    assert Agent.objects.get().credentials == "u:p"
    with pytest.raises(WrongSecret):
        pauses.pause("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", []  # the third
    initialise(example=False, by=actor)
    assert Agent.objects.get().credentials == "u:p"
