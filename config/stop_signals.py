"""The signals that ask `serve` to stop: counted, and breaking off what is slow; a dead child ends a sleep, too."""

import contextlib
import select
import signal
import socket
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """A signal asked to stop while something slow was under way."""


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP of this process, as long as `taken` lasts."""

    def __init__(self) -> None:
        self.asked = 0  # how often we were asked to stop
        self.hurry = False  # the last time by Ctrl-C
        self.interruptible = False

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals that stop us, and the one that tells of a dead child; put the old ways back after."""
        self.wake, waker = socket.socketpair()
        self.wake.setblocking(False)
        waker.setblocking(False)
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # it is, under nohup
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self.on_signal) for number in numbers}
        fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            self.wake.close()
            waker.close()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note a request to stop; break off what is slow."""
        if number == signal.SIGCHLD:
            return
        self.asked += 1
        self.hurry = number == signal.SIGINT  # somebody sits there
        if self.interruptible:
            self.interruptible = False
            raise Stopped

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """Something that a signal breaks off."""
        self.interruptible = True
        try:
            if self.asked:
                raise Stopped
            yield
        finally:
            self.interruptible = False

    def sleep(self, seconds: float) -> None:
        """Sleep until a signal comes, or a child dies."""
        select.select([self.wake], [], [], max(seconds, 0))
        with contextlib.suppress(BlockingIOError):
            self.wake.recv(4096)
