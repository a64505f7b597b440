"""What a start waits for: that each agent which there was then has been built, or cannot be."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.python.launch import HostLimits
from agents.python.runner import Hosts
from agents.python.source import PythonSource
from agents.python.version import PythonVersion
from agents.runners import Making, Served
from agents.sources import Found
from registry.serving.runners import Runners
from tests.agents.python.test_team import READY, FakeZygote, until
from tests.agents.remote.building import KEY


class Zygote(FakeZygote):
    """Its hosts say nothing until they are told to."""

    def __init__(self) -> None:
        super().__init__(None)

    async def close(self) -> None:
        for host in self.hosts:
            host.end()


@pytest.fixture
async def hosts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    made = Hosts(HostLimits())
    monkeypatch.setattr(made, "zygote", Zygote())
    made.start()
    yield made
    await made.close()
    await asyncio.sleep(0.05)


def version(hosts: Hosts, number: int, version: int = 1) -> PythonVersion:
    source = PythonSource.model_validate({"class": "fleet:Sales", "code": "c"}).model_copy(update={"found": Found()})
    return hosts.version(source, Making(f"agent-{number}", f"/{number}", version, 100 * version + number, KEY))


def serve(hosts: Hosts, *numbers: int) -> None:
    hosts.follow([Served(f"agent-{number}", True, version(hosts, number), "") for number in numbers])


async def test_a_start_waits_for_those_that_were_there_until_each_is_built_or_cannot_be(hosts: Hosts) -> None:
    assert Runners({"python": hosts}).starting() == ""
    serve(hosts, 1, 2)
    assert hosts.unbuilt() == (2, 2), "before they are even begun"
    await asyncio.sleep(0)
    assert Runners({"python": hosts}).starting() == "2 of 2 Python agents are not built yet"
    zygote: Any = hosts.zygote
    (await zygote.host(0)).say(READY)
    await until(lambda: hosts.unbuilt() == (1, 2))
    (await zygote.host(1)).say({"failed": "raised ImportError"})
    zygote.hosts[1].end("ended with exit code 1")
    await until(lambda: hosts.unbuilt() == (0, 2))
    serve(hosts, 1, 2, 3)
    await zygote.host(2)
    assert hosts.unbuilt() == (0, 2), "that one came later"
    assert Runners({"python": hosts}).starting() == ""


async def test_an_agent_that_is_gone_again_is_not_waited_for(hosts: Hosts) -> None:
    serve(hosts, 1)
    await asyncio.sleep(0)
    assert hosts.unbuilt() == (1, 1)
    serve(hosts)
    await until(lambda: hosts.unbuilt() == (0, 1))


async def test_what_was_wrong_with_the_version_before_is_not_told_of_the_new_one(hosts: Hosts) -> None:
    serve(hosts, 1)
    zygote: Any = hosts.zygote
    (await zygote.host(0)).say({"failed": "raised ImportError"})
    zygote.hosts[0].end("ended with exit code 1")
    await until(lambda: hosts.unbuilt() == (0, 1))
    assert [trouble.state for trouble in hosts.troubles().values()] == ["down"]
    hosts.follow([Served("agent-1", True, version(hosts, 1, 2), "")])
    assert hosts.troubles() == {}, "although the loop has not heard of it yet"
    (await zygote.host(1)).say(READY)
    await asyncio.sleep(0.05)
    assert hosts.troubles() == {}
