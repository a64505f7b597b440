"""The worker's side of the zygote, with a process in its place that ends as none should."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from agents.python import zygote
from agents.python.launch import Whereabouts
from agents.python.zygote import Zygote

# It lets its socket go long before it ends, as each does for a moment.
LINGERS = "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(600)"


async def test_one_that_lets_its_socket_go_before_it_ends_is_killed_and_leaves_no_zombie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zygote, "command", lambda _what, fd: [sys.executable, "-c", LINGERS, fd])
    worker = Zygote(Whereabouts())
    memory = os.open("/dev/null", os.O_RDONLY)
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    try:
        with worker.fork({}, memory, lambda _pid: None, lost.set_result):
            assert worker.process is not None
            pid = worker.process.pid
            assert await asyncio.wait_for(lost, 60) == "was lost with the process that it was forked from"
        assert await asyncio.to_thread(is_gone, pid)
    finally:
        os.close(memory)
        await worker.close()


def is_gone(pid: int) -> bool:
    """Whether a process ends, and is no zombie either."""
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()
