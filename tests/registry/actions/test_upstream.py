"""The credentials of a remote agent's server are the agent's: no older version and no draft takes them elsewhere."""

import pytest

from agents.models import Agent
from registry.actions import agents, versions
from registry.actions.transaction import Actor
from registry.base.errors import Malformed
from tests.registry.pretending import pretend

OPERATOR = Actor("olga", "api")
THEIRS = {"remote": {"url": "https://theirs.example/sales"}}
OURS = {"remote": {"url": "https://ours.example/sales"}}
DEFINITION = {"prompt": {"text": "I sell."}}


@pytest.fixture(autouse=True)
def nothing_is_asked(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers need not exist."""
    pretend(monkeypatch)


def test_an_older_version_does_not_get_the_credentials_of_a_newer_ones_server() -> None:
    agents.register("sales", "/sales", THEIRS, upstream=("them", "x"), by=OPERATOR)
    agents.publish("sales", OURS, upstream=("us", "secret"), by=OPERATOR)
    with pytest.raises(Malformed, match=r"for another server than https://theirs\.example: give the user"):
        versions.restore_version("sales", 1, by=OPERATOR)
    assert Agent.objects.get(name="sales").live.number == 2
    agents.publish("sales", THEIRS, upstream=("them", "x"), by=OPERATOR)
    assert Agent.objects.get(name="sales").upstream == "them:x"


def test_nor_does_a_draft_that_was_there_before_them() -> None:
    agents.register("sales", "/sales", OURS, by=OPERATOR)
    versions.save_draft("sales", THEIRS, by=OPERATOR)
    agents.update_agent("sales", upstream=("us", "secret"), by=OPERATOR)
    with pytest.raises(Malformed, match="for another server"):
        versions.publish_draft("sales", by=OPERATOR)


def test_the_way_back_to_the_same_server_is_open() -> None:
    """Also if the agent was something else meanwhile."""
    agents.register("sales", "/sales", OURS, upstream=("us", "secret"), by=OPERATOR)
    agents.publish("sales", DEFINITION, by=OPERATOR)
    versions.restore_version("sales", 1, by=OPERATOR)
    agent = Agent.objects.get(name="sales")
    assert (agent.kind, agent.upstream) == ("remote", "us:secret")
