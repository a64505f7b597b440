"""A replica that is stopped: out of rotation at once, calls answered to the end, viewers told to come again."""

import asyncio
import http.client
import signal
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.server import Server
from tests.e2e.watching import messages, sign_in, socket


def test_ready_is_503_at_once_while_calls_are_still_answered(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=2, example=True, cold=True, DRAIN_NOTICE_SECONDS="2")
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    kept.request("GET", "/health")
    answer = kept.getresponse()
    answer.read()
    assert "connection" not in {name.lower() for name, _ in answer.getheaders()}

    server.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 1.5
    while (ready := server.get("/ready")).status == 200:
        assert time.monotonic() < end
    assert (ready.status, ready.json["status"]) == (503, "draining")
    assert server.get("/sales").status == 200, "new calls are still taken"
    kept.request("GET", "/health")
    answer = kept.getresponse()
    assert answer.status == 200
    assert answer.getheader("connection") == "close", "a client that keeps its connection goes elsewhere"
    assert server.process.wait(20) == 0
    # In the database or, on a machine that was too busy for the last batch, still in the spool: the next start has it.
    server.start()
    assert len(server.events(1, "agent = 'sales-agent'")) == 1


def test_ctrl_c_does_not_wait(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=1, cold=True, DRAIN_NOTICE_SECONDS="20")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0
    assert "stopping in" not in server.printed


def test_viewers_are_told_to_come_again(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=1)
    cookie = sign_in(server)

    async def watch() -> int | None:
        async with socket(server, cookie) as viewer:
            await messages(viewer)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(viewer.recv(), 10)
            return closed.value.rcvd.code if closed.value.rcvd else None

    assert asyncio.run(watch()) == 1012  # service restart
