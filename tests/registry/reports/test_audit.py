import pghistory.models
import pytest
from django.apps import apps
from django.db import InternalError, connection, transaction
from django.db.utils import DatabaseError

from agents.models import Agent, AgentVersion
from registry.actions import agents, credentials, pauses, routes
from registry.actions.transaction import Actor
from registry.models import Route, SipMapping

AgentEvent = apps.get_model("agents", "AgentEvent")
RouteEvent = apps.get_model("registry", "RouteEvent")
SipMappingEvent = apps.get_model("registry", "SipMappingEvent")
DEFINITION = {"prompt": {"text": "I sell."}}
PASSWORD = "hunter2-hunter2"
SIGNING_KEY = "PSK_signing_key_signing_key"


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def labels(model):
    return list(model.objects.order_by("pgh_id").values_list("pgh_label", flat=True))


def test_every_action_leaves_rows_that_name_the_actor(db):
    alice = Actor("alice", "api", address="192.0.2.7", request_id="r-1")
    agents.register("sales", "/sales", DEFINITION, by=alice)
    for model in (AgentEvent, RouteEvent, SipMappingEvent):
        event = model.objects.order_by("pgh_id").first()
        assert event.pgh_label == "insert"
        assert event.pgh_context.metadata == {
            "user": "alice",
            "via": "api",
            "address": "192.0.2.7",
            "request_id": "r-1",
        }


def test_one_action_is_one_context_and_the_next_one_another(db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    pauses.pause("sales", by=Actor("bob", "dashboard"))
    contexts = set(AgentEvent.objects.values_list("pgh_context", flat=True))
    assert len(contexts) == 2
    last = AgentEvent.objects.order_by("pgh_id").last()
    assert (last.pgh_label, last.state, last.pgh_context.metadata["user"]) == ("update", "paused", "bob")


def test_what_was_unregistered_is_still_in_the_audit(db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor)
    routes.unregister("/sales", by=actor)
    assert labels(RouteEvent) == ["insert", "delete"]
    assert labels(SipMappingEvent) == ["insert", "delete"]
    assert RouteEvent.objects.last().path == "/sales"


def test_raw_sql_and_querysets_are_audited_too_without_an_actor(transactional_db, fleet):
    before = {model: model.objects.count() for model in (AgentEvent, RouteEvent, SipMappingEvent)}
    run("UPDATE agents_agent SET title = 'by sql'")
    Route.objects.filter(path="/info").update(enabled=False)
    SipMapping.objects.filter(username="refills").delete()
    run("DELETE FROM registry_sipmapping WHERE username = 'info'")
    assert AgentEvent.objects.count() == before[AgentEvent] + 3
    assert RouteEvent.objects.count() == before[RouteEvent] + 1
    assert SipMappingEvent.objects.count() == before[SipMappingEvent] + 2
    last = AgentEvent.objects.order_by("pgh_id").last()
    assert (last.title, last.pgh_context) == ("by sql", None)


def test_whoever_looks_at_credentials_is_in_the_audit(db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", PASSWORD))
    credentials.reveal_credentials("sales", by=Actor("eve", "dashboard"))
    last = AgentEvent.objects.order_by("pgh_id").last()
    assert (last.pgh_label, last.pgh_context.metadata["user"]) == ("credentials_revealed", "eve")


def test_other_secrets_are_in_the_audit_by_name_only(db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", PASSWORD))
    before = AgentEvent.objects.count()
    bob = Actor("bob", "command")
    agents.publish("sales", DEFINITION, by=bob, credentials=("u", "another"), signing_key=SIGNING_KEY)
    assert AgentEvent.objects.count() == before + 1, "the trigger does not see these columns"
    last = AgentEvent.objects.order_by("pgh_id").last()
    assert last.pgh_label == "update"
    assert last.pgh_context.metadata == {"user": "bob", "via": "command", "changed": "credentials, signing key"}
    agents.publish("sales", DEFINITION, by=bob, credentials=("u", "another"))
    assert AgentEvent.objects.count() == before + 1, "nothing has changed"


def test_no_audit_row_holds_credentials_not_even_encrypted_ones(db, actor):
    agents.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", PASSWORD), signing_key=SIGNING_KEY)
    agents.publish("sales", DEFINITION, by=actor, credentials=("u", f"{PASSWORD}-2"), signing_key=f"{SIGNING_KEY}-2")
    credentials.reveal_credentials("sales", by=actor)
    Agent.objects.get().save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials, signing_key FROM agents_agent")
        secrets = [PASSWORD, SIGNING_KEY, *cursor.fetchone()]
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        tables = [name for (name,) in cursor.fetchall() if name != "agents_agent"]
        assert {"agents_agentevent", "pghistory_context"} <= set(tables)
        for table in tables:
            cursor.execute(f"SELECT coalesce(string_agg(\"{table}\"::text, ''), '') FROM \"{table}\"")
            text = cursor.fetchone()[0]
            assert not [secret for secret in secrets if secret in text], table
    for model in (AgentEvent, RouteEvent, SipMappingEvent, pghistory.models.Context):
        assert not {"credentials", "signing_key"} & {field.name for field in model._meta.get_fields()}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agents_agentevent SET name = 'x'",
        "DELETE FROM agents_agentevent",
        "UPDATE registry_routeevent SET path = 'x'",
        "DELETE FROM registry_routeevent",
        "UPDATE registry_sipmappingevent SET username = 'x'",
        "DELETE FROM registry_sipmappingevent",
    ],
)
def test_audit_rows_can_be_neither_changed_nor_deleted(fleet, statement):
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        run(statement)


@pytest.mark.parametrize(
    "change",
    ["definition = '{}'", "number = 7", "author = 'x'", "note = 'x'", "created = now()", "agent_id = agent_id + 1"],
)
def test_a_version_cannot_be_changed(fleet, change):
    with pytest.raises((InternalError, DatabaseError), match="Cannot update"), transaction.atomic():
        run(f"UPDATE agents_agentversion SET {change}")


def test_a_version_can_be_retired_and_nothing_else(fleet):
    run("UPDATE agents_agentversion SET retired = now()")
    version = AgentVersion.objects.first()
    version.note = "x"
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        version.save()


def test_a_version_cannot_be_deleted_in_any_way(fleet):
    Agent.objects.update(live=None)  # so that no foreign key stands in the way
    for delete in (
        lambda: run("DELETE FROM agents_agentversion"),
        lambda: AgentVersion.objects.all().delete(),
        lambda: AgentVersion.objects.all()._raw_delete("default"),
        lambda: AgentVersion.objects.first().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            delete()
    assert AgentVersion.objects.count() == 3
