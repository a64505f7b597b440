"""Edits on top of what somebody else has changed meanwhile, and versions that are set aside."""

from typing import Any

import pytest

from agents.models import Agent
from registry import actions
from registry.changes import Actor
from registry.describing import definition_tag
from registry.errors import Malformed, Outdated
from registry.versions import get_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(fleet: Any) -> Agent:
    return Agent.objects.get(name="info-line")


def prompt(text: str) -> dict[str, Any]:
    return {"prompt": {"text": text}}


def tag(agent: Agent) -> str:
    return definition_tag(Agent.objects.get(pk=agent.pk))


@pytest.mark.parametrize("meanwhile", ["save_draft", "publish"])
def test_an_edit_of_what_is_no_longer_so_is_refused(line: Agent, actor: Actor, meanwhile: str) -> None:
    seen = tag(line)
    getattr(actions, meanwhile)("info-line", prompt("theirs"), by=actor)
    with pytest.raises(Outdated):
        actions.save_draft("info-line", prompt("mine"), by=actor, base=[seen])
    assert line.versions.count() == 2
    assert actions.save_draft("info-line", prompt("mine"), by=actor, base=[tag(line)]).version == 3


def test_publishing_and_restoring_too(line: Agent, actor: Actor) -> None:
    actions.save_draft("info-line", prompt("one"), by=actor)
    seen = tag(line)
    actions.save_draft("info-line", prompt("two"), by=actor)
    with pytest.raises(Outdated):
        actions.publish_draft("info-line", by=actor, base=[seen])
    with pytest.raises(Outdated):
        actions.restore_version("info-line", 1, by=actor, base=[seen])
    assert actions.publish_draft("info-line", by=actor, base=[tag(line)]).version == 3
    assert actions.restore_version("info-line", 1, by=actor, base=[tag(line)]).version == 4


def test_what_is_set_aside_is_neither_live_nor_the_draft(line: Agent, actor: Actor) -> None:
    before = tag(line)
    change = actions.set_aside("info-line", prompt("mine"), by=actor, note="mine")
    assert (change.version, tag(line)) == (2, before)
    version = get_version(line, 2)
    assert (version.definition, version.note, version.author) == (prompt("mine"), "mine", actor.name)
    with pytest.raises(Malformed):
        actions.set_aside("info-line", {"prompt": {}}, by=actor)
