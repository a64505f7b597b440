"""A worker's side of the zygote: the process from which agent hosts are forked (switchboard_host/zygote.py)."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from agents.python.launch import Whereabouts, command, environment
from agents.python.switchboard_host.frames import Frames, Head, packed
from agents.python.turns import Turns

logger = logging.getLogger(__name__)

END_SECONDS = 4  # for the zygote and its hosts to end
BUFFER_BYTES = 4 * 1024 * 1024  # of the control socket: an order is sent whole

Ended = Callable[[str], None]  # is told how a host ended, in words


class Zygote:
    """Starts hosts. The process is there from the first host on, and again after it died."""

    def __init__(self, whereabouts: Whereabouts):
        self.whereabouts = whereabouts
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.ending: asyncio.Future[int] | None = None  # of the one before
        self.turns = Turns()
        self.number = 0
        self.ordered: dict[int, tuple[Callable[[int], None], Ended]] = {}  # hosts that have no process yet
        self.running: dict[int, Ended] = {}  # by process

    def fork(
        self, order: Mapping[str, Any], memory: int, started: Callable[[int], None], ended: Ended
    ) -> socket.socket:
        """Have a host forked; our end of its socket. `started` is told its process, `ended` its end.

        `memory`: descriptor of what it shares with us.
        """
        control = self.control or self.start()
        self.number += 1
        ours, its = socket.socketpair()
        with its:
            message = framed({**order, "host": self.number})
            self.ordered[self.number] = (started, ended)
            try:
                socket.send_fds(control, [message], [its.fileno(), memory])
            except OSError as error:
                del self.ordered[self.number]
                ours.close()
                raise OSError(f"the zygote cannot be asked for a host: {error.strerror}") from error
        ours.setblocking(False)
        return ours

    def start(self) -> socket.socket:
        """Start the process."""
        ours, its = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        with its:
            self.process = subprocess.Popen(
                command("fork", str(its.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[its.fileno()],
                env=environment(self.whereabouts.hidden),
                process_group=0,
            )
        self.control = ours
        self.frames = Frames(self.take)
        asyncio.get_running_loop().add_reader(ours.fileno(), self.receive)
        return ours

    def receive(self) -> None:
        """What the zygote says; at its end all hosts that were ordered are no more."""
        assert self.control is not None
        try:
            data = self.control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.frames.feed(data)
            return
        logger.warning("The process that agent hosts are forked from has ended; the next host starts another one")
        process = self.drop()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what agents have started
            # Its socket ends a moment before it does: who only asks whether it has ended leaves a zombie.
            self.ending = asyncio.get_running_loop().run_in_executor(None, process.wait)
        lost = [ended for _, ended in self.ordered.values()] + list(self.running.values())
        self.ordered, self.running = {}, {}
        for ended in lost:
            ended("was lost with the process that it was forked from")

    def take(self, head: Head, _body: bytes) -> None:
        """A host is there, or no more."""
        if "host" in head:
            started, ended = self.ordered.pop(head["host"])
            self.running[head["pid"]] = ended
            started(head["pid"])
        elif ended_one := self.running.pop(head["ended"], None):
            ended_one(in_words(head["status"]))

    def drop(self) -> subprocess.Popen[bytes] | None:
        """Let the socket go, and with it the process."""
        process, self.process = self.process, None
        if self.control is not None:
            asyncio.get_running_loop().remove_reader(self.control.fileno())
            self.control.close()
            self.control = None
        return process

    async def close(self) -> None:
        """End it and all hosts."""
        process = self.drop()
        if self.ending is not None:
            await self.ending
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)


def framed(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message as `switchboard_host/frames.py` says it, made quickly."""
    return packed(orjson.dumps(head), body)


def in_words(status: int) -> str:
    """How a process ended (its status as waitpid(2) gives it)."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"was killed by {name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
