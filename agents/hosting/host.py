"""One agent host as its team sees it: from the order to the end of its process."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.hosting.link import Link
from agents.hosting.switchboard_host.frames import Head

if TYPE_CHECKING:
    from agents.hosting.team import Team

WORDS_SECONDS = 0.5  # for the zygote to say how a host ended, before it is told without that
HOG_SECONDS = 0.2  # that a request waits, and a processor is used, before others go first
HOG_SHARE = 0.6  # of one processor
TICKS = os.sysconf("SC_CLK_TCK")


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
        self.made_way = False  # for others: it used a processor for long
        self.used: tuple[float, float] | None = None  # when it was looked at (monotonic), CPU seconds by then
        self.started = math.inf  # monotonic; before, it waits for its turn

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

    def make_way(self, now: float) -> None:
        """Leave the processors to others, if it has used one for long and answered nothing. `now`: monotonic.

        From then on it runs only where nobody else wants to (sched(7), SCHED_IDLE). There is no way back from that, so
        another one takes over when it has nothing to do (`Team.look`).
        """
        if self.made_way or not self.pid or not self.link.waits_longer(now, HOG_SECONDS):
            self.used = None
            return
        seconds = cpu_seconds(self.pid)
        if self.used is None:
            self.used = now, seconds
        elif now - self.used[0] >= HOG_SECONDS:
            self.made_way = seconds - self.used[1] > HOG_SHARE * (now - self.used[0])
            self.used = now, seconds
            if self.made_way:
                idle(self.pid)

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


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors, 0 where that cannot be told (proc(5), /proc/pid/stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def idle(pid: int) -> None:
    """Let all threads of a process run only where nobody else wants to; nothing where the system does not know that."""
    with contextlib.suppress(OSError, AttributeError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
