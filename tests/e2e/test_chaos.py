"""What is promised when things die: processes, the database, replicas.

CHAOS=full does it for longer, more often, and with processes that are started as they are elsewhere.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from config.embedded import keeper
from config.embedded.cluster import Cluster, open_cluster
from config.embedded.locks import STOP_SECONDS
from tests.config.processes import wait_for
from tests.e2e.hosting import workers_of
from tests.e2e.load import Load
from tests.e2e.server import Server, database_url
from tests.e2e.test_registering import definition
from tests.e2e.watching import messages, sign_in, socket

FULL = os.environ.get("CHAOS") == "full"
KILLS = 10 if FULL else 1  # of a worker, and as many of a replica
OUTAGE_SECONDS = 60 if FULL else 5
STEADY_SECONDS = (0.5, 3.0) if FULL else (0.3, 1.0)  # between two kills
DRAIN_SECONDS = 60  # until everything is in the database; a sibling looks for what the dead left every 30 s


@contextlib.contextmanager
def starting(*made: Callable[[], Server]) -> Iterator[list[Server]]:
    """Servers that are started at once, and stopped in the end."""
    with ThreadPoolExecutor() as threads:
        servers = list(threads.map(lambda make: make(), made))
    try:
        yield servers
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.stop()


def kill_worker(server: Server) -> None:
    os.kill(random.choice(workers_of(server)), signal.SIGKILL)


def kill_replica(server: Server) -> None:
    """Supervisor and workers, as if at once: stopped first, the supervisor starts no other one meanwhile."""
    os.kill(server.process.pid, signal.SIGSTOP)
    workers = workers_of(server)
    server.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)


def rows(server: Server) -> dict[str, int]:
    """How many rows each call has in the log."""
    return dict(server.query("SELECT call_id, count(*) FROM registry_routingevent WHERE agent <> '' GROUP BY call_id"))


def check_log(server: Server, answered: list[str]) -> dict[str, int]:
    """Every answered request is in the log exactly once, and no other one twice."""
    end = time.monotonic() + DRAIN_SECONDS
    while missing := set(answered) - rows(server).keys():
        assert time.monotonic() < end, f"{len(missing)} of {len(answered)} answered requests are not in the log"
        time.sleep(0.1)
    found = rows(server)
    assert set(found.values()) == {1}
    assert len(set(answered)) == len(answered)
    return found


def spool(data: Path) -> list[Path]:
    return [path for path in (data / "spool").glob("*") if path.stat().st_size]


# --- processes die ---------------------------------------------------------------------------------------------------


def test_what_was_answered_before_a_kill_is_in_the_log_exactly_once(tmp_path: Path) -> None:
    url, data = database_url("e2e_chaos"), tmp_path / "data"

    async def strike(load: Load, kill: Callable[[Server], None]) -> None:
        before = len(load.answered)
        await asyncio.sleep(random.uniform(*STEADY_SECONDS))
        kill(load.servers[0])
        assert len(load.answered) > before

    async def chaos(server: Server) -> Server:
        nonlocal lost
        load = Load([server], 500)
        async with load.running():
            for _ in range(KILLS):
                await strike(load, kill_worker)
                await asyncio.to_thread(wait_for, lambda: len(workers_of(load.servers[0])) == 2)
            for _ in range(KILLS):
                await strike(load, kill_replica)
                load.servers = [await asyncio.to_thread(Server, url, data, cold=FULL)]
            await asyncio.sleep(0.5)
        check_log(load.servers[0], load.answered)
        lost = load.failed
        return load.servers[0]

    lost: list[str] = []
    server = Server(url, data, example=True, cold=FULL)
    try:
        server = asyncio.run(chaos(server))
        assert not [why for why in lost if why.startswith("http")], "an answer that is none"
        assert server.stop() == 0
        assert spool(data) == []
    finally:
        if server.process.poll() is None:
            server.stop()


# --- the database dies -----------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A PostgreSQL of this test's own."""
    opened = open_cluster(tmp_path / "cluster", "-c fsync=off")
    yield opened
    opened.keep()
    opened.close(wait=STOP_SECONDS)


def stop_postgres(cluster: Cluster) -> None:
    """A fast shutdown, as `pg_ctl stop` does."""
    folder = cluster.data_dir / "postgres"
    pid = keeper.running_pid(folder)
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    wait_for(lambda: keeper.running_pid(folder) is None)


async def count(viewer: Any, told: list[str], total: Callable[[], int | None]) -> tuple[list[str], int]:
    """What a viewer is shown, until it has been told of `total` events; the ids, and how many came as numbers."""
    seen: list[str] = []
    numbers = 0
    while (wanted := total()) is None or len(seen) + numbers < wanted:
        try:
            message = await messages(viewer, 0.5)
        except TimeoutError:
            continue
        told.append(message["type"])
        if message["type"] == "events":
            seen += [event["id"] for event in message["events"]]
            numbers += sum(group["count"] for group in message.get("folded", [])) + message.get("missed", 0)
    return seen, numbers


def test_calls_go_on_while_the_database_is_stopped_and_nothing_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    def ask_everything(server: Server, cookie: str) -> None:
        """While the database is away."""
        assert server.get("/health").json["status"] == "ok"
        ready = [server.get("/ready") for _ in range(8)]
        assert {(answer.status, answer.json["status"]) for answer in ready} == {(200, "degraded")}
        assert {answer.json["checks"]["database"] for answer in ready} == {"away"}
        page = server.get("/admin/", headers={"Cookie": cookie, "Accept": "text/html"})
        assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "The database is away; calls go on" in page.text
        assert "Traceback" not in page.text
        file = definition(tmp_path)
        refused = server.command("register", "bakery", "--route", "/bakery", "--file", file, "--sip", "baker", code=3)
        assert "the database is away" in refused

    async def chaos(server: Server, cookie: str) -> None:
        load, told = Load([server], 200), list[str]()
        total: int | None = None
        asked = asyncio.get_running_loop().time
        async with socket(server, cookie, rate=1000) as viewer:
            assert (await messages(viewer))["events"] == []
            watching = asyncio.create_task(count(viewer, told, lambda: total))
            async with load.running():
                await asyncio.sleep(1)
                await asyncio.to_thread(stop_postgres, cluster)
                back = asked() + OUTAGE_SECONDS
                await asyncio.sleep(1)
                during = len(load.answered)
                await asyncio.to_thread(ask_everything, server, cookie)
                async with asyncio.timeout(20):
                    async with socket(server, cookie) as late:  # refused, or told: never left in the dark
                        with contextlib.suppress(ConnectionClosed):
                            assert (await messages(late))["type"] == "away"
                await asyncio.sleep(back - asked())
                assert len(load.answered) > during + 100
                await asyncio.to_thread(cluster.keep)
                await asyncio.sleep(1)
            assert load.failed == []
            found = await asyncio.to_thread(check_log, server, load.answered)
            assert len(found) == len(load.answered)
            total = len(found)
            seen, numbers = await asyncio.wait_for(watching, 20)
        assert len(set(seen)) == len(seen)
        assert len(seen) + numbers == total
        assert not FULL or "away" in told  # instead of the next beat, 10 s after the last news

    with starting(lambda: Server(cluster.url(), tmp_path / "data", example=True, cold=FULL)) as [server]:
        cookie = sign_in(server)
        registered = "SELECT max(revision), (SELECT count(*) FROM agents_agent) FROM registry_registrychange"
        before = server.query(registered)
        asyncio.run(chaos(server, cookie))
        wait_for(lambda: {server.get("/ready").json["checks"]["database"] for _ in range(8)} == {"ok"})
        assert {server.get("/admin/", headers={"Cookie": cookie}).status for _ in range(8)} == {302}  # no staff
        assert server.query(registered) == before
        assert server.get("/bakery").status == 404
        server.command("register", "bakery", "--route", "/bakery", "--file", definition(tmp_path))
        assert server.get("/bakery").status == 200
        assert "Traceback" not in server.printed


# --- a replica dies --------------------------------------------------------------------------------------------------


async def watch(servers: list[Server], first: int, cookie: str, seen: list[str], until: Callable[[], bool]) -> None:
    """A viewer that goes to the next replica when its own is gone, with its cursor."""
    cursor, number = "", first
    while not until():
        query = {"rate": 1000, **({"cursor": cursor} if cursor else {})}
        try:
            async with socket(servers[number], cookie, **query) as viewer:
                while not until():
                    with contextlib.suppress(TimeoutError):
                        message = await messages(viewer, 0.3)
                        assert message["type"] == "events"
                        assert {"missed", "folded"}.isdisjoint(message), message
                        seen += [event["id"] for event in message["events"]]
                        cursor = message["cursor"]
        except (ConnectionClosed, InvalidHandshake, OSError):
            number = (number + 1) % len(servers)
            await asyncio.sleep(0.1)


def test_viewers_of_two_replicas_see_all_of_both_once_also_while_one_is_killed(tmp_path: Path) -> None:
    url = database_url("e2e_replicas")
    done = False

    async def chaos(servers: list[Server], cookie: str) -> None:
        nonlocal done
        load = Load(servers, 200)
        views: list[list[str]] = [[], []]
        viewers = [
            asyncio.create_task(watch(servers, number, cookie, view, lambda: done)) for number, view in enumerate(views)
        ]
        await asyncio.sleep(1)
        async with load.running():
            for round_ in range(KILLS):
                await asyncio.sleep(random.uniform(*STEADY_SECONDS))
                number = round_ % 2
                kill_replica(servers[number])
                load.servers = [servers[1 - number]]
                data = tmp_path / f"data-{number}"
                servers[number] = await asyncio.to_thread(Server, url, data, workers=1, cold=FULL)
                load.servers = list(servers)
            await asyncio.sleep(1)
        await asyncio.to_thread(check_log, servers[0], load.answered)
        stored = sorted(
            str(row[0]) for row in servers[0].query("SELECT id FROM registry_routingevent WHERE agent <> ''")
        )
        for task, view in zip(viewers, views, strict=True):
            end = time.monotonic() + 20
            while len(view) < len(stored):
                assert time.monotonic() < end, f"{len(view)} of {len(stored)} events were shown"
                assert not task.done(), task.result()
                await asyncio.sleep(0.1)
        done = True
        await asyncio.gather(*viewers)
        for view in views:
            assert sorted(view) == stored

    with starting(
        lambda: Server(url, tmp_path / "data-0", workers=1, example=True, cold=FULL),
        lambda: Server(url, tmp_path / "data-1", workers=1, example=True, cold=FULL),
    ) as servers:
        asyncio.run(chaos(servers, sign_in(servers[0])))
