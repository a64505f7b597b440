"""Authors' servers of every kind behind a real `serve`: good ones answer, bad ones harm nobody else."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agents.outbound import webhook_server as author
from tests.e2e.server import Server

SAFE = {"response": "I'm sorry, something went wrong on our side."}
CALLS = 20  # at once, to each of the bad servers
SECONDS = 4  # that they have: in which everybody else is answered, also by a machine that has much to do


@contextmanager
def running(behaviour: author.Behaviour) -> Iterator[author.Server]:
    """An author's server in a thread of its own."""
    started: list[author.Server] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with author.serve(behaviour) as server:
            started.append(server)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield started[0]
    finally:
        stop.set()
        thread.join()


def agent(tmp_path: Path, **urls: str) -> str:
    """A definition in a file, with a function for each of these servers."""
    functions = {
        name: {"description": name, "secure": False, "handler": {"webhook": {"url": url, "timeout": SECONDS}}}
        for name, url in urls.items()
    }
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"prompt": {"text": "You help."}, "functions": functions}))
    return str(path)


def call(server: Server, function: str) -> Any:
    """What a function of the agent at /x answers."""
    return server.post("/x/swaig", {"function": function, "call_id": "C1", "argument": {"parsed": [{}]}}).json


def worker_kilobytes(server: Server) -> int:
    """Resident memory of the worker."""
    pid = server.query("SELECT pid FROM registry_worker")[0][0]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_bad_servers_harm_nobody_else(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server(workers=1, example=True, WEBHOOK_ALLOWED_HOSTS="127.0.0.1")
    huge = author.HEAD + b"Content-Length: 2147483648\r\n\r\n"
    with (
        running(author.always(author.answer(b'{"response": "Booked."}'))) as good,
        running(author.after_request(author.hang)) as hanging,
        running(author.after_request(author.CHUNKED, author.flood(b"5\r\nhello\r\n"))) as endless,
        running(author.after_request(huge, author.flood(b"x"))) as gigantic,
    ):
        file = agent(tmp_path, good=good.url, hanging=hanging.url, endless=endless.url, gigantic=gigantic.url)
        server.command("register", "shop", "--route", "/x", "--file", file)
        assert call(server, "good") == {"response": "Booked."}
        before = worker_kilobytes(server)
        bad = [name for name in ("hanging", "endless", "gigantic") for _ in range(CALLS)]
        with ThreadPoolExecutor(len(bad)) as threads:
            calls = [threads.submit(call, server, name) for name in bad]
            while hanging.connections < CALLS:
                time.sleep(0.01)
            others = [server.get("/sales").status for _ in range(30)] + [call(server, "good")["response"]]
            assert others == [200] * 30 + ["Booked."]
            waiting = [name for name, running_call in zip(bad, calls, strict=True) if not running_call.done()]
            assert waiting.count("hanging") == CALLS, "the others were answered while these were still waiting"
            assert [running_call.result() for running_call in calls] == [SAFE] * len(bad)
        assert worker_kilobytes(server) - before < 50_000
        assert endless.sent + gigantic.sent < 400_000_000, "nobody reads to the end"
    details = {event["function"]: event["detail"] for event in server.events(3 * CALLS, "outcome = 'error'")}
    assert f"timed out after {SECONDS} seconds" in details["hanging"]
    assert "more than 262144 bytes" in details["endless"]
    assert "more than 262144 bytes" in details["gigantic"]


def test_servers_inside_are_not_reached_unless_the_operator_says_so(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(workers=1)
    with running(author.always(author.answer(b'{"response": "Inside."}'))) as inside:
        spellings = {
            "plain": f"http://127.0.0.1:{inside.port}/",
            "name": f"http://localhost:{inside.port}/",
            "number": f"http://2130706433:{inside.port}/",
            "six": f"http://[::ffff:127.0.0.1]:{inside.port}/",
        }
        said = server.command("register", "shop", "--route", "/x", "--file", agent(tmp_path, **spellings))
        assert "WEBHOOK_ALLOWED_HOSTS can allow it" in said
        assert [call(server, name) for name in spellings] == [SAFE] * 4
        assert inside.connections == 0
    details = [event["detail"] for event in server.events(4, "outcome = 'error'")]
    assert "not a public address" in details[0]


def test_a_stop_in_the_middle_of_a_webhook_is_a_safe_line_and_a_row(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(workers=1, WEBHOOK_ALLOWED_HOSTS="127.0.0.1", DRAIN_SECONDS="1")
    with running(author.after_request(author.hang)) as hanging:
        path = agent(tmp_path, hanging=hanging.url)
        Path(path).write_text(Path(path).read_text().replace(f'"timeout": {SECONDS}', '"timeout": 30'))
        server.command("register", "shop", "--route", "/x", "--file", path)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(call, server, "hanging")
            while not hanging.connections:
                time.sleep(0.01)
            assert server.stop() == 0
            assert waiting.result() == SAFE
    details = [event["detail"] for event in server.events(1, "agent = 'shop'")]
    assert details == ["the server was stopping"]
