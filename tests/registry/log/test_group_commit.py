import asyncio
import logging
import os
import threading

import pytest

from registry.log.group_commit import GroupSync
from registry.log.spool import Spool
from tests.client import Client
from tests.registry.building import fleet_table


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "data" / "spool", "test", 1000)
    yield spool
    spool.close()


class Disk:
    """A sync that waits until it is let go, or fails."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.begun: list[int] = []  # inodes
        self.error: OSError | None = None

    def __call__(self, descriptor: int) -> None:
        self.begun.append(os.fstat(descriptor).st_ino)
        assert self.go.acquire(timeout=10)
        if self.error is not None:
            raise self.error


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def sync(spool, disk):
    sync = GroupSync(spool, 10, disk)
    yield sync
    sync.close()


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.001)


class Requests:
    """Requests that append their line and wait, and the order in which they go on."""

    def __init__(self, spool: Spool, sync: GroupSync):
        self.spool = spool
        self.sync = sync
        self.answered: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, *names: str) -> None:
        self.tasks += [asyncio.create_task(self.run(name)) for name in names]
        await asyncio.sleep(0.01)

    async def run(self, name: str) -> None:
        self.spool.append(name.encode())
        await self.sync.wait()
        self.answered.append(name)


async def test_who_comes_while_a_sync_runs_is_covered_by_the_next_single_one(spool, sync, disk):
    requests = Requests(spool, sync)
    await requests.begin("a")
    await until(lambda: len(disk.begun) == 1)
    await requests.begin("b", "c", "d")
    assert requests.answered == []
    disk.go.release()
    await until(lambda: len(disk.begun) == 2)
    assert requests.answered == ["a"]
    await asyncio.sleep(0.05)
    assert requests.answered == ["a"]
    disk.go.release()
    await asyncio.gather(*requests.tasks)
    assert requests.answered == ["a", "b", "c", "d"]
    assert len(disk.begun) == 2
    assert sync.failed == 0


async def test_a_request_that_wrote_nothing_waits_for_nothing(spool, sync, disk):
    await sync.wait()
    requests = Requests(spool, sync)
    disk.go.release()
    await requests.begin("a")
    await asyncio.gather(*requests.tasks)
    await sync.wait()
    assert len(disk.begun) == 1


async def test_lines_in_a_segment_that_has_just_become_full_are_synced_too(spool, sync, disk):
    requests = Requests(spool, sync)
    await requests.begin("a")
    await requests.begin("b" * 600, "c" * 600)
    for _ in range(3):
        disk.go.release()
    await asyncio.gather(*requests.tasks)
    assert {segment.path.stat().st_ino for segment in spool.segments()} == set(disk.begun)


async def test_a_segment_that_was_drained_meanwhile_needs_no_sync(spool, sync, disk):
    requests = Requests(spool, sync)
    await requests.begin("a" * 600)
    await requests.begin("b" * 600, "c" * 600)
    for segment in list(spool.full):
        spool.drop(segment)
    for _ in range(3):
        disk.go.release()
    await asyncio.gather(*requests.tasks)
    assert sync.failed == 0


async def test_a_sync_that_fails_costs_nobody_the_answer_is_said_once_and_counted(spool, sync, disk, caplog):
    disk.error = OSError(5, "Input/output error")
    requests = Requests(spool, sync)
    with caplog.at_level(logging.ERROR):
        for name in ("a", "b", "c"):
            disk.go.release()
            await requests.begin(name)
            await asyncio.gather(*requests.tasks)
    assert (requests.answered, sync.failed, len(caplog.records)) == (["a", "b", "c"], 3, 1)
    assert "Input/output error" in sync.problem
    disk.error = None
    disk.go.release()
    await requests.begin("d")
    await asyncio.gather(*requests.tasks)
    assert (sync.failed, sync.problem) == (3, "")


async def test_a_disk_that_hangs_is_not_waited_for(spool, disk, caplog):
    sync = GroupSync(spool, 0.05, disk)
    requests = Requests(spool, sync)
    await requests.begin("a")
    await requests.begin("b")
    await until(lambda: len(requests.answered) == 2)
    await requests.begin("c")
    assert (requests.answered, sync.failed, len(caplog.records)) == (["a", "b", "c"], 3, 1)
    disk.go.release()
    await until(lambda: sync.task.done())
    assert sync.problem == ""
    disk.go.release()
    await requests.begin("d")
    await asyncio.gather(*requests.tasks)
    assert (requests.answered[-1], sync.failed, len(disk.begun)) == ("d", 3, 2)
    sync.close()


async def test_a_request_that_is_given_up_holds_up_nobody(spool, sync, disk):
    requests = Requests(spool, sync)
    await requests.begin("a", "b")
    requests.tasks[0].cancel()
    disk.go.release()
    await requests.tasks[1]
    assert requests.answered == ["b"]


async def test_a_bug_in_a_sync_holds_up_nobody(spool, caplog):
    def bug(_descriptor):
        raise ValueError("a bug")

    sync = GroupSync(spool, 10, bug)
    requests = Requests(spool, sync)
    await requests.begin("a", "b")
    await asyncio.gather(*requests.tasks)
    with pytest.raises(ValueError, match="a bug"):
        await sync.task
    sync.close()


async def test_the_disk_itself_is_synced(spool):
    sync = GroupSync(spool, 10)
    requests = Requests(spool, sync)
    await requests.begin(*(str(number) for number in range(100)))
    await asyncio.gather(*requests.tasks)
    assert (len(requests.answered), sync.failed) == (100, 0)
    sync.close()


def test_an_answer_is_sent_only_after_its_event_is_synced(tmp_path):
    """The whole way: the dispatcher, a real spool, and what is in the file at the moment of each sync."""
    spool = Spool(tmp_path / "spool", "test", 100_000)
    seen: list[tuple[str, int]] = []
    client = Client(fleet_table())
    client.dispatcher.context.recorder.spool = spool
    client.dispatcher.sync = GroupSync(
        spool, 10, lambda fd: seen.append(("sync", os.pread(fd, 10_000, 0).count(b"\n")))
    )

    async def ask() -> None:
        scope = {
            "type": "http", "method": "GET", "path": "/pharmacy", "raw_path": b"/pharmacy", "query_string": b"",
            "headers": [(b"authorization", b"Basic dTpw")], "client": ("192.0.2.7", 1), "server": ("10.0.0.1", 80),
        }  # fmt: skip

        async def send(message) -> None:
            if message["type"] == "http.response.start":
                seen.append(("answer", message["status"]))

        for _ in range(2):
            await client.dispatcher(scope, None, send)

    asyncio.run(ask())
    assert seen == [("sync", 1), ("answer", 200), ("sync", 2), ("answer", 200)]
    client.dispatcher.sync.close()
    spool.close()
