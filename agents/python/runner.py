"""Runs the Python agents of a worker: a team of hosts for each version that is served."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import cast

from agents.python.launch import HostLimits, order
from agents.python.sdk_tokens import swaig_secret
from agents.python.source import PythonSource
from agents.python.team import Team
from agents.python.version import PythonVersion
from agents.python.zygote import Zygote
from agents.runners import Making, Served, Trouble
from agents.sources import Source

LOOK_SECONDS = 0.05  # between two looks at who waits
MAX_RETIRED = 2  # versions of an agent whose hosts are kept for running calls


class Hosts:
    """A worker's Python agents. Made in any thread, started in the event loop that answers."""

    def __init__(self, limits: HostLimits):
        self.limits = limits
        self.zygote = Zygote(limits.whereabouts)
        self.teams: dict[int, Team] = {}  # by the version's id
        self.live: dict[str, Team] = {}  # by agent
        self.closing: list[Team] = []  # served no more, but something may still run
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watching: asyncio.Task[None] | None = None
        self.closed = False
        self.served: Mapping[str, int] = {}  # live agents' versions, which `run` may hear of only in a moment
        self.first: list[Team] | None = None  # of the agents that there were at the start

    # --- as an engine ------------------------------------------------------------------------------------------------

    def version(self, source: Source, making: Making) -> PythonVersion:
        """A version that asks our hosts."""
        assert isinstance(source, PythonSource)
        secret = swaig_secret(making.key, making.number)
        return PythonVersion(self, source, making.number, making.version_id, making.agent, making.route, secret)

    # --- as a runner -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, in the loop that answers."""
        self.loop = asyncio.get_running_loop()
        self.watching = self.loop.create_task(self.watch())

    def follow(self, served: Iterable[Served]) -> None:
        """Run these and no others."""
        if self.loop is not None and not self.loop.is_closed():
            all_served = list(served)
            self.served = {each.agent: each.version.number for each in all_served if each.live}
            self.loop.call_soon_threadsafe(self.run, all_served)

    def unbuilt(self) -> tuple[int, int]:
        """How many of the agents of the start have no host yet that was ready or failed, and of how many."""
        if self.first is None:
            return len(self.served), len(self.served)
        return sum(not (team.tried or team.closed) for team in self.first), len(self.first)

    def troubles(self) -> Mapping[str, Trouble]:
        """Live agents that do not run well."""
        served = self.served
        found = {agent: team.trouble() for agent, team in list(self.live.items()) if served.get(agent) == team.version}
        return {agent: trouble for agent, trouble in found.items() if trouble is not None}

    async def close(self) -> None:
        """End all hosts."""
        self.closed = True
        if self.watching is not None:
            self.watching.cancel()
        for team in [*self.teams.values(), *self.closing]:
            team.close()
            for host in list(team.leaving):
                host.over("is not needed any more")  # at the end of its socket it goes by itself
        await self.zygote.close()

    # --- in the loop -------------------------------------------------------------------------------------------------

    def run(self, served: list[Served]) -> None:
        """Start what is new, retire what is live no more, end what is served no more."""
        if self.closed:
            return
        wanted = {cast("PythonVersion", each.version).id: each for each in served}
        for version_id in [known for known in self.teams if known not in wanted]:
            team = self.teams.pop(version_id)
            team.close()
            self.closing.append(team)
        self.live = {}
        for version_id, each in wanted.items():
            if each.live:
                team = self.teams.get(version_id) or self.team(each.version)
                self.live[each.agent] = team
                if not team.live or (team.host is None and team.restart is None):
                    team.revive()
            elif version_id in self.teams:
                self.teams[version_id].retire()
        self.first = list(self.live.values()) if self.first is None else self.first
        self.let_old_ones_go()

    def team(self, version: PythonVersion) -> Team:
        """A team for a version."""
        source = version.source
        asked = order(source, self.limits.whereabouts, route=version.route, secret=version.secret)
        team = Team(version.agent, version.number, asked, self.zygote, self.limits, source.code)
        self.teams[version.id] = team
        return team

    def let_old_ones_go(self) -> None:
        """Of each agent's retired versions only the newest keep their hosts."""
        retired: dict[str, list[Team]] = {}
        for team in self.teams.values():
            if not team.live and team.host is not None:
                retired.setdefault(team.agent, []).append(team)
        for teams in retired.values():
            for team in sorted(teams, key=lambda each: each.version)[:-MAX_RETIRED]:
                team.close()

    def team_for(self, version: PythonVersion) -> Team | None:
        """Who answers for a version: its own team while it can, else the live one's."""
        team = self.teams.get(version.id)
        if team is not None and team.can_answer and not team.closed:
            return team
        return self.live.get(version.agent)

    def instead_of(self, team: Team) -> Team | None:
        """Who answers for a team that cannot: the live one, or, if that is it and cannot be built, one before it."""
        live = self.live.get(team.agent)
        if live is not None and live is not team:
            return live
        if not team.failed:  # it has just too much to do
            return None
        others = [each for each in self.teams.values() if each.agent == team.agent and each is not team]
        running = [each for each in others if each.host is not None and each.host.ready]
        return max(running, key=lambda each: each.version, default=None)

    async def watch(self) -> None:
        """Look after all teams until the end."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for team in [*self.teams.values(), *self.closing]:
                if team.busy:
                    team.look(now)
            self.closing = [team for team in self.closing if team.leaving]
