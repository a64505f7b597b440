"""Who uses a processor for long and answers nothing makes way for everybody else."""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

HOG_SECONDS = 0.1  # with nothing answered, before others go first
HOG_SHARE = 0.6  # of one processor, meanwhile


class Look(NamedTuple):
    """What a process had used and answered when it was looked at."""

    at: float  # monotonic
    used: float  # seconds of processors' time
    answers: int


class Hog:
    """Watches one process, and takes its place in the queue when it is too greedy."""

    def __init__(self) -> None:
        self.before: Look | None = None
        self.made_way = False

    def look(self, pid: int, answers: int, now: float) -> bool:
        """Whether the process runs only where nobody else wants to from now on (sched(7), SCHED_IDLE): it earned that.

        To be called again and again while somebody waits for it. `answers`: how many it has given; `now`: monotonic.
        There is no way back without a privilege: sooner or later another process has to take over.
        """
        if self.made_way:
            return False
        used = cpu_seconds(pid)
        if self.before is None or self.before.answers != answers:
            self.before = Look(now, used, answers)
        elif now - self.before.at >= HOG_SECONDS:
            self.made_way = used - self.before.used > HOG_SHARE * (now - self.before.at)
            self.before = Look(now, used, answers)
            if self.made_way:
                make_way(pid)
                return True
        return False

    def rest(self) -> None:
        """Nobody waits for it: what it does now is not counted."""
        self.before = None


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors; 0 where that cannot be told.

    Its clock has the number that Linux's own CPUCLOCK_SCHED of a process has (include/linux/posix-timers.h), which
    clock_getcpuclockid(3) gives: a microsecond, where /proc/PID/stat takes twenty and counts in hundredths of a second.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def make_way(pid: int) -> None:
    """Let all threads of a process run only where nobody else wants to; nothing where the system does not know that."""
    with contextlib.suppress(OSError, AttributeError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
