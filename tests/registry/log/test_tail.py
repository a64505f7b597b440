"""The tail: there while somebody watches, and without a hole whatever happens to it or when viewers come and go."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from registry.base import daemon
from registry.log import tail as module
from registry.log.cursor import Read, now, read_since
from registry.log.filters import Filter
from registry.log.live import Hub, News, Viewer
from registry.log.tail import Live, Tail
from tests.config.processes import wait_for
from tests.registry.log.test_cursor import Connection, connected, insert

__all__ = ["connected"]  # a fixture


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections that the tail has opened."""
    found: list[Connection] = []

    def connect(**options: Any) -> Connection:
        found.append(psycopg.connect(**options))
        return found[-1]

    monkeypatch.setattr(module, "psycopg", SimpleNamespace(connect=connect))
    return found


@pytest.fixture
def live(db: None, monkeypatch: pytest.MonkeyPatch, opened: list[Connection]) -> Iterator[Live]:
    """A tail that runs, quicker than usual."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(daemon, "RETRY_SECONDS", (0.05,))
    live = Live()
    live.tail.start()
    yield live
    live.tail.stop(5)
    assert not live.tail.thread.is_alive()
    assert all(one.closed for one in opened)


async def until(what: Callable[[], object], seconds: float = 5) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not what():
        assert asyncio.get_running_loop().time() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def join(live: Live) -> Viewer:
    """A viewer that is shown everything from now on."""
    viewer = Viewer(Filter(), 1000)
    live.hub.join(viewer)
    live.tail.watch()
    await until(live.tail.positioned.is_set)
    viewer.caught_up(None)
    return viewer


def shown(viewer: Viewer) -> list[str]:
    return [json.loads(row)["id"] for row in viewer.queue]


def test_it_listens_from_the_first_viewer_to_the_last(
    live: Live, opened: list[Connection], connected: Callable[[], Connection]
) -> None:
    writer = connected()

    async def watch() -> None:
        await asyncio.sleep(0.2)
        assert opened == []
        insert(writer)
        one = await join(live)
        two = await join(live)
        made = insert(writer)
        await until(lambda: shown(one) == shown(two) == [made])
        live.hub.leave(one)
        second = insert(writer)
        await until(lambda: shown(two) == [made, second])
        assert shown(one) == [made]
        assert not opened[0].closed
        live.hub.leave(two)
        await until(lambda: opened[0].closed)
        insert(writer)
        three = await join(live)
        third = insert(writer)
        await until(lambda: shown(three) == [third])
        assert len(opened) == 2

    asyncio.run(watch())


def test_it_comes_back_without_a_hole_when_its_connection_is_lost(
    live: Live, opened: list[Connection], connected: Callable[[], Connection]
) -> None:
    writer, killer = connected(), connected()

    async def watch() -> None:
        viewer = await join(live)
        made = []
        for _ in range(5):
            made += [insert(writer) for _ in range(3)]
            killer.execute("SELECT pg_terminate_backend(%s)", [opened[-1].info.backend_pid])
            made += [insert(writer) for _ in range(3)]
            count = len(opened)
            await until(lambda count=count: len(opened) > count)
        await until(lambda: len(shown(viewer)) >= len(made))
        assert shown(viewer) == made
        await until(lambda: live.tail.last_error == "")

    asyncio.run(watch())


def test_what_failed_on_the_way_to_the_viewers_is_read_again(
    live: Live, connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = connected()
    failures = iter([RuntimeError("a bug")])
    filters = Hub.filters

    def sometimes(hub: Hub) -> set[Filter]:
        for error in failures:
            raise error
        return filters(hub)

    async def watch() -> None:
        viewer = await join(live)
        monkeypatch.setattr(Hub, "filters", sometimes)
        made = insert(writer)
        await until(lambda: shown(viewer) == [made])

    asyncio.run(watch())


class Viewers:
    """A hub's viewers; when the tail finds for the last time that there are none, one comes."""

    def __init__(self, arrive: Callable[[], None]):
        self.arrive = arrive
        self.asked = 0
        self.there = False

    def __bool__(self) -> bool:
        found = self.there
        self.asked += 1
        if not found:
            threading.Thread(target=self.arrive).start()
            wait_for(lambda: self.there)
            threading.Event().wait(0.2)  # as far as it comes without us
        return found


def test_who_comes_while_it_ends_waits_for_its_next_position(
    connected: Callable[[], Connection], request: pytest.FixtureRequest
) -> None:
    """A viewer must read after the tail knows where it is: what lies between the two nobody would show."""
    reader, writer = connected(), connected()
    hub = Hub()
    tail = Tail(hub)
    loop = asyncio.new_event_loop()
    request.addfinalizer(loop.close)
    reads: list[Read] = []

    def arrive() -> None:
        async def join() -> None:
            viewers.there = True
            tail.watch()

        loop.run_until_complete(join())
        tail.positioned.wait(5)
        reads.append(read_since(reader, None, 0))
        insert(writer)

    viewers = Viewers(arrive)
    hub.viewers = viewers  # type: ignore[assignment]
    tail.watched.set()
    tail.loop = loop
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as listening:
        tail.follow(listening)  # ends
        assert viewers.asked == 1
        assert tail.watched.wait(5)
        tail.cursor = now(listening)  # as `follow` begins
        position = tail.cursor
        tail.positioned.set()
        wait_for(lambda: reads)
    assert reads[0].cursor.age >= position.age


def test_viewers_that_come_and_go_at_any_moment_miss_nothing(
    live: Live, connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the last one leaves the tail ends; who comes back reads what it missed, then is told what is new."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.002)
    reader, writer = connected(), connected()
    made: list[str] = []
    seen: list[str] = []

    def write() -> None:
        for _ in range(300):
            made.append(insert(writer))
            threading.Event().wait(0.005)

    async def watch() -> None:
        cursor = now(reader)
        writing = asyncio.create_task(asyncio.to_thread(write))
        while True:
            over = writing.done()
            viewer = Viewer(Filter(), 10_000)
            live.hub.join(viewer)
            live.tail.watch()
            await until(live.tail.positioned.is_set)
            read = read_since(reader, cursor, 1000)
            viewer.caught_up(News(read.events, read.cursor, {}, read.missed))
            await asyncio.sleep(0.05 if over else 0.01)
            live.hub.leave(viewer)
            message: dict[str, Any] = json.loads(viewer.message())
            seen.extend(row["id"] for row in message["events"])
            assert {"missed", "folded"}.isdisjoint(message)
            assert viewer.cursor is not None
            cursor = viewer.cursor
            if over:
                break
            await asyncio.sleep(0.004)
        await writing

    asyncio.run(watch())
    assert sorted(seen) == sorted(made)
