"""What runs agents that do not answer by themselves: it follows the table, and tells of troubles."""

from collections.abc import Mapping
from typing import Any

from agents.kinds import kind_named
from agents.runners import Engines, Runner, Served
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
                if version.kind in served:
                    served[version.kind].append(Served(agent.name, version is agent.live, version, agent.upstream))
        for kind, runner in self.by_kind.items():
            runner.follow(served[kind])

    def troubles(self) -> dict[str, Any]:
        """All agents in trouble, as heartbeats tell them."""
        return {
            name: trouble.as_plain() for runner in self.by_kind.values() for name, trouble in runner.troubles().items()
        }

    def starting(self) -> str:
        """Which agents cannot be asked at once yet, in words; "" if there is none."""
        waiting = [(word, *runner.unbuilt()) for word, runner in self.by_kind.items()]
        words = [
            f"{left} of {of} {kind_named(word).label} agents are not built yet" for word, left, of in waiting if left
        ]
        return ", ".join(words)

    def start(self) -> None:
        """Start all, in the event loop that answers."""
        for runner in self.by_kind.values():
            runner.start()

    async def close(self) -> None:
        """End all."""
        for runner in self.by_kind.values():
            await runner.close()
