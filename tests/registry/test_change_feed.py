import psycopg
import pytest
from django.db import connection, transaction

from agents.models import Agent
from registry.actions import agents
from registry.models import RegistryChange, Route, SipMapping
from registry.triggers import CHANNEL


@pytest.fixture
def feed(db):
    """Gives the agents (by name) of the changes since it was last asked, in the order of their revisions."""
    seen = [0]

    def changes():
        names = dict(Agent.objects.values_list("id", "name"))
        rows = list(RegistryChange.objects.filter(revision__gt=seen[0]).values_list("revision", "agent_id"))
        seen[0] = max([seen[0], *(revision for revision, _ in rows)])
        return [names.get(agent, agent) for _, agent in rows]

    return changes


def run(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def test_each_statement_of_raw_sql_feeds_the_agents_that_it_touched(fleet, feed):
    feed()
    run("UPDATE agents_agent SET title = 'Info' WHERE name = 'info-line'")
    assert feed() == ["info-line"]
    run("UPDATE registry_route SET enabled = NOT enabled WHERE path = '/pharmacy'")
    assert feed() == ["pharmacy"]
    run("UPDATE registry_sipmapping SET typed = 'x' WHERE username IN ('refills', 'pharmacy', 'info')")
    assert sorted(feed()) == ["info-line", "pharmacy"]
    run("DELETE FROM registry_sipmapping WHERE username = 'refills'")
    assert feed() == ["pharmacy"]
    run(
        "INSERT INTO registry_sipmapping (username, typed, source, created, route_id) "
        "SELECT 'new', 'new', 'manual', now(), id FROM registry_route WHERE path = '/info'"
    )
    assert feed() == ["info-line"]
    run(
        'INSERT INTO registry_route (path, enabled, "default", created, agent_id) '
        "SELECT '/n', true, false, now(), id FROM agents_agent WHERE name = 'pharmacy'"
    )
    assert feed() == ["pharmacy"]


def test_a_row_that_moves_feeds_both_its_owners(fleet, feed):
    feed()
    run(
        "UPDATE registry_sipmapping SET route_id = (SELECT id FROM registry_route WHERE path = '/info') "
        "WHERE username = 'refills'"
    )
    assert sorted(feed()) == ["info-line", "pharmacy"]
    run(
        "UPDATE registry_route SET agent_id = (SELECT id FROM agents_agent WHERE name = 'booking-desk') "
        "WHERE path = '/pharmacy'"
    )
    assert sorted(feed()) == ["booking-desk", "pharmacy"]


def test_changes_of_querysets_feed_too(fleet, feed):
    feed()
    Agent.objects.filter(name__startswith="info").update(tags=["x"])
    assert feed() == ["info-line"]
    Route.objects.filter(path="/pharmacy").update(default=True)
    assert feed() == ["pharmacy"]
    SipMapping.objects.filter(username="info").delete()
    assert feed() == ["info-line"]
    SipMapping.objects.bulk_create(
        [
            SipMapping(username=f"n{n}", typed="n", source="manual", route=Route.objects.get(path="/info"))
            for n in range(3)
        ]
    )
    assert set(feed()) == {"info-line"}


def test_a_statement_that_touched_nothing_feeds_nothing(fleet, feed):
    feed()
    run("UPDATE agents_agent SET title = 'x' WHERE name = 'nobody'")
    Route.objects.filter(path="/nowhere").update(enabled=False)
    run("DELETE FROM registry_sipmapping WHERE username = 'nobody'")
    assert feed() == []


def test_revisions_have_no_gaps_not_even_after_a_rollback(fleet, feed, actor):
    feed()
    before = RegistryChange.newest()
    with transaction.atomic():
        Agent.objects.update(title="x")
        transaction.set_rollback(True)
    assert RegistryChange.newest() == before
    Agent.objects.update(title="x")
    assert RegistryChange.newest() == before + 3
    assert list(RegistryChange.objects.values_list("revision", flat=True)) == list(range(1, before + 4))


@pytest.fixture
def listening(transactional_db):
    """A connection of its own that listens; gives the notifications that have come."""
    settings = connection.get_connection_params()
    settings = {name: settings[name] for name in ("host", "dbname", "user", "password", "port") if settings.get(name)}
    with psycopg.connect(**settings, autocommit=True) as own:
        own.execute(f"LISTEN {CHANNEL}")
        yield lambda: [notification.channel for notification in own.notifies(timeout=0.3)]


def test_every_change_notifies_the_listeners_when_it_is_committed(listening, actor):
    agents.register("sales", "/sales", {"prompt": {"text": "a"}}, by=actor)
    assert listening() == [CHANNEL], "one transaction, one notification"
    Agent.objects.update(title="x")
    assert listening() == [CHANNEL]
    run("UPDATE registry_route SET enabled = false")
    assert listening() == [CHANNEL]
    run("UPDATE registry_sipmapping SET typed = 'x'")
    assert listening() == [CHANNEL]
    with transaction.atomic():
        Agent.objects.update(title="y")
        transaction.set_rollback(True)
    run("UPDATE agents_agent SET title = 'z' WHERE name = 'nobody'")
    assert listening() == []
