"""What runs Python and remote agents in a serving process: they follow the table, and tell of troubles."""

from collections.abc import Mapping
from typing import Any

from agents.runners import Engines, Runner, Served, source_of
from registry.routing.table import RoutingTable


class Runners:
    """The runners of a process, by kind of agent."""

    def __init__(self, by_kind: Mapping[str, Runner]):
        self.by_kind = by_kind

    @property
    def engines(self) -> Engines:
        """They make the versions of their kind."""
        return self.by_kind

    def follow(self, table: RoutingTable) -> None:
        """Tell every runner what it has to run."""
        served: dict[str, list[Served]] = {kind: [] for kind in self.by_kind}
        for route in table.agents.values():
            agent = route.agent
            versions = {id(version): version for version in (*agent.versions.values(), agent.live) if version}
            for version in versions.values():  # an agent may have been of another kind before
                source = source_of(version)
                if source is not None and source.kind() in served:
                    served[source.kind()].append(Served(agent.name, version is agent.live, version, agent.upstream))
        for kind, runner in self.by_kind.items():
            runner.follow(served[kind])

    def troubles(self) -> dict[str, Any]:
        """All agents in trouble, as heartbeats tell them."""
        return {
            name: trouble.as_plain() for runner in self.by_kind.values() for name, trouble in runner.troubles().items()
        }

    def starting(self) -> str:
        """Which agents cannot be asked at once yet, in words; "" if there is none."""
        unbuilt, of = (sum(each) for each in zip(*(runner.unbuilt() for runner in self.by_kind.values()), strict=True))
        return f"{unbuilt} of {of} Python agents are not built yet" if unbuilt else ""

    def start(self) -> None:
        """Start all, in the event loop that answers."""
        for runner in self.by_kind.values():
            runner.start()

    async def close(self) -> None:
        """End all."""
        for runner in self.by_kind.values():
            await runner.close()
