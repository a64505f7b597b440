"""A worker's connection to one agent host: requests go out, answers come back, in any order."""

import asyncio
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import orjson

from agents.python.switchboard_host.frames import BEGUN, SLOTS, STALE_SECONDS, FrameError, Frames, Head
from agents.python.zygote import framed

PING = 0  # number of the question whether the host can still hear


class Reply(NamedTuple):
    """What a host answers. `status` 0: its code raised something, `detail` says what."""

    status: int
    body: bytes
    location: str = ""
    detail: str = ""
    trace: str = ""


class HostGone(Exception):  # noqa: N818
    """The host is no more, or deaf. The message says why; `begun`: it may have carried the request out."""

    def __init__(self, why: str, *, begun: bool):
        self.begun = begun
        super().__init__(why)


class TooLate(Exception):  # noqa: N818
    """The host did not answer in time."""


@dataclass(slots=True)
class Waiting:
    """A request that a host has."""

    future: asyncio.Future[Reply]
    since: float  # monotonic
    until: float  # monotonic
    slot: int | None  # in which the host says that it has begun; None for what may be carried out twice


class Link(asyncio.Protocol):
    """Hands requests to a host and its answers to whoever waits."""

    transport: asyncio.Transport

    def __init__(self, ready: Callable[[Head], None], exhausted: Callable[[], None], lost: Callable[[], None]):
        self.ready = ready
        self.exhausted = exhausted
        self.lost = lost
        self.frames = Frames(self.take, orjson.loads)
        self.number = PING
        self.answers = 0  # that have come
        self.waiting: dict[int, Waiting] = {}
        self.unsent: list[bytes] = []  # messages of this turn
        self.begun: mmap.mmap | bytearray = bytearray(SLOTS)
        self.slots = list(range(SLOTS))
        self.connected = self.closed = False
        self.pinged: float | None = None  # when it was asked whether it hears, if it has not said so yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is being built."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.connected = True
        if self.closed:
            self.transport.abort()

    def open(self) -> int:
        """The memory in which the host says what it has begun, as a descriptor for it; `OSError` if there is none."""
        memory = shared_memory(SLOTS)
        self.begun = mmap.mmap(memory, SLOTS)
        return memory

    def close(self) -> None:
        """Nothing more will be asked. The memory has a descriptor of its own, which no collector would free soon."""
        self.closed = True
        if self.connected:
            self.transport.abort()
        if isinstance(self.begun, mmap.mmap):
            self.begun.close()

    def data_received(self, data: bytes) -> None:
        """Answers; a host that sends something else is no host any more."""
        try:
            self.frames.feed(data)
        except (FrameError, KeyError, TypeError, ValueError):
            self.transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """It has ended."""
        self.lost()

    def ask(self, head: Mapping[str, Any], body: bytes, seconds: float, *, changes: bool) -> asyncio.Future[Reply]:
        """Send a request; its answer will be there, or `HostGone`, or `TooLate` from `look` on.

        `changes`: something, so that it must not be carried out twice.
        """
        self.number += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        now = time.monotonic()
        slot = self.take_slot() if changes else None
        self.waiting[self.number] = Waiting(future, now, now + seconds, slot)
        sent = {"i": self.number, **head} if slot is None else {"i": self.number, "a": now, "b": slot, **head}
        self.send(framed(sent, body))
        return future

    def send(self, message: bytes) -> None:
        """Send a message at the end of the event loop's turn, with those of others: it wakes the host once."""
        if not self.unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self.unsent.append(message)

    def flush(self) -> None:
        """The end of the turn."""
        unsent, self.unsent = self.unsent, []
        if not self.closed:
            self.transport.write(b"".join(unsent))

    def take(self, head: Head, body: bytes) -> None:
        """An answer, or a word about itself."""
        number = head.get("i")
        if number is None:
            self.ready(head)
        elif number == PING:
            self.pinged = None
        elif number in self.waiting:
            self.answers += 1
            reply = None if head.get("late") else reply_of(head, body)
            waiting = self.waiting.pop(number)
            self.free_slot(waiting)
            if waiting.future.done():
                pass
            elif reply is None:
                waiting.future.set_exception(HostGone("was blocked", begun=False))
            else:
                waiting.future.set_result(reply)
            if head.get("x"):
                self.exhausted()

    def give_up(self, why: str) -> None:
        """Tell all who wait that nothing will come."""
        self.dismiss(list(self.waiting), why)

    def hand_back(self, why: str) -> None:
        """Tell those who wait for a host that hears nothing to ask another one, if that can do no harm."""
        stale = time.monotonic() - 2 * STALE_SECONDS
        harmless = [
            number
            for number, waiting in self.waiting.items()
            if waiting.slot is None or (not self.has_begun(waiting) and waiting.since < stale)
        ]
        self.dismiss(harmless, why)

    def dismiss(self, numbers: list[int], why: str) -> None:
        """Tell these that nothing will come."""
        for number in numbers:
            waiting = self.waiting.pop(number)
            if not waiting.future.done():
                waiting.future.set_exception(HostGone(why, begun=self.has_begun(waiting)))

    def has_begun(self, waiting: Waiting) -> bool:
        """Whether the host may have carried it out."""
        return waiting.slot is not None and self.begun[waiting.slot] == BEGUN

    def take_slot(self) -> int:
        """A place for the host to say that it has begun."""
        if not self.slots:
            raise HostGone("has too much to do", begun=False)
        slot = self.slots.pop()
        self.begun[slot] = 0
        return slot

    def free_slot(self, waiting: Waiting) -> None:
        """It is answered: its place may be another's. What never was answered keeps it, for it may yet begin."""
        if waiting.slot is not None:
            self.slots.append(waiting.slot)

    def is_deaf(self, now: float, after: float) -> bool:
        """Whether it has not said for so long that it can hear. `now`: monotonic."""
        return self.pinged is not None and now - self.pinged > after

    def look(self, now: float, ping_after: float) -> str:
        """Whether all are answered in time: "", or what is not so. `now`: monotonic.

        Those whose time is up are told so. If somebody waits for longer than `ping_after`, the host is asked whether it
        hears.
        """
        late = [number for number, waiting in self.waiting.items() if waiting.until < now]
        for number in late:
            waiting = self.waiting.pop(number)
            if not waiting.future.done():
                waiting.future.set_exception(TooLate)
        if late:
            return "timed out"
        if self.pinged is None and any(now - waiting.since > ping_after for waiting in self.waiting.values()):
            self.pinged = now
            self.send(framed({"i": PING}))
        return ""


def reply_of(head: Head, body: bytes) -> Reply:
    """What a message says; `KeyError`, `TypeError` or `ValueError` if it is no answer."""
    return Reply(int(head["s"]), body, *(str(head.get(key, "")) for key in ("l", "d", "t")))


def shared_memory(size: int) -> int:
    """A descriptor of so many bytes, all 0, that can be mapped by whoever gets it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("switchboard-host")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
