"""How far the installation of packages is, in words: standard library only, for bootstrap.py."""

import re
import sys
import time
from collections import deque
from collections.abc import Callable

LOG_SECONDS = 1  # where lines cannot be overwritten, one so often is enough
LAST_LINES = 15  # of the installer's words, when it fails


def say(text: str) -> None:
    """Print a line."""
    write(f"Switchboard: {text}\n")


def write(text: str) -> None:
    """Write at once, to where it does not mix with a command's output."""
    sys.stderr.write(text)
    sys.stderr.flush()


class Progress:
    """One line that changes on a terminal, a few lines in a log.

    `total`: of the pins. The installer says before it begins which of them are not for this Python.
    """

    def __init__(self, total: int, terminal: bool, write: Callable[[str], object]):
        self.total = total
        self.terminal = terminal
        self.write = write
        self.done = 0
        self.names: set[str] = set()
        self.doing = "installing packages into .venv"
        self.started = time.monotonic()
        self.shown = 0.0
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.show(self.doing + " ...", always=True)

    def line(self, line: str) -> None:
        """Take in a line of the installer's."""
        if line.strip():
            self.last.append(line)
        # pip's words for the same; the last for a mirror that is a folder of wheels.
        if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)|Processing \S*/(\w+)-", line):
            name = found[1] or found[2]
            self.names.add(name.lower())
            self.doing = f"installing {self.total} packages into .venv"
            self.show(f"{self.doing} ... [{len(self.names)}/{self.total}] {name}")
        elif line.startswith("Ignoring "):  # pip: a pin whose marker does not hold
            self.total -= 1
        elif found := re.match(r"Resolved (\d+) packages? ", line):  # uv
            self.total = int(found[1])
        elif line.startswith(("Installing collected packages:", "Prepared ")):
            self.doing = "unpacking"
            self.show(f"unpacking {self.total} packages ...", always=True)

    def quiet(self) -> None:
        """Nothing was heard for a while."""
        self.show(f"{self.doing} ... {time.monotonic() - self.started:.0f} s", always=True)

    def finish(self) -> None:
        """All is there."""
        self.show(f"installed {self.total} packages in {time.monotonic() - self.started:.0f} s", always=True)
        if self.terminal:
            self.write("\n")

    def show(self, text: str, always: bool = False) -> None:
        """Show how far it is."""
        if self.terminal:
            self.write(f"\r\x1b[KSwitchboard: {text}")
        elif always or time.monotonic() - self.shown >= LOG_SECONDS:
            self.shown = time.monotonic()
            self.write(f"Switchboard: {text}\n")
