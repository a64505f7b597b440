"""A process that uses a processor and answers nothing goes last; one that waits, or answers, does not."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.python.hogs import HOG_SECONDS, Hog, cpu_seconds

LOOPS = "while True: pass"
THREADS = "import threading\nfor _ in range(2): threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()"
SLEEPS = "import time; time.sleep(60)"


@pytest.fixture
def started() -> Iterator[Callable[[str], int]]:
    """Starts Python with some code; its process id."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> int:
        code = f"print(flush=True)\n{code}"
        processes.append(subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE))
        assert processes[-1].stdout is not None
        processes[-1].stdout.read(1)
        return processes[-1].pid

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def policies(pid: int) -> set[int]:
    """Of its threads."""
    return {os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()}


def until_it_makes_way(hog: Hog, pid: int, seconds: float, answers: Callable[[], int] = lambda: 0) -> bool:
    """Whether it does within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if hog.look(pid, answers(), time.monotonic()):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("code", [LOOPS, THREADS])
def test_who_loops_makes_way_with_all_threads_and_once(started: Callable[[str], int], code: str) -> None:
    pid, hog = started(code), Hog()
    assert until_it_makes_way(hog, pid, 30)
    assert hog.made_way
    assert policies(pid) == {os.SCHED_IDLE}
    assert not until_it_makes_way(hog, pid, 2 * HOG_SECONDS)


def test_who_waits_does_not(started: Callable[[str], int]) -> None:
    pid, hog = started(SLEEPS), Hog()
    assert not until_it_makes_way(hog, pid, 3 * HOG_SECONDS)
    assert policies(pid) == {os.SCHED_OTHER}


def test_who_answers_meanwhile_does_not(started: Callable[[str], int]) -> None:
    pid, hog = started(LOOPS), Hog()
    assert not until_it_makes_way(hog, pid, 3 * HOG_SECONDS, iter(range(10_000)).__next__)
    assert policies(pid) == {os.SCHED_OTHER}


def test_what_it_does_while_nobody_waits_is_not_counted(started: Callable[[str], int]) -> None:
    pid, hog = started(LOOPS), Hog()
    for _ in range(3):
        assert not until_it_makes_way(hog, pid, HOG_SECONDS / 2)
        time.sleep(HOG_SECONDS)
        hog.rest()
    assert not hog.made_way


def test_a_process_that_is_no_more_has_used_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    assert cpu_seconds(process.pid) == 0
    assert 0 < cpu_seconds(os.getpid()) <= time.process_time()
    hog = Hog()
    assert not until_it_makes_way(hog, process.pid, 2 * HOG_SECONDS)
