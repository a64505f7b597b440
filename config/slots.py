"""The places of `serve`'s workers: a process each, or the time at which there will be one again."""

import contextlib
import signal
import subprocess
from dataclasses import dataclass

RESTART_SECONDS = 30  # the longest pause before a worker that keeps dying is started again; the first is one second
HOPELESS_STARTS = 3  # a worker that ends that often in the same way before any has ever answered ends `serve`
LIVED_SECONDS = 10  # a worker that lived so long is replaced at once
LAST_RESORT_SECONDS = 3  # a worker that takes so much longer to stop than its requests may is killed
FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM})  # such an end says nothing about the worker


@dataclass
class Slot:
    """The place of one worker."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    restart_at: float = 0
    pause: float = 0
    code: int = 0  # of the last process that ended
    alike: int = 0  # how many in a row ended soon, and with this code

    def died(self, now: float, code: int) -> None:
        """Its process is gone: 1, 2, 4 … seconds until the next one, if it did not live long."""
        lived_long = now - self.started >= LIVED_SECONDS
        self.process = None
        self.pause = 0 if lived_long else min(self.pause * 2 or 1, RESTART_SECONDS)
        self.restart_at = now + self.pause
        if lived_long or code in FROM_OUTSIDE:
            self.alike = 0
        else:
            self.alike = self.alike + 1 if code == self.code else 1
        self.code = code

    @property
    def hopeless(self) -> bool:
        """Whether its processes keep ending at once in the same way."""
        return self.alike >= HOPELESS_STARTS


def describe(code: int) -> str:
    """A process's end in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
