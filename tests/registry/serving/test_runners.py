"""Each runner is told of the versions of its kind, also of agents that are of another kind now."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from agents.python.source import PythonSource
from agents.remote.source import RemoteSource
from agents.runners import ElsewhereVersion, Making, Served, Trouble
from agents.tokens import TokenKey
from registry.serving.runners import Runners
from tests.registry.building import build_agent, build_table

PYTHON = PythonSource.model_validate({"class": "fleet:Sales"})
REMOTE = RemoteSource.model_validate({"url": "http://198.51.100.7/sales"})


class Told:
    """A runner that remembers what it was told."""

    def __init__(self) -> None:
        self.served: list[tuple[str, int, bool]] = []

    def follow(self, served: Iterable[Served]) -> None:
        self.served = [(each.agent, each.version.number, each.live) for each in served]

    def troubles(self) -> Mapping[str, Trouble]:
        return {}

    def unbuilt(self) -> tuple[int, int]:
        return 0, 0

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def version(self, source: Any, making: Making) -> Any:
        raise AssertionError("nothing is made here")


def elsewhere(source: PythonSource | RemoteSource, number: int) -> ElsewhereVersion:
    return ElsewhereVersion(source, Making("sales", "/sales", number, number, TokenKey("master", "sales")))


@pytest.mark.parametrize("live", [1, 2, 3])
def test_versions_go_to_the_runner_of_their_own_kind(live: int) -> None:
    stored = build_agent("sales").versions[1]
    versions = {1: stored, 2: elsewhere(PYTHON, 2), 3: elsewhere(REMOTE, 3)}
    sales = replace(build_agent("sales"), versions=versions, live=versions[live])
    python, remote = Told(), Told()
    table = build_table({"/sales": sales, "/info": build_agent("info", number=2)})
    Runners({"python": python, "remote": remote}).follow(table)
    assert python.served == [("sales", 2, live == 2)]
    assert remote.served == [("sales", 3, live == 3)]
