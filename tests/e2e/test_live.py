"""The live log over real sockets, while two workers answer calls."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.server import Server, database_url
from tests.e2e.watching import messages, sign_in, socket


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: each test looks at its own requests."""
    found = Server(database_url("live"), tmp_path_factory.mktemp("live"), example=True)
    yield found
    found.leave()


async def ask(server: Server, count: int, path: str = "/sales") -> None:
    """So many requests, each with a call id of its own."""
    for _ in range(count):
        await asyncio.to_thread(server.get, f"{path}?call_id={random.getrandbits(64):x}")


def logged(server: Server) -> set[str]:
    """The ids of all requests to agents."""
    return {str(row[0]) for row in server.query("SELECT id FROM registry_routingevent WHERE agent <> ''")}


def test_events_arrive_by_themselves_filtered_on_the_server(server: Server) -> None:
    cookie = sign_in(server)

    async def watch() -> None:
        async with socket(server, cookie) as everything, socket(server, cookie, filter="agent:support-agent") as some:
            assert (await messages(everything))["events"] == []
            await messages(some)
            await ask(server, 3)
            await ask(server, 2, "/support")
            seen: list[Any] = []
            while len(seen) < 5:
                seen += (await messages(everything))["events"]
            assert sorted(event["agent"] for event in seen) == ["sales-agent"] * 3 + ["support-agent"] * 2
            assert seen[0]["kind"] == "swml"
            assert seen[0]["time"].endswith("Z")
            assert "request" not in seen[0]
            only: list[Any] = []
            while len(only) < 2:
                only += (await messages(some))["events"]
            supports = {event["id"] for event in seen if event["agent"] == "support-agent"}
            assert {event["id"] for event in only} == supports, "two workers' rows may come in either order"

    asyncio.run(watch())


def test_a_viewer_that_comes_back_at_any_moment_misses_nothing_and_sees_nothing_twice(server: Server) -> None:
    cookie = sign_in(server)
    seen: list[str] = []
    before = logged(server)

    async def watch(total: int, watching: asyncio.Event) -> None:
        cursor = ""
        clock = asyncio.get_running_loop().time
        while len(seen) < total:
            query = {"rate": 1000, **({"cursor": cursor} if cursor else {})}
            async with socket(server, cookie, **query) as viewer:
                end = clock() + random.uniform(0, 0.4)
                while len(seen) < total and (not cursor or clock() < end):
                    message = await messages(viewer, 20)
                    assert {"missed", "folded"}.isdisjoint(message)
                    seen.extend(event["id"] for event in message["events"])
                    cursor = message["cursor"]
                    watching.set()

    async def both() -> None:
        watching = asyncio.Event()
        viewer = asyncio.create_task(watch(400, watching))
        await watching.wait()
        await asyncio.gather(*(ask(server, 100) for _ in range(4)), viewer)

    asyncio.run(both())
    assert len(set(seen)) == len(seen)
    assert set(seen) == logged(server) - before


def test_above_its_rate_a_viewer_gets_counts(server: Server) -> None:
    cookie = sign_in(server)

    async def watch() -> None:
        async with socket(server, cookie, rate=2) as viewer:
            await messages(viewer)
            await asyncio.gather(*(ask(server, 10) for _ in range(4)))
            shown, folded = 0, 0
            while shown + folded < 40:
                message = await messages(viewer)
                shown += len(message["events"])
                for count in message.get("folded", []):
                    assert (count["agent"], count["outcome"]) == ("sales-agent", "ok")
                    folded += count["count"]
            assert shown + folded == 40
            assert folded >= 20

    asyncio.run(watch())


def test_a_new_viewer_may_begin_with_the_last_rows(server: Server) -> None:
    cookie = sign_in(server)

    async def watch() -> None:
        await ask(server, 5)
        server.events(5)
        async with socket(server, cookie, recent=3) as viewer:
            assert len((await messages(viewer))["events"]) == 3

    asyncio.run(watch())


@pytest.mark.parametrize("path", ["/ws/events", "/ws/nothing"])
def test_strangers_are_turned_away(server: Server, path: str) -> None:
    async def watch() -> None:
        with pytest.raises((ConnectionClosed, InvalidStatus)):
            async with socket(server, None) as viewer:
                await viewer.recv()

    asyncio.run(watch())


def test_a_filter_that_cannot_be_read_is_an_error_that_says_why(server: Server) -> None:
    cookie = sign_in(server)

    async def watch() -> None:
        async with socket(server, cookie, filter="agnt:sales") as viewer:
            message = await messages(viewer)
            assert message["type"] == "error"
            assert "agnt: is not known" in message["message"]

    asyncio.run(watch())
