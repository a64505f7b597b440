"""A worker's connection to one agent host: requests go out, answers come back, in any order."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from agents.hosting.forking import framed
from agents.hosting.switchboard_host.frames import FrameError, Frames, Head

PING = 0  # number of the question whether the host can still hear


class Reply(NamedTuple):
    """What a host answers. `status` 0: its code raised something, `detail` says what."""

    status: int
    body: bytes
    location: str = ""
    detail: str = ""
    trace: str = ""


class HostGone(Exception):  # noqa: N818
    """The host is no more, or cannot be waited for. The message says why."""


class TooLate(Exception):  # noqa: N818
    """The host did not answer in time."""


@dataclass(slots=True)
class Waiting:
    """A request that a host has."""

    future: asyncio.Future[Reply]
    since: float  # monotonic
    until: float  # monotonic
    repeatable: bool  # it changes nothing, another host may be asked


class Link(asyncio.Protocol):
    """Hands requests to a host and its answers to whoever waits."""

    transport: asyncio.Transport

    def __init__(self, ready: Callable[[Head], None], exhausted: Callable[[], None], lost: Callable[[], None]):
        self.ready = ready
        self.exhausted = exhausted
        self.lost = lost
        self.frames = Frames(self.take)
        self.number = PING
        self.waiting: dict[int, Waiting] = {}
        self.pinged: float | None = None  # when it was asked whether it hears, if it has not said so yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is being built."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        """Answers."""
        try:
            self.frames.feed(data)
        except FrameError:
            self.transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """It has ended."""
        self.lost()

    def ask(self, head: Mapping[str, Any], body: bytes, seconds: float, *, repeatable: bool) -> asyncio.Future[Reply]:
        """Send a request; its answer will be there, or `HostGone`, or `TooLate` from `look` on."""
        self.number += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        now = time.monotonic()
        self.waiting[self.number] = Waiting(future, now, now + seconds, repeatable)
        self.transport.write(framed({"i": self.number, **head}, body))
        return future

    def take(self, head: Head, body: bytes) -> None:
        """An answer, or a word about itself."""
        number = head.get("i")
        if number is None:
            self.ready(head)
        elif number == PING:
            self.pinged = None
        elif waiting := self.waiting.pop(number, None):
            if not waiting.future.done():
                about = (str(head.get(key, "")) for key in ("l", "d", "t"))
                waiting.future.set_result(Reply(int(head["s"]), body, *about))
            if head.get("x"):
                self.exhausted()

    def give_up(self, why: str, *, repeatable_only: bool = False) -> None:
        """Tell those who wait that nothing will come."""
        for number, waiting in list(self.waiting.items()):
            if waiting.repeatable or not repeatable_only:
                del self.waiting[number]
                if not waiting.future.done():
                    waiting.future.set_exception(HostGone(why))

    def look(self, now: float, ping_after: float, deaf_after: float) -> str:
        """Whether all is well: "", or what is not. Requests whose time is up are told so. Times are monotonic."""
        late = [number for number, waiting in self.waiting.items() if waiting.until < now]
        for number in late:
            waiting = self.waiting.pop(number)
            if not waiting.future.done():
                waiting.future.set_exception(TooLate)
        if late:
            return "did not answer in time"
        if self.pinged is not None:
            return "hears nothing: its event loop is blocked" if now - self.pinged > deaf_after else ""
        if any(now - waiting.since > ping_after for waiting in self.waiting.values()):
            self.pinged = now
            self.transport.write(framed({"i": PING}))
        return ""
