"""What `changing` does for every action: the revision, the wait, and one way to tell a change."""

import json

import pytest
from django.db import connection

from registry.actions import agents, transaction
from registry.actions.transaction import Change, changing
from registry.base.errors import Conflict
from registry.heartbeats import Everywhere
from registry.models import RegistryChange
from tests.registry.test_secret_key import ACTIONS, DEFINITION

FAR = Everywhere(7, 1, 2, ("here/1",), ("there/2",))
NEED_MORE = {"discard_draft", "publish_draft", "restore_agent", "restore_version"}  # than one agent beside another


@pytest.fixture
def sales(db, actor):
    """A registered agent."""
    agents.register("sales", "/sales", DEFINITION, by=actor)


@pytest.mark.django_db
def test_a_change_has_the_revision_that_the_block_has_left(actor):
    with changing(actor, "sales") as change:
        agents.register("sales", "/sales", DEFINITION, by=actor)
        agents.update_agent("sales", title="Sales", by=actor)
    assert change == Change("sales", revision=RegistryChange.newest())
    assert change.revision > 1


@pytest.mark.django_db
def test_a_change_that_is_refused_has_none(sales, actor):
    with pytest.raises(Conflict), changing(actor, wait=True) as change:
        agents.register("sales", "/sales", DEFINITION, by=actor)
    assert (change.revision, change.everywhere) == (0, None)


@pytest.mark.parametrize("name", sorted({*ACTIONS} - NEED_MORE))
@pytest.mark.django_db
def test_every_action_says_from_which_revision_on_it_is_so(sales, actor, name):
    agents.register("late", "/late", DEFINITION, by=actor)
    change = ACTIONS[name](actor)
    assert not isinstance(change, Change) or change.revision == RegistryChange.newest()


@pytest.mark.django_db(transaction=True)
def test_the_workers_are_waited_for_after_the_transaction(actor, monkeypatch):
    asked = []

    def wait_for(revision: int) -> Everywhere:
        asked.append((revision, connection.in_atomic_block))
        return FAR

    monkeypatch.setattr(transaction, "wait_for", wait_for)
    change = agents.register("sales", "/sales", DEFINITION, by=actor, wait=True)
    assert asked == [(change.revision, False)]
    assert change.everywhere is FAR
    assert agents.update_agent("sales", title="Sales", by=actor).everywhere is None
    assert len(asked) == 1


def test_a_change_is_told_in_one_way():
    change = Change(
        "sales", "/sales", 3, False, ["sales"], {"desk": "billing"}, ["careful"], ("u", "p"), ["signing key"]
    )
    change.revision, change.everywhere = 7, FAR
    assert json.dumps(change.as_json()) == (
        '{"agent": "sales", "route": "/sales", "version": 3, "changed": false, "sip": ["sales"], '
        '"sip_skipped": {"desk": "billing"}, "warnings": ["careful"], "credentials": {"user": "u", "password": "p"}, '
        '"of_code": ["signing key"], "revision": 7, "everywhere": {"revision": 7, "workers": 2, "reached": 1, '
        '"behind": ["here/1"], "silent": ["there/2"], "done": false}}'
    )
    assert change.skipped_lines == ["SIP name desk was skipped: agent billing has it"]
    untold = Change().as_json()
    assert (untold["credentials"], untold["everywhere"]) == (None, None)
