"""Remote agents in a serving process: their endpoints, and the probes that tell whether they answer."""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from yarl import URL

from agents.outbound.transport import Resolve, addresses_of
from agents.remote.client import NoReply, RemoteClient, RemoteLimits
from agents.remote.endpoints import PROBE_SECONDS, Endpoint, Origin, origin_key
from agents.remote.places import Place
from agents.remote.source import RemoteSource
from agents.remote.version import RemoteVersion
from agents.runners import Making, Served, Trouble
from agents.sources import Source

logger = logging.getLogger(__name__)
TICK_SECONDS = 1  # between two looks for servers that are due
PROBE_ANSWER_SECONDS = 5
PROBE_BYTES = 64 * 1024
PROBING = 8  # servers at once, as many as the look-ups of one agent
PROBER = "health probes"  # stands for an agent where look-ups are counted


class Followed(NamedTuple):
    """What is served, replaced whole."""

    agents: Mapping[str, tuple[Endpoint, ...]]  # of live versions
    origins: Mapping[Origin, tuple[Endpoint, ...]]
    paths: Mapping[tuple[Place, str], str]  # names of agents


class Remotes:
    """The runner of remote agents; one per process, used in one event loop and the listener's thread."""

    def __init__(self, limits: RemoteLimits, resolve: Resolve = addresses_of):
        self.client = RemoteClient(limits, resolve)
        self.running: Counter[str] = Counter()
        self.origins: dict[tuple[str, bool], Origin] = {}
        self.endpoints: dict[tuple[str, str, bool], Endpoint] = {}  # by agent, URL and whether it may be private
        self.followed = Followed({}, {}, {})
        self.watching: asyncio.Task[None] | None = None

    # --- in the listener's thread ------------------------------------------------------------------------------------

    def version(self, source: Source, making: Making) -> RemoteVersion:
        """A version that answers; its endpoints are those of the agent's other versions where they are the same."""
        assert isinstance(source, RemoteSource)
        endpoints = [self.endpoint(making.agent, url, private=source.found.private) for url in source.endpoints]
        return RemoteVersion(making.number, making.agent, source, endpoints, self)

    def endpoint(self, agent: str, url: str, *, private: bool) -> Endpoint:
        """An endpoint as this process knows it."""
        known = self.endpoints.get((agent, url, private))
        if known is None:
            key = origin_key(url, private=private)
            # So that many servers are not all probed at the same moment.
            begin = time.monotonic() - random.uniform(0, PROBE_SECONDS)  # noqa: S311
            origin = self.origins.setdefault(key, Origin(key[0], private=private, probed_at=begin))
            known = self.endpoints[agent, url, private] = Endpoint(url, origin)
        return known

    def follow(self, served: Iterable[Served]) -> None:
        """From now on these are served, and no others."""
        agents: dict[str, tuple[Endpoint, ...]] = {}
        origins: dict[Origin, list[Endpoint]] = {}
        paths: dict[tuple[Place, str], str] = {}
        kept: dict[tuple[str, str, bool], Endpoint] = {}
        for agent, live, version, _ in served:
            for endpoint in version.endpoints:
                key = agent, endpoint.url, endpoint.origin.private
                if key not in kept:
                    kept[key] = endpoint
                    origins.setdefault(endpoint.origin, []).append(endpoint)
                if live:
                    paths.setdefault((endpoint.place, endpoint.path), agent)
            if live:
                agents[agent] = version.endpoints
        self.endpoints = kept
        self.origins = {(origin.url, origin.private): origin for origin in origins}
        frozen = {origin: tuple(endpoints) for origin, endpoints in origins.items()}
        self.followed = Followed(agents, frozen, paths)

    def unbuilt(self) -> tuple[int, int]:
        """There is nothing to build."""
        return 0, 0

    def troubles(self) -> dict[str, Trouble]:
        """Agents that cannot be asked, all or some of their endpoints, by name."""
        found = {}
        for agent, endpoints in self.followed.agents.items():
            ailing = [endpoint for endpoint in endpoints if endpoint.ails]
            if ailing:
                state = "down" if len(ailing) == len(endpoints) else "shaky"
                one = len(ailing) == 1  # whoever tells of a trouble says since when it is there
                detail = ailing[0].trouble if one else "; ".join(endpoint.trouble_since for endpoint in ailing)
                away = tuple(endpoint.url for endpoint in ailing)
                found[agent] = Trouble(state, detail, min(endpoint.since for endpoint in ailing), away)
        return found

    # --- in the event loop -------------------------------------------------------------------------------------------

    def agent_at(self, place: Place, path: str) -> str | None:
        """The agent that is registered for a path on a server."""
        return self.followed.paths.get((place, path))

    def start(self) -> None:
        """Begin to probe; called in the event loop that will answer."""
        self.watching = asyncio.create_task(self.watch())

    async def watch(self) -> None:
        """Probe servers of which nothing was heard."""
        room = asyncio.Semaphore(PROBING)
        while True:
            try:
                await self.probe_due(room)
            except Exception:  # the others' circuits would stay open for ever
                logger.exception("Failed to probe the servers of remote agents")
            await asyncio.sleep(TICK_SECONDS)

    async def probe_due(self, room: asyncio.Semaphore) -> None:
        """Probe all that are due."""
        now = time.monotonic()
        due = [
            self.probe(origin, endpoints, room)
            for origin, endpoints in self.followed.origins.items()
            if origin.is_due(now, ailing=any(endpoint.failures for endpoint in endpoints))
        ]
        await asyncio.gather(*due)

    async def probe(self, origin: Origin, endpoints: tuple[Endpoint, ...], room: asyncio.Semaphore) -> None:
        """Ask a server how it is; any answer below 500 says that it is there."""
        async with room:
            problem = ""
            try:
                reply = await self.client.ask(
                    PROBER,
                    "GET",
                    URL(origin.url) / "health",
                    {},
                    None,
                    seconds=PROBE_ANSWER_SECONDS,
                    limit=PROBE_BYTES,
                    private=origin.private,
                )
            except NoReply as error:
                problem = "" if error.answered else str(error)
            else:
                problem = f"answers {reply.status}" if reply.status >= 500 else ""
            origin.probed_at = time.monotonic()
            if not problem:
                origin.good_at = origin.probed_at
            for endpoint in endpoints:
                if problem:
                    endpoint.failed(problem)
                else:
                    endpoint.alive()

    async def close(self) -> None:
        """End; requests that are running fail."""
        if self.watching is not None:
            self.watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.watching
        await self.client.close()
