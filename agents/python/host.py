"""One agent host as its team sees it: from the order to the end of its process."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.python.hogs import Hog
from agents.python.link import Link
from agents.python.switchboard_host.frames import Head

if TYPE_CHECKING:
    from agents.python.team import Team

WORDS_SECONDS = 0.5  # for the zygote to say how a host ended, before it is told without that


class Host:
    """One process, as its team sees it."""

    def __init__(self, team: "Team"):
        self.team = team
        self.link = Link(self.said, self.exhausted, self.disconnected)
        self.pid = 0
        self.ready = False
        self.gone = False
        self.kill_at: float | None = None  # monotonic; it is on its way out
        self.why = ""  # it is
        self.hog = Hog()
        self.started = math.inf  # monotonic; before, it waits for its turn
        self.built_in = 0.0  # seconds

    async def connect(self, order: Mapping[str, Any]) -> None:
        """Have it forked and listen to it."""
        await self.team.zygote.turns.take(self)
        if self.kill_at is not None:
            self.team.zygote.turns.give_back(self)
            self.over("is not needed any more")
            return
        self.started = time.monotonic()
        memory = self.link.open()
        try:
            sock = self.team.zygote.fork(order, memory, self.forked, self.ended)
        finally:
            os.close(memory)
        await asyncio.get_running_loop().create_unix_connection(lambda: self.link, sock=sock)

    def forked(self, pid: int) -> None:
        """It has a process."""
        self.pid = pid
        if self.kill_at == 0:
            self.kill()

    def said(self, head: Head) -> None:
        """It is ready, or could not build its agent."""
        if head.get("ready"):
            self.ready = True
            self.built_in = time.monotonic() - self.started
            self.team.host_ready(self, str(head.get("code", "")))
        else:
            self.why = str(head.get("failed", "it sent something else than an answer"))
        self.team.zygote.turns.give_back(self)

    def exhausted(self) -> None:
        """It ran out of memory: another one takes over."""
        self.team.replace(self, "ran out of memory")

    def disconnected(self) -> None:
        """Its socket has ended; how it ended the zygote will say."""
        asyncio.get_running_loop().call_later(WORDS_SECONDS, self.cut_off)

    def cut_off(self) -> None:
        """Nobody can ask it any more: if it goes on all the same, it shall not."""
        if not self.gone:
            self.kill()
            self.over("ended")

    def ended(self, how: str) -> None:
        """It is no more. If it was never ready, why it could not be may still be on its way to us."""
        if self.ready or self.why:
            self.over(how)
        else:
            asyncio.get_running_loop().call_later(WORDS_SECONDS, self.over, how)

    def over(self, how: str) -> None:
        """Nothing more will come."""
        if not self.gone:
            self.gone = True
            self.team.zygote.turns.give_back(self)
            self.link.give_up(f"the agent's host {self.why if self.kill_at is not None and self.why else how}")
            self.link.close()
            self.team.host_ended(self, how)

    def makes_way(self, now: float) -> bool:
        """Whether it leaves the processors to others from now on (`Hog.look`). `now`: monotonic."""
        if self.pid and self.link.waiting:
            return self.hog.look(self.pid, self.link.answers, now)
        self.hog.rest()
        return False

    def leave(self, why: str) -> None:
        """Finish what is running, but take nothing new."""
        self.why = self.why or why
        self.kill_at = time.monotonic() + self.team.limits.seconds

    def kill(self) -> None:
        """End it now."""
        self.kill_at = 0
        if self.pid and not self.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
