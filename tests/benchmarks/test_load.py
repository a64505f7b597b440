"""benchmarks/load.py: our own client, which counts from when a request was due."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from load import LoadError, Work, ours  # of benchmarks/

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
WORK = Work(["/a", "/b"], b"{}", {"Content-Type": "application/json"})
STOPS_SECONDS = 0.3


class Upstream:
    """A server in a thread that answers at once, but for one request, at which it stops for a moment."""

    def __init__(self) -> None:
        self.stop_at = self.fail_at = self.hang_up_at = self.seen = self.port = 0
        self.paths: list[str] = []
        self.connections: list[asyncio.Transport] = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.thread.start()
        self.ready.wait()

    async def run(self) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        server = await self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        async with server:
            await self.over.wait()
            self.hang_up()

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.close()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join()


class Connection(asyncio.Protocol):
    """One of its connections, over which one request comes at a time."""

    def __init__(self, upstream: Upstream):
        self.upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.upstream.connections.append(transport)

    def data_received(self, data: bytes) -> None:
        upstream = self.upstream
        assert data.endswith(b"\r\n\r\n{}")
        upstream.seen += 1
        upstream.paths.append(data.split()[1].decode())
        if upstream.seen == upstream.stop_at:
            time.sleep(STOPS_SECONDS)  # and all others wait
        if upstream.seen == upstream.hang_up_at:
            upstream.hang_up()
        self.transport.write(REFUSAL if upstream.seen == upstream.fail_at else ANSWER)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.end()


def test_a_steady_rate_is_kept_and_paths_take_turns(upstream: Upstream) -> None:
    figures = ours(upstream.port, WORK, 4, 0.5, rate=100)
    assert figures.requests == upstream.seen == 50
    assert upstream.paths.count("/a") == upstream.paths.count("/b") == 25


def test_what_was_due_while_a_server_stopped_has_waited_since_then(upstream: Upstream) -> None:
    upstream.stop_at = 10
    figures = ours(upstream.port, WORK, 1, 1, rate=100)
    assert figures.requests == 100
    # 30 requests were due meanwhile. One connection alone would have noted a single wait, and a p99 of nothing.
    assert figures.worst_ms >= STOPS_SECONDS * 1000
    assert figures.p99_ms > STOPS_SECONDS * 500


def test_as_many_as_it_takes_are_sent_until_the_time_is_over(upstream: Upstream) -> None:
    figures = ours(upstream.port, WORK, 3, 0.1)
    assert figures.requests == upstream.seen > 3
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.worst_ms


@pytest.mark.parametrize("rate", [0, 100])
def test_an_answer_that_is_none_is_no_figure(upstream: Upstream, rate: float) -> None:
    upstream.fail_at = 5
    with pytest.raises(LoadError, match="1 errors in"):
        ours(upstream.port, WORK, 2, 0.2, rate)


def test_a_server_that_goes_away_is_no_figure(upstream: Upstream) -> None:
    upstream.hang_up_at = 5
    with pytest.raises(LoadError, match="errors"):
        ours(upstream.port, WORK, 2, 5, rate=50)
