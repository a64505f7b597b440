"""A remote agent on its way into the registry: who may register it, and what is kept of it."""

from collections.abc import Iterator

import pytest

from agents.kinds import read_source
from agents.models import Agent
from agents.remote.source import RemoteSource
from registry.actions import agents
from registry.actions.transaction import Actor
from registry.base.errors import Malformed
from tests.agents.outbound.webhook_server import Server
from tests.agents.remote.building import PASSWORD, UPSTREAM, USER, as_answer, document, routes
from tests.e2e.test_webhooks import running

ADMIN = Actor("alice", "command", may_run_code=True)
OPERATOR = Actor("bob", "dashboard")


@pytest.fixture
def server() -> Iterator[Server]:
    with running(routes({"/sales": as_answer(document(4711))})) as started:
        yield started


@pytest.mark.django_db
def test_an_admin_registers_a_server_inside_and_nobody_sees_its_password(server: Server) -> None:
    source = {"remote": {"url": f"http://127.0.0.1:{server.port}/sales"}}
    change = agents.register("sales", "/sales", source, by=ADMIN, upstream=(USER, PASSWORD))
    agent = Agent.objects.get(name="sales")
    assert (agent.kind, agent.upstream) == ("remote", UPSTREAM)
    kept = read_source(agent.live.definition)
    assert isinstance(kept, RemoteSource)
    assert (kept.found.private, kept.found.origins) == (True, ["http://127.0.0.1:4711"])
    assert PASSWORD not in str(agent.live.definition)
    assert change.warnings == []
    assert kept.given() == source


@pytest.mark.django_db
@pytest.mark.parametrize("found", [{}, {"found": {"private": True}}])
def test_an_operator_may_not(server: Server, found: dict[str, object]) -> None:
    source = {"remote": {"url": f"http://127.0.0.1:{server.port}/sales", **found}}
    with pytest.raises(Malformed, match="not a public address: an Admin may register it") as refused:
        agents.register("sales", "/sales", source, by=OPERATOR, upstream=(USER, PASSWORD))
    assert PASSWORD not in str(refused.value)
    assert not server.requests
    assert not Agent.objects.exists()
