"""The protocol and its lane, driven by hand: packets go in, and what is written comes out."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from config.protocol import MAX_AT_ONCE, Protocol
from config.transport import HEADER_VALUE_RE, HEADS, MOST_HELD
from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.routing.context import Context
from registry.routing.dispatcher import Dispatcher
from registry.routing.http import Head, Http, Response
from registry.routing.public_url import PublicUrl
from registry.routing.table import Tables
from tests.agents.building import NoWebhooks
from tests.client import NOW, MemorySpool, basic, same, same_event
from tests.registry.building import fleet_table

DATE = [(b"date", b"Sun, 29 Nov 2026 12:00:00 GMT")]
# As in config/worker.py.
LIKE_OURS: dict[str, Any] = {"lifespan": "off", "log_config": None, "access_log": False, "proxy_headers": False}
PLAIN = ((b"content-type", b"text/plain"),)
AUTHORIZATION = f"authorization: {basic('u', 'p')}\r\n".encode()


class Transport:
    """Remembers what is written; never gets rid of it if it is `full`."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False
        self.reading = True
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, other: Any) -> None:
        self.protocol = other

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": ("10.0.0.1", 8000), "peername": ("192.0.2.7", 4711)}.get(name)


class Lane:
    """Answers with what it was asked, at once or, below /later, when it is told to."""

    body_bytes = 100

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.go_on = asyncio.Event()

    def takes(self, path: str) -> bool:
        return not path.startswith("/dashboard")

    def answer_now(self, head: Head, body: bytes) -> Any:
        self.asked.append((head.path, body))
        if head.path == "/broken":
            raise ZeroDivisionError
        headers = ((b"location", b"/a\r\nevil: x"),) if head.path.endswith("/split") else PLAIN
        response = Response(200, headers, f"lane {head.path}.".encode().ljust(50_000 if head.path == "/long" else 0))
        return self.later(response) if head.path.startswith("/later") else response

    async def later(self, response: Response) -> Response:
        await self.go_on.wait()
        return response


class Application:
    """Says that it was asked the ASGI way."""

    def __init__(self, lane: Any = None, answers: Dispatcher | None = None):
        self.lane = lane
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        if self.answers and self.answers.takes(scope["path"]):
            await self.answers(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        body = f"asgi {scope['path']}.".encode()
        headers = [*PLAIN, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Client:
    """One connection."""

    def __init__(self, application: Application):
        self.state = ServerState()
        self.state.default_headers = DATE
        self.transport = Transport()
        self.application = application
        config = Config(application, http=Protocol, **LIKE_OURS)
        config.load()
        self.protocol = Protocol(config, self.state, {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.transport)

    async def send(self, *packets: bytes, turns: int = 8) -> None:
        """Send packets, with time for tasks after each."""
        for packet in packets or (b"",):
            if packet and not self.transport.closing:
                self.protocol.data_received(packet)
            for _ in range(turns):
                await asyncio.sleep(0)

    @property
    def bodies(self) -> list[str]:
        """What the answers say, in their order."""
        return re.findall(r"((?:lane|asgi) /[\w/]*)\.", self.transport.written.decode())

    def leave(self) -> None:
        self.protocol.connection_lost(None)


def get(path: str, headers: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"GET %s HTTP/%s\r\nhost: x\r\n%s\r\n" % (path.encode(), version, headers)


def post(path: str, body: bytes = b"{}", headers: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\nhost: x\r\n%s%s\r\n%s" % (path.encode(), headers, length, body)


def driven(test: Callable[[Client, Lane], Any]) -> None:
    """Run a test on a connection of its own."""

    async def run() -> None:
        lane = Lane()
        client = Client(Application(lane))
        try:
            await test(client, lane)
        finally:
            client.leave()

    asyncio.run(run())


def test_what_has_come_whole_is_answered_at_once() -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.data_received(post("/a", b'{"x":1}'))
        assert client.application.asked == []
        await client.send()
        assert client.transport.written == (
            b"HTTP/1.1 200 OK\r\ndate: Sun, 29 Nov 2026 12:00:00 GMT\r\ncontent-type: text/plain\r\n"
            b"content-length: 8\r\n\r\nlane /a."
        )
        assert lane.asked == [("/a", b'{"x":1}')]
        assert client.state.total_requests == 1

    driven(run)


@pytest.mark.parametrize(
    "request_",
    [
        b"HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        get("/a", version=b"1.0"),
        get("/a", b"connection: close\r\n"),
        post("/a", b"{}", b"expect: 100-continue\r\n"),
        post("/a", b"x" * 101),
        get("/dashboard/"),
        get("/a", b"connection: upgrade\r\nupgrade: h2c\r\n"),
    ],
)
def test_what_is_unusual_goes_the_asgi_way(request_: bytes) -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(request_)
        assert lane.asked == []
        assert len(client.application.asked) == 1
        assert client.transport.written.startswith(b"HTTP/1.1 ")

    driven(run)


def test_a_body_in_pieces_goes_on_the_asgi_way_with_all_that_was_read() -> None:
    async def run(client: Client, lane: Lane) -> None:
        whole = post("/a", b"0123456789")
        await client.send(whole[:-7], whole[-7:-3], whole[-3:])
        assert (lane.asked, client.bodies) == ([], ["asgi /a"])
        await client.send(get("/b"))
        assert client.bodies == ["asgi /a", "lane /b"]

    driven(run)


def test_a_head_in_pieces_does_not_matter() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(*(bytes([byte]) for byte in get("/a")), turns=1)
        assert client.bodies == ["lane /a"]

    driven(run)


def test_a_chunked_body_is_one() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(
            b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
        )
        assert lane.asked == [("/a", b"[1,2]")]

    driven(run)


def test_answers_keep_their_order_whatever_way_they_go() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/a") + get("/dashboard/1") + get("/b") + get("/c"), get("/d"))
        assert client.bodies == ["lane /a", "asgi /dashboard/1", "asgi /b", "asgi /c", "lane /d"]

    driven(run)


def test_what_has_to_be_waited_for_holds_up_what_comes_after_it() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(post("/later") + get("/b"))
        assert client.bodies == []
        assert len(client.state.tasks) == 1, "the server waits for it when it stops"
        lane.go_on.set()
        await client.send()
        assert client.bodies == ["lane /later", "asgi /b"]
        await client.send(get("/c"))
        assert client.bodies[2:] == ["lane /c"]

    driven(run)


def test_who_goes_while_the_answer_is_waited_for_is_not_written_to() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(post("/later"))
        client.transport.close()
        client.protocol.connection_lost(None)
        lane.go_on.set()
        await client.send()
        assert client.transport.written == b""
        assert client.state.tasks == set()
        assert client.protocol.idle is None, "nobody's timer"

    driven(run)


def test_a_server_that_ends_meanwhile_closes_the_connection_with_the_answer() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(post("/later"))
        client.protocol.shutdown()
        assert not client.transport.closing
        lane.go_on.set()
        await client.send()
        assert client.bodies == ["lane /later"]
        assert b"connection: close\r\n" in client.transport.written
        assert client.transport.closing

    driven(run)


def test_a_late_answer_waits_for_whoever_does_not_read() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(post("/later"))
        client.protocol.pause_writing()
        lane.go_on.set()
        await client.send()
        assert client.transport.written == b""
        client.protocol.resume_writing()
        await client.send()
        assert client.bodies == ["lane /later"]

    driven(run)


@pytest.mark.parametrize("path", ["/split", "/later/split"])
def test_a_header_that_http_cannot_carry_is_a_500(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run(client: Client, lane: Lane) -> None:
        lane.go_on.set()
        await client.send(get(path))
        assert client.transport.written.startswith(b"HTTP/1.1 500 ")
        assert b"evil" not in client.transport.written
        assert client.transport.closing

    with caplog.at_level("CRITICAL", "config.protocol"):
        driven(run)


def test_who_has_gone_is_not_written_to() -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.data_received(get("/a"))
        client.transport.close()  # in the same turn
        await client.send()
        assert client.transport.written == b""

    driven(run)


@pytest.mark.parametrize("path", ["/a", "/later", "/dashboard/"])
def test_who_sends_nothing_more_gets_the_answer_all_the_same(path: str) -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.data_received(get("/b") + post(path))
        if not client.protocol.eof_received():  # as event loops do
            client.transport.close()
        lane.go_on.set()
        await client.send()
        assert len(client.bodies) == 2
        assert client.transport.closing

    driven(run)


def test_of_who_sends_half_a_body_nothing_is_waited_for() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(post("/a")[:-1])
        assert not client.protocol.eof_received()

    driven(run)


def test_nor_is_who_has_gone_without_reading_what_was_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/a"))
        client.protocol.pause_writing()
        await client.send(get("/dashboard/") * 3)
        client.transport.close()
        client.leave()
        await client.send()
        assert client.application.asked == ["/dashboard/"]
        assert client.bodies == ["lane /a"]
        assert caplog.messages == []

    driven(run)


def test_an_error_is_a_500_not_a_400_and_nothing_behind_it_is_carried_out(caplog: pytest.LogCaptureFixture) -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/broken") + post("/next") + get("/dashboard/") + post("/half")[:-1])
        assert client.transport.written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"connection: close" in client.transport.written
        assert b"400" not in client.transport.written
        assert client.transport.closing
        assert lane.asked == [("/broken", b"")]
        assert client.application.asked == []

    with caplog.at_level("CRITICAL", "config.protocol"):
        driven(run)


def test_of_many_pipelined_requests_only_some_are_answered_before_anybody_has_read_one() -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.data_received(get("/a") * 1000)
        assert len(lane.asked) == MAX_AT_ONCE
        assert not client.transport.reading
        for _ in range(3000):
            await asyncio.sleep(0)
        assert len(client.bodies) == 1000
        assert client.transport.reading

    driven(run)


def test_however_many_chunks_come_in_one_turn_only_so_much_is_held_back() -> None:
    async def run(client: Client, lane: Lane) -> None:
        for _ in range(100):
            client.protocol.data_received(get("/long"))
            assert len(client.protocol.answers.held) <= MOST_HELD, "the transport has it, and says if it is too much"
        await client.send()
        assert len(client.bodies) == 100

    driven(run)


def test_of_the_smallest_requests_too_only_some_wait_and_the_others_are_not_looked_at_yet() -> None:
    async def run(client: Client, lane: Lane) -> None:
        last = post("/b", b"x" * 40_000) + get("/dashboard/z")
        client.protocol.data_received(post("/later") + b"GET /a HTTP/1.1\r\n\r\n" * 5000 + last)
        lane.go_on.set()
        while client.protocol.pipeline or client.protocol.later:
            assert len(client.protocol.pipeline) < 1000
            assert not client.transport.reading
            await asyncio.sleep(0)
        await client.send()
        assert client.transport.reading
        assert client.bodies[0] == "lane /later"
        assert set(client.bodies[1:-2]) <= {"asgi /a", "lane /a"}
        assert len(client.bodies) == 5003
        assert client.bodies[-2:] == ["asgi /b", "asgi /dashboard/z"]

    driven(run)


def test_while_requests_wait_for_an_earlier_ones_answer_nothing_more_is_read() -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.data_received(post("/later") + get("/dashboard/") * 3 + post("/b") * 3)
        lane.go_on.set()
        while client.protocol.pipeline:
            assert not client.transport.reading
            await asyncio.sleep(0)
        await client.send()
        assert client.transport.reading
        assert len(client.bodies) == 7

    driven(run)


def test_whoever_does_not_read_is_answered_the_asgi_way_which_waits() -> None:
    async def run(client: Client, lane: Lane) -> None:
        client.protocol.pause_writing()
        await client.send(get("/a"))
        assert (lane.asked, client.transport.written) == ([], b"")
        client.protocol.resume_writing()
        await client.send()
        assert client.bodies == ["asgi /a"]

    driven(run)


def test_when_the_server_is_about_to_end_answers_close_their_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "ending", True)

    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/a"))
        assert lane.asked == []
        assert b"connection: close" in client.transport.written
        assert client.transport.closing

    driven(run)


def test_a_socket_has_its_scope() -> None:
    async def run(client: Client, lane: Lane) -> None:
        upgrade = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n"
        client.protocol.ws_protocol_class = lambda **_: SimpleNamespace(  # type: ignore[assignment]
            connection_made=lambda _: None, data_received=received.append
        )
        await client.send(get("/ws/events", upgrade))
        assert received == [b"GET /ws/events HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\n"]

    received: list[bytes] = []
    driven(run)


def test_a_socket_on_a_connection_that_has_asked_before_comes_after_the_answer_and_stays() -> None:
    async def run(client: Client, lane: Lane) -> None:
        def upgraded(_: bytes) -> None:
            assert client.bodies == ["lane /a", "lane /b"], "written already"

        client.protocol.ws_protocol_class = lambda **_: SimpleNamespace(  # type: ignore[assignment]
            connection_made=lambda _: None, data_received=upgraded
        )
        await client.send(get("/a"))
        idle = client.protocol.idle
        assert idle is not None
        await client.send(get("/b") + get("/ws/events", b"connection: upgrade\r\nupgrade: websocket\r\n"))
        assert client.transport.protocol is not None
        assert idle.cancelled(), "or it would close the socket"

    driven(run)


def test_the_deadline_for_the_first_head_ends_with_the_first_answer() -> None:
    async def run(client: Client, lane: Lane) -> None:
        silent = client.protocol.silent
        assert silent is not None
        await client.send(get("/a"))
        assert silent.cancelled()
        assert client.protocol.silent is None

    driven(run)


def test_one_timer_closes_a_connection_that_asks_nothing_more() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/a"))
        idle = client.protocol.idle
        assert idle is not None
        await client.send(get("/b"), get("/c"))
        assert client.protocol.idle is idle, "not one for each answer"
        client.protocol.close_if_idle()
        assert not client.transport.closing, "it was asked just now"
        assert client.protocol.idle is not None
        client.protocol.idle.cancel()
        client.protocol.answered_at -= 76
        client.protocol.close_if_idle()
        assert client.transport.closing

    driven(run)


@pytest.mark.parametrize("path", ["/a", "/dashboard/", "/later"])
def test_whoever_begins_another_request_and_never_goes_on_is_not_waited_for_either(path: str) -> None:
    async def run(client: Client, lane: Lane) -> None:
        lane.go_on.set()
        await client.send(get(path), get("/b")[:-1])
        assert client.protocol.idle is not None
        client.protocol.answered_at -= 76
        client.protocol.close_if_idle()
        assert client.transport.closing

    driven(run)


def test_an_answer_of_either_way_keeps_a_connection() -> None:
    async def run(client: Client, lane: Lane) -> None:
        await client.send(get("/a"))
        client.protocol.answered_at -= 76
        await client.send(get("/dashboard/"))
        client.protocol.close_if_idle()
        assert not client.transport.closing
        await client.send(post("/later"))
        client.protocol.answered_at -= 76
        client.protocol.close_if_idle()
        assert not client.transport.closing, "somebody waits for the answer"
        lane.go_on.set()
        await client.send()
        assert client.protocol.idle is not None, "from then on"

    driven(run)


def test_heads_are_kept_until_the_date_changes() -> None:
    response = Response(200, PLAIN, b"")
    first = HEADS.of(response, DATE)
    assert HEADS.of(response, DATE) is first
    assert b"12:00:00" in first
    assert b"12:00:01" in HEADS.of(response, [(b"date", b"Sun, 29 Nov 2026 12:00:01 GMT")])
    assert HEADS.of(Response(404, PLAIN, b""), DATE).startswith(b"HTTP/1.1 404 Not Found\r\n")
    with pytest.raises(ValueError, match="control characters"):
        HEADS.of(Response(200, ((b"location", b"/a\r\nx: y"),), b""), DATE)


def test_what_of_uvicorn_is_used_is_there() -> None:
    """Of its names these are private or undocumented: with another uvicorn, look at config/protocol.py again."""
    made = vars(httptools_impl.HttpToolsProtocol)
    names = {"on_message_begin", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete"}
    names |= {"_start_asgi_task", "_unset_keepalive_if_required", "timeout_keep_alive_handler"}
    assert names | {"handle_websocket_upgrade", "data_received", "connection_lost"} <= set(made)
    assert set(made["on_message_begin"].__code__.co_names) >= {"url", "headers", "expect_100_continue", "scope"}
    assert "app" in made["on_headers_complete"].__code__.co_names, "wait_for puts its own there"
    assert set(made["on_response_complete"].__code__.co_names) >= {"pipeline", "flow", "resume_reading"}
    assert "resume_reading" in vars(FlowControl), "our Flow has another one"
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    assert HEADER_VALUE_RE.search(b"a\r\nb")
    wanted = (django_settings.BASE_DIR / "requirements.in").read_text()
    assert re.search(r"^uvicorn>=[\d.]+,<[\d.]+", wanted, re.MULTILINE), "no other one without a look"


# --- both ways, whatever comes ---------------------------------------------------------------------------------------

CALL = {"call": {"call_id": "C1", "from": "+15551230000", "to": "sip:refills@x"}}
PATHS = (
    "/clinic/booking",
    "/pharmacy/",
    "/info?call_id=C1",
    "/nobody",
    "/clinic/booking/swaig?__token=00",
    "/sip",
    "/",
)
HEADERS = (
    b"",
    AUTHORIZATION,
    AUTHORIZATION + b"content-type: application/json\r\n",
    AUTHORIZATION + b"content-type: text/plain\r\n",
    AUTHORIZATION + b"x-request-id: r-1\r\n",
    AUTHORIZATION + b"expect: 100-continue\r\n",
    AUTHORIZATION + b"accept: text/html\r\n",
)
BODIES = (b"", b"{", b"[]", json.dumps(CALL).encode(), json.dumps({"function": "find_slot", "call_id": "C1"}).encode())


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part) + b"0\r\n\r\n"


@st.composite
def requests(draw: Any) -> bytes:
    """A request as clients make them."""
    path, headers = (
        draw(st.sampled_from(PATHS)).encode(),
        b"host: voice.example.com\r\n" + draw(st.sampled_from(HEADERS)),
    )
    method = draw(st.sampled_from([b"POST", b"POST", b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS"]))
    if method != b"POST":
        return b"%s %s HTTP/1.1\r\n%s\r\n" % (method, path, headers)
    body = draw(st.sampled_from(BODIES))
    if draw(st.booleans()):
        return b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (path, headers, len(body), body)
    return b"POST %s HTTP/1.1\r\n%stransfer-encoding: chunked\r\n\r\n%s" % (path, headers, chunked(body))


def odd(line: bytes, headers: bytes = AUTHORIZATION, body: bytes = b"", *, declared: bool = True) -> bytes:
    """A request as nobody makes them."""
    length = b"content-length: %d\r\n" % len(body) if declared else b""
    return b"%s\r\nhost: voice.example.com\r\n%s%s\r\n%s" % (line, headers, length, body)


ASKED = json.dumps(CALL).encode()
POST = b"POST /clinic/booking HTTP/1.1"
CHUNKED = b"transfer-encoding: chunked\r\n"
ONE_CHUNK = b"%x;a=b\r\n%s\r\n0\r\n" % (len(ASKED), ASKED)
ODD = {
    "an absolute target": odd(b"POST http://evil.example/clinic/booking HTTP/1.1", body=ASKED),
    "a target without a path": odd(b"GET http://voice.example.com HTTP/1.1"),
    "two slashes": odd(b"POST //clinic/booking HTTP/1.1", body=ASKED),
    "slashes at the end": odd(b"POST /clinic/booking//// HTTP/1.1", body=ASKED),
    "an escaped letter": odd(b"POST /%63linic/booking HTTP/1.1", body=ASKED),
    "an escaped slash": odd(b"POST /clinic/booking%2fswaig HTTP/1.1", body=ASKED),
    "an escaped NUL": odd(b"POST /clinic/booking%00 HTTP/1.1", body=ASKED),
    "escaped bytes that are no text": odd(b"POST /%ff%ed%a0%80 HTTP/1.1", body=ASKED),
    "bytes that are no ASCII": odd(b"POST /clinic/\xc3\xa9 HTTP/1.1", body=ASKED),
    "a fragment": odd(b"POST /clinic/booking?a=b#c HTTP/1.1", body=ASKED),
    "an empty query": odd(b"POST /clinic/booking? HTTP/1.1", body=ASKED),
    "a long query": odd(b"POST /clinic/booking?%s HTTP/1.1" % (b"a" * 60_000), body=ASKED),
    "no such version": odd(b"POST /clinic/booking HTTP/1.2", body=ASKED),
    "two hosts": odd(POST, AUTHORIZATION + b"host: evil.example\r\n", ASKED),
    "two credentials": odd(POST, AUTHORIZATION + b"authorization: Basic eDp5\r\n", ASKED),
    "two types": odd(POST, AUTHORIZATION + b"content-type: text/plain\r\ncontent-type: application/json\r\n", ASKED),
    "two lengths": odd(POST, AUTHORIZATION + b"content-length: 5\r\n", ASKED),
    "a length with zeros": odd(POST, AUTHORIZATION + b"content-length: %025d\r\n" % len(ASKED), ASKED, declared=False),
    "a length that no body has": odd(POST, AUTHORIZATION + b"content-length: 99999999999\r\n", ASKED, declared=False),
    "a folded header": odd(POST, AUTHORIZATION + b"x-a: b\r\n c: d\r\n", ASKED),
    "names in capitals": odd(POST, AUTHORIZATION.upper().replace(b"BASIC DTPW", b"Basic dTpw"), ASKED),
    "a length and chunks": odd(POST, AUTHORIZATION + CHUNKED, ONE_CHUNK + b"\r\n"),
    "credentials behind the body": odd(POST, CHUNKED, ONE_CHUNK + AUTHORIZATION + b"\r\n", declared=False),
    "a host behind the body": odd(
        POST, AUTHORIZATION + CHUNKED, ONE_CHUNK + b"host: evil.example\r\n\r\n", declared=False
    ),
    "a GET with a body": odd(b"GET /clinic/booking HTTP/1.1", body=ASKED),
    "an upgrade to what we do not speak": odd(POST, AUTHORIZATION + b"connection: upgrade\r\nupgrade: h2c\r\n", ASKED),
}


@pytest.mark.parametrize("request_", ODD.values(), ids=ODD)
@pytest.mark.parametrize("behind", [1, 3])
def test_both_ways_answer_and_record_an_odd_request_alike(request_: bytes, behind: int) -> None:
    for packets in ((request_,), (request_[:-behind], request_[-behind:])):
        assert asyncio.run(said(packets, True)) == asyncio.run(said(packets, False))


def test_what_stands_behind_a_body_is_no_part_of_the_head() -> None:
    """It may have come through a proxy that sets headers, and looks at no others."""
    for in_lane in (True, False):
        answer, [event] = asyncio.run(said([ODD["credentials behind the body"]], in_lane))
        assert answer.startswith(b"HTTP/1.1 401 "), event
        answer, [event] = asyncio.run(said([ODD["a host behind the body"]], in_lane))
        assert b"//u:p@voice.example.com/" in answer


def test_a_length_may_begin_with_zeros() -> None:
    answer, _ = asyncio.run(said([ODD["a length with zeros"]], False))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def said(packets: Sequence[bytes], in_lane: bool) -> tuple[bytes, list[Any]]:
    """What is written to these packets, and the events."""
    tables, spool = Tables(), MemorySpool()
    tables.current = fleet_table()
    recorder = Recorder(spool, "test", Masker(django_settings.MASKED_KEYS))
    url = PublicUrl("", ["voice.example.com"], [])
    dispatcher = Dispatcher(tables, Context(recorder, url, NoWebhooks(), Http(2**20), clock=lambda: NOW))
    client = Client(Application(dispatcher if in_lane else None, dispatcher))
    await client.send(*packets, turns=30)
    for _ in range(200):
        await asyncio.sleep(0)
    client.leave()
    if in_lane:
        LANE_TOOK.append(len(spool.lines) - len(client.application.asked))
    return same(client.transport.written), [same_event(json.loads(line)) for line in spool.lines]


LANE_TOOK: list[int] = []  # requests of each run that never were ASGI's


@settings(deadline=None, max_examples=150)
@given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=6))
def test_however_requests_are_cut_into_packets_both_ways_answer_and_record_the_same(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(sent)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    packets = [stream[begin:end] for begin, end in pairwise(places)]
    (lane, events), (asgi, others) = (asyncio.run(said(packets, in_lane)) for in_lane in (True, False))
    assert lane == asgi
    assert events == others


def test_the_lane_took_part_in_that() -> None:
    assert sum(LANE_TOOK) > 100
