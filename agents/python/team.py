"""The hosts of one version of an agent in one worker: one that is asked, and those that are on their way out."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from agents.python.host import Host
from agents.python.launch import HostLimits
from agents.python.link import HostGone, Reply
from agents.python.zygote import Zygote
from agents.runners import Trouble

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1  # before a host that did not live long is replaced; each is twice the one before
MAX_PAUSE_SECONDS = 30
START_SECONDS = 30  # for a host to build its agent
LIVED_SECONDS = 10  # a host that lived so long is replaced at once
WAIT_SECONDS = 5  # for a host that had failed to be there again, before a request is given up
HOPELESS = 2  # hosts that could not be built one after the other: callers do not wait for the next one
FIRST_WAIT_SECONDS = 15  # for the first one: after a start all agents are built at once
SLOT_SECONDS = 2  # for one of the requests that are running to end
SHAKY_SECONDS = 60  # so long after a host died the agent is said not to run well
PING_SECONDS = 1  # a request that takes longer makes us ask whether the host still hears
DEAF_SECONDS = 3  # and then it has so long to say so
DEAF = "hears nothing: its event loop is blocked"
SUCCESSION_SECONDS = 10  # a host that made way for others is replaced, but no more often than that
SUCCESSION_TIMES = 20  # nor than so many times as long as making one takes: that is work, too
MAX_LEAVING = 3  # hosts of a team on their way out; more of them are killed


class Unavailable(Exception):  # noqa: N818
    """No host can be asked. The message says why."""


class Team:
    """Answers for one version of an agent, whatever happens to its hosts."""

    def __init__(
        self, agent: str, version: int, order: Mapping[str, Any], zygote: Zygote, limits: HostLimits, code: str
    ):
        self.agent = agent
        self.version = version
        self.order = order
        self.zygote = zygote
        self.limits = limits
        self.code = code  # that was seen when the version was made
        self.live = True  # False: running calls may still be on it, but its code is no longer to be had
        self.closed = False
        self.host: Host | None = None
        self.successor: Host | None = None  # is being made, and takes over when it is ready
        self.succession = 0.0  # monotonic; when the last one was begun
        self.leaving: list[Host] = []
        self.slots = asyncio.Semaphore(limits.running)
        self.changed = asyncio.Event()
        self.pause = 0.0
        self.restart: asyncio.TimerHandle | None = None
        self.starting: asyncio.Task[None] | None = None
        self.failed = ""  # why no host is there
        self.failed_at = 0.0  # seconds since 1970, when that began
        self.failures = 0  # so many hosts one after the other could not be built
        self.other_code = False  # the files have changed since
        self.since = time.time()
        self.died = ""  # how the last one ended
        self.died_at = 0.0  # seconds since 1970

    @property
    def strange(self) -> str:
        """What is wrong with its code, if it is not the version's."""
        return f"runs other code than its version {self.version} was made of: reload it"

    @property
    def busy(self) -> list[Host]:
        """Hosts that have something to answer, or are to go."""
        hosts = [host for host in (self.host, self.successor, *self.leaving) if host is not None]
        return [
            host
            for host in hosts
            if host.link.waiting or host.kill_at is not None or not host.ready or host.hog.made_way
        ]

    @property
    def tried(self) -> bool:
        """Whether a host was ever ready, or could not be."""
        return bool(self.died) or (self.host is not None and self.host.ready)

    @property
    def hopeless(self) -> bool:
        """Whether it cannot be built, and not only once."""
        return self.failures >= HOPELESS

    @property
    def can_answer(self) -> bool:
        """Whether there is a host, or may be one."""
        return self.live or self.host is not None

    # --- asking ------------------------------------------------------------------------------------------------------

    async def ask(self, head: Mapping[str, Any], body: bytes, seconds: float, *, changes: bool) -> Reply:
        """An answer; `Unavailable`, `HostGone` or `TooLate` if there is none.

        `changes`: something, so that it must not be carried out twice; another host is asked all the same, if the first
        one has not begun.
        """
        if self.slots.locked():
            try:
                async with asyncio.timeout(SLOT_SECONDS):
                    await self.slots.acquire()
            except TimeoutError:
                raise Unavailable(f"{self.limits.running} requests of this agent are running already") from None
        else:
            await self.slots.acquire()
        end = time.monotonic() + seconds
        try:
            host = self.host
            if host is None or not host.ready:
                host = await self.ready_host()
            try:
                return await host.link.ask(head, body, end - time.monotonic(), changes=changes)
            except HostGone as gone:
                if gone.begun:
                    raise
            host = await self.ready_host()
            return await host.link.ask(head, body, end - time.monotonic(), changes=changes)
        finally:
            self.slots.release()

    async def ready_host(self) -> Host:
        """The host that is asked, once there is one."""
        try:
            async with asyncio.timeout(WAIT_SECONDS if self.died else FIRST_WAIT_SECONDS):
                while self.host is None or not self.host.ready:
                    wait = self.restart.when() - asyncio.get_running_loop().time() if self.restart else 0
                    if self.closed or not self.live or wait > WAIT_SECONDS or self.hopeless:
                        raise Unavailable(self.failed or "the agent's host is gone")
                    self.zygote.turns.hurry(self.host)
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise Unavailable(self.failed or "the agent's host is not ready yet") from None
        return self.host

    # --- the hosts ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Have a host, unless there is one."""
        self.restart = None
        if self.host is None and self.live and not self.closed:
            self.host = self.new_host()

    def new_host(self) -> Host:
        """One that is being made."""
        host = Host(self)
        self.starting = asyncio.get_running_loop().create_task(self.connect(host))
        return host

    async def connect(self, host: Host) -> None:
        """Start a host."""
        try:
            await host.connect({**self.order, "quiet": self.hopeless})
        except OSError as error:  # no process or descriptor left
            host.over(f"could not be started: {error}")

    def host_ready(self, host: Host, code: str) -> None:
        """A host has built its agent."""
        other_code = bool(self.code) and code != self.code
        if host is self.successor:
            if other_code and not self.other_code:
                host.kill()  # one that is slow where others need the processors is the smaller evil
            else:
                self.take_over(host)
            return
        self.other_code = other_code
        if self.other_code:
            logger.warning("Agent %s %s", self.agent, self.strange)
        if self.failed:  # it could not be built: that is over
            self.failed, self.failures, self.died_at = "", 0, 0.0
        if host is self.host:
            self.changed.set()

    def take_over(self, host: Host) -> None:
        """Ask the successor from now on; the one before it finishes what it has."""
        before, self.host, self.successor = self.host, host, None
        if before is not None:
            before.leave("made way for others")
            self.leaving.append(before)
        self.changed.set()

    def host_ended(self, host: Host, how: str) -> None:
        """A host is no more: another one, if it was the one that is asked."""
        if host in self.leaving:
            self.leaving.remove(host)
        if host is self.successor:
            self.successor = None
        if host is self.host:
            self.host = None
            why = host.why or how
            self.note_end(host, why if host.ready else f"cannot be started: {why}")
        self.changed.set()

    def replace(self, host: Host, why: str) -> None:
        """Ask another host from now on; what this one has begun it may finish."""
        host.leave(why)
        if host is self.host:
            self.host = None
            self.leaving.append(host)
            self.note_end(host, why)
        for each in self.leaving[:-MAX_LEAVING]:
            each.kill()

    def succeed(self, host: Host, now: float) -> None:
        """Have a successor made for a host that runs only where nobody else wants to. `now`: monotonic."""
        last = max(host.started, self.succession)
        young = now - last < max(SUCCESSION_SECONDS, SUCCESSION_TIMES * host.built_in)
        if host is self.host and self.successor is None and self.live and not self.closed and not young:
            self.succession = now
            self.successor = self.new_host()

    def note_end(self, host: Host, why: str) -> None:
        """Start another one: at once if this one lived long, else after a pause that grows."""
        self.died, self.died_at = f"its host {why}", time.time()
        if not host.ready:
            self.failed, self.failed_at = f"the agent {why}", self.failed_at if self.failed else time.time()
            self.failures += 1
        if self.closed or not self.live:
            return
        lived = host.ready and time.monotonic() - host.started >= LIVED_SECONDS
        pause = 0.0 if lived else min(self.pause * 2 or FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        self.pause = pause
        logger.warning("The host of agent %s %s; another one starts in %.1f s", self.agent, why, pause)
        self.restart = asyncio.get_running_loop().call_later(pause, self.start)

    def look(self, now: float) -> None:
        """See that nobody waits for ever, and that whoever is to go goes. `now`: monotonic."""
        for host in self.busy:
            if host.gone:
                continue
            if not host.ready and now - host.started > START_SECONDS:
                host.why = f"was not built within {START_SECONDS} seconds"
                host.kill()
                continue
            if host.makes_way(now):
                logger.info("The host of agent %s uses a processor and answers nothing: others go first", self.agent)
            if host.hog.made_way:
                self.succeed(host, now)
            problem = host.link.look(now, PING_SECONDS)
            deaf = host.link.is_deaf(now, DEAF_SECONDS)
            if (problem or deaf) and host.kill_at is None:
                self.replace(host, problem or DEAF)
            if deaf:
                host.link.hand_back(f"the agent's host {DEAF}")
            if host.kill_at is not None and (not host.link.waiting or now > host.kill_at):
                host.kill()

    def retire(self) -> None:
        """New calls go elsewhere; the host stays for those that run."""
        self.live = False

    def revive(self) -> None:
        """Its code is what is live again."""
        self.live = True
        if self.restart is None:  # else one starts anyway, when its pause is over
            self.start()

    def close(self) -> None:
        """Take nothing more; end when nothing runs."""
        self.closed = True
        if self.restart is not None:
            self.restart.cancel()
        for host in (self.host, self.successor):
            if host is not None:
                host.leave("is not needed any more")
                self.leaving.append(host)
        self.host = self.successor = None
        self.changed.set()

    def trouble(self) -> Trouble | None:
        """What is wrong, if something is. May be asked from another thread."""
        host = self.host
        if self.failed and (host is None or not host.ready):
            return Trouble("down", self.failed, self.failed_at)
        if time.time() - self.died_at < SHAKY_SECONDS:
            return Trouble("shaky", self.died, self.died_at)
        if self.other_code and host is not None:
            return Trouble("shaky", f"it {self.strange}", self.since)
        return None
