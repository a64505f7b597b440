"""A process with another secret key than the database's changes nothing; a changed key takes the secrets along."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.fields import UNREADABLE
from agents.models import Agent
from registry import actions
from registry.changes import Actor
from registry.errors import WrongSecret
from registry.installation import initialise
from registry.models import Installation, RegistryChange
from registry.secret_key import fingerprint
from tests.registry.test_actions import everything

pytestmark = pytest.mark.django_db
AgentEvent = apps.get_model("agents", "AgentEvent")
DEFINITION = {"prompt": {"text": "I sell."}, "mcp": True}

ACTIONS = {
    "register": lambda actor: actions.register("billing", "/billing", DEFINITION, by=actor),
    "publish": lambda actor: actions.publish("sales", {"prompt": {"text": "x"}}, by=actor),
    "unregister": lambda actor: actions.unregister("/sales", by=actor),
    "pause": lambda actor: actions.pause("sales", by=actor),
    "resume": lambda actor: actions.resume("sales", by=actor),
    "register_sip_username": lambda actor: actions.register_sip_username("x", "/sales", by=actor),
    "unregister_sip_username": lambda actor: actions.unregister_sip_username("sales", by=actor),
    "set_default_route": lambda actor: actions.set_default_route("/sales", by=actor),
    "reveal_credentials": lambda actor: actions.reveal_credentials("sales", by=actor),
    "issue_mcp_token": lambda actor: actions.issue_mcp_token("sales", 1, by=actor),
    "update_agent": lambda actor: actions.update_agent("sales", title="Sales", by=actor),
    "register_route": lambda actor: actions.register_route("sales", "/more", by=actor),
    "update_route": lambda actor: actions.update_route("/sales", enabled=False, by=actor),
    "unregister_agent": lambda actor: actions.unregister_agent("sales", by=actor),
    "restore_agent": lambda actor: actions.restore_agent("former", by=actor),
    "save_draft": lambda actor: actions.save_draft("sales", {"prompt": {"text": "y"}}, by=actor),
    "discard_draft": lambda actor: actions.discard_draft("sales", by=actor),
    "publish_draft": lambda actor: actions.publish_draft("sales", by=actor),
    "restore_version": lambda actor: actions.restore_version("sales", 2, by=actor),
    "reencrypt": lambda actor: actions.reencrypt(by=actor),
    "set_aside": lambda actor: actions.set_aside("sales", {"prompt": {"text": "w"}}, by=actor),
    "move_sip_username": lambda actor: actions.move_sip_username("sales", "/late", by=actor),
    "restore_route": lambda actor: actions.restore_route("sales", GONE, by=actor),
    "resume_what_is_over": lambda actor: actions.resume_what_is_over(),
}
GONE = {"path": "/gone", "enabled": True, "default": False, "sip": []}


@pytest.fixture
def sales(settings, actor):
    """An agent with secrets, in a database that belongs to the key `old`."""
    settings.SECRET_KEY = "old"
    initialise(example=False, by=actor)
    actions.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", "p"), signing_key="key")


def test_the_actions_here_are_all_there_are():
    assert set(ACTIONS) == {
        name for name in actions.__all__ if callable(getattr(actions, name)) and name.islower()
    } - {"default_route", "only_route", "reload"}  # fmt: skip  # what it does it does by `publish`


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize(
    ("fallbacks", "words"), [([], "belongs to another SECRET_KEY"), (["old"], "start `serve`, which takes")]
)
def test_no_action_writes_with_another_key(sales, actor, settings, name, fallbacks, words):
    actions.save_draft("sales", {"prompt": {"text": "z"}}, by=actor)
    actions.register("former", "/former", DEFINITION, by=actor)
    actions.unregister_agent("former", by=actor)
    actions.register("late", "/late", DEFINITION, by=actor)
    actions.pause("late", by=actor)
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
    actions.register("sales", "/sales", DEFINITION, by=actor)


def test_the_check_is_one_query(sales, actor):
    with CaptureQueriesContext(connection) as captured, actions.changing(actor):
        pass
    assert sum("registry_installation" in query["sql"] for query in captured) == 1


def kept():
    """What the database holds, by agent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, credentials, signing_key FROM agents_agent ORDER BY name")
        return {name: secrets for name, *secrets in cursor.fetchall()}


def test_a_change_of_the_key_encrypts_anew_what_the_old_one_encrypted(sales, actor, settings):
    actions.register("billing", "/billing", DEFINITION, by=actor, credentials=("b", "q"))
    actions.register("gone", "/gone", DEFINITION, by=actor, credentials=("g", "r"))
    actions.unregister("/gone", by=actor)
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    actions.register("fleet", "/fleet", DEFINITION, by=actor)
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
    monkeypatch.setattr("registry.credentials.CHUNK", 3)
    for number in range(7):
        actions.register(f"a{number}", f"/a{number}", DEFINITION, by=actor, credentials=("u", str(number)))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    Installation.objects.update(secret_fingerprint=fingerprint("new"))
    assert actions.reencrypt(by=actor) == 8
    settings.SECRET_KEY_FALLBACKS = []
    assert {agent.credentials for agent in Agent.objects.all()} == {"u:p", *(f"u:{number}" for number in range(7))}


def test_both_orders_of_a_rolling_change_can_always_be_read(sales, actor, settings):
    """As docs/operating.md has it: first every replica knows both keys, then each makes the new one its own."""
    initialise(example=False, by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", ["new"]  # the first round
    assert initialise(example=False, by=actor).reencrypted == 0
    actions.pause("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]  # the second, a first replica
    assert initialise(example=False, by=actor).reencrypted == 1
    actions.resume("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", ["new"]  # another replica, still serving
    assert Agent.objects.get().credentials == "u:p"
    with pytest.raises(WrongSecret):
        actions.pause("sales", by=actor)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", []  # the third
    initialise(example=False, by=actor)
    assert Agent.objects.get().credentials == "u:p"
