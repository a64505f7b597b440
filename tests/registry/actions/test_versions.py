"""Edits on top of what somebody else has changed meanwhile, and versions that are set aside."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from registry.actions import agents, versions
from registry.actions.etags import definition_tag
from registry.actions.transaction import Actor
from registry.actions.versions import get_version
from registry.base.errors import Malformed, Outdated

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(fleet: Any) -> Agent:
    return Agent.objects.get(name="info-line")


def prompt(text: str) -> dict[str, Any]:
    return {"prompt": {"text": text}}


def tag(agent: Agent) -> str:
    return definition_tag(Agent.objects.get(pk=agent.pk))


@pytest.mark.parametrize("act", [versions.save_draft, agents.publish])
def test_an_edit_of_what_is_no_longer_so_is_refused(line: Agent, actor: Actor, act: Callable[..., Any]) -> None:
    seen = tag(line)
    act("info-line", prompt("theirs"), by=actor)
    with pytest.raises(Outdated):
        versions.save_draft("info-line", prompt("mine"), by=actor, base=[seen])
    assert line.versions.count() == 2
    assert versions.save_draft("info-line", prompt("mine"), by=actor, base=[tag(line)]).version == 3


def test_publishing_and_restoring_too(line: Agent, actor: Actor) -> None:
    versions.save_draft("info-line", prompt("one"), by=actor)
    seen = tag(line)
    versions.save_draft("info-line", prompt("two"), by=actor)
    with pytest.raises(Outdated):
        versions.publish_draft("info-line", by=actor, base=[seen])
    with pytest.raises(Outdated):
        versions.restore_version("info-line", 1, by=actor, base=[seen])
    assert versions.publish_draft("info-line", by=actor, base=[tag(line)]).version == 3
    assert versions.restore_version("info-line", 1, by=actor, base=[tag(line)]).version == 4


def test_what_is_set_aside_is_neither_live_nor_the_draft(line: Agent, actor: Actor) -> None:
    before = tag(line)
    change = versions.set_aside("info-line", prompt("mine"), by=actor, note="mine")
    assert (change.version, tag(line)) == (2, before)
    version = get_version(line, 2)
    assert (version.definition, version.note, version.author) == (prompt("mine"), "mine", actor.name)
    with pytest.raises(Malformed):
        versions.set_aside("info-line", {"prompt": {}}, by=actor)
