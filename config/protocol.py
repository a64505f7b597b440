"""uvicorn's HTTP protocol with what it lacks: a lane for what is answered at once, whole answers, limits, a gentle end.

The lane: a request that has come whole, and that the dispatcher answers without waiting, gets its answer in the
parser's own callback: no scope, no task, no messages, one write. ASGI takes as long for these as all the rest does.
Everything else goes the ASGI way, and whatever the lane has begun to read goes with it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence, Sized
from typing import Any
from typing import Protocol as Interface
from urllib.parse import unquote

import httptools
from django.conf import settings
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from config.transport import WholeAnswers
from registry.routing.answers import CLOSE
from registry.routing.http import Connection, Head, Response

logger = logging.getLogger(__name__)
MAX_HEAD_BYTES = 64 * 1024  # of a request's line and headers; browsers and proxies stay below 16 kB
CHUNK_BYTES = 256 * 1024  # that uvloop reads at once
PIECE_BYTES = 16 * 1024  # of them that are looked at at once; requests that wait take 10 to 300 times their own bytes
DISCARD_BYTES = 16 * 1024 * 1024  # of a body whose request was refused already; uvicorn throws it away
MAX_AT_ONCE = 64  # answers to one chunk of pipelined requests that are written before anybody has read one of them
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
METHODS = {b"POST": "POST", b"GET": "GET"}  # that the lane takes
FAILED = Response(500, ((b"content-type", b"text/plain; charset=utf-8"), CLOSE), b"Internal Server Error")  # uvicorn's
NOBODYS = Head("", "", b"", b"", (), Connection())  # of a request that nobody waits for any more


class Lane(Interface):
    """Whoever answers at once: `registry.routing.dispatcher.Dispatcher`."""

    body_bytes: int  # that a body may have; a larger one goes the ASGI way

    def takes(self, path: str) -> bool:
        """Whether a path is its to answer."""
        ...

    def answer_now(self, head: Head, body: bytes) -> Response | Coroutine[Any, Any, Response]:
        """The response, or what has to be waited for."""
        ...


class LateAnswer:
    """Stands where uvicorn has the request that is being answered, with what its protocol asks of that."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False  # its sender has gone
        self.keep_alive = True
        self.more_body = False
        self.message_event = asyncio.Event()  # that it has gone; nobody waits for this one


class Flow(FlowControl):
    """Reads nothing more while requests wait for an earlier one's answer.

    uvicorn reads on after each answer: whoever asks faster than the answers are read would fill the memory.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: Sized):
        super().__init__(transport)
        self.pipeline = pipeline

    def resume_reading(self) -> None:
        """Read on, if nobody waits: a request of which something is still to come is the last one."""
        if not self.pipeline:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """Counts a head only while no request is running: counting in the parser's callbacks cost 4 µs a request."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    ending = False  # of the class, when the server is about to end: answers close their connection then
    silent: asyncio.TimerHandle | None = None  # closes a connection that never asks anything
    later = b""  # what has been received, and waits behind requests that wait
    unclaimed = 0  # bytes received since the last request began or went on
    lane: Lane | None = None
    head: Head | None = None  # of the request that is in the lane
    parts: list[bytes]  # of its body
    size = 0  # bytes of them
    at_once = 0  # answers to the chunk that is being read
    answered_at = 0.0  # the loop's time of the last answer
    idle: asyncio.TimerHandle | None = None  # closes a connection that asks nothing more

    def connection_made(self, transport: Any) -> None:
        """Put the transport that keeps answers together in between."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self.answers = WholeAnswers(transport, self.loop)
        self.transport = self.answers  # type: ignore[assignment]
        self.silent = self.loop.call_later(settings.HEAD_SECONDS, self.transport.close)
        self.lane = getattr(self.app, "lane", None)  # the application's, once it has started
        self.connection = Connection.of({"client": self.client, "scheme": self.scheme, "server": self.server})

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: nobody waits for a timer of ours any more."""
        super().connection_lost(exc)
        self.cancel_timers()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's never keeps a connection
        """Who sends nothing more may still read: whether the connection is kept for an answer that is waited for."""
        self.answers.flush()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def cancel_timers(self) -> None:
        """It is not for us any more to close the connection."""
        for timer in (self.silent, self.idle):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Look whether this belongs to a running request; if not, it is a head in pieces, or a refused body's rest."""
        self.at_once = 0
        if len(data) <= PIECE_BYTES:
            super().data_received(data)
        else:
            self.receive_pieces(data)
        if self.head is not None:  # and its body has not come whole
            self.leave_lane()
        cycle = self.cycle
        if self.silent is not None and (cycle is not None or self.answered_at):
            self.silent.cancel()
            self.silent = None
        if self.ending and cycle is not None:
            cycle.keep_alive = False
        if cycle is not None and not cycle.response_complete:
            self.unclaimed = 0
            return
        self.unclaimed += len(data)
        refused = cycle is not None and cycle.more_body  # its rest is thrown away
        if self.unclaimed > (DISCARD_BYTES if refused else MAX_HEAD_BYTES):
            if not refused and not self.transport.is_closing():
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def receive_pieces(self, data: bytes) -> None:
        """Receive as much of this as there is before a request that has to wait; the rest when none does any more."""
        for begin in range(0, len(data), PIECE_BYTES):
            if self.pipeline:
                self.later = data[begin:]
                return
            super().data_received(data[begin : begin + PIECE_BYTES])
            if self.transport is self.answers.transport or self.transport.is_closing():
                return  # to a socket, or for good

    # --- the parser's callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins. Its scope is made when somebody needs it."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """The lane, if it takes the request, else ASGI."""
        self.head = self.lane_head(self.lane) if self.lane is not None else None
        if self.head is None:
            self.begin(self.headers)
        else:
            self.parts, self.size = [], 0
            self.headers = []  # the parser adds what stands behind a chunked body, which is no part of the head

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self.head is None:
            super().on_body(body)
            return
        self.parts.append(body)
        self.size += len(body)
        if self.lane is not None and self.size > self.lane.body_bytes:
            self.leave_lane()

    def on_message_complete(self) -> None:
        """A request has come whole, also one that was refused before: what comes now is the next one's head."""
        if self.head is not None:
            self.answer_in_lane(self.head)
        else:
            super().on_message_complete()
            if self.cycle is not None:
                self.cycle.more_body = False
        self.unclaimed = -CHUNK_BYTES  # this chunk is counted yet, and has more than a head in it

    # --- the lane -----------------------------------------------------------------------------------------------------

    def lane_head(self, lane: Lane) -> Head | None:
        """The head of a request that may be answered at once: it is a usual one, and nothing before it runs."""
        parser, cycle = self.parser, self.cycle
        if self.answers.transport.is_closing() and (cycle is None or cycle.response_complete):
            return NOBODYS
        method = METHODS.get(parser.get_method())
        if (
            method is None
            or (cycle is not None and not cycle.response_complete)
            or self.ending
            or self.expect_100_continue
            or self.at_once >= MAX_AT_ONCE
            or self.flow.write_paused
            or not parser.should_keep_alive()
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
        ):
            return None
        url = httptools.parse_url(self.url)
        raw_path = url.path
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        if not lane.takes(path):
            return None
        return tuple.__new__(Head, (method, path, raw_path, url.query or b"", self.headers, self.connection))

    def leave_lane(self) -> None:
        """Go on the ASGI way, with what has been read."""
        head, parts = self.head, self.parts
        if head is None or self.answers.transport.is_closing():
            return
        self.head, self.parts = None, []
        self.begin(head.headers)
        for part in parts:
            super().on_body(part)

    def begin(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Begin a request the ASGI way, of which nothing but its head has been read."""
        url, expect = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers = list(headers)  # as above, for upgrades look at it
        self.scope["headers"] = headers
        super().on_headers_complete()

    def answer_in_lane(self, head: Head) -> None:
        """Answer at once, or have the answer waited for as ASGI does it: pipelining, cancelling, leaving clients."""
        assert self.lane is not None
        self.head = None
        if self.answers.transport.is_closing():
            return  # the parser goes on when the connection is done for: what it finds is not carried out
        parts = self.parts
        try:
            response = self.lane.answer_now(head, parts[0] if len(parts) == 1 else b"".join(parts))
        except Exception:  # of which the parser would make a 400
            logger.exception("Failed to answer %s in the lane", head.path[:200])
            response = FAILED
        if not isinstance(response, Response):
            self.wait_for(response)
            return
        self.say(response)
        self.server_state.total_requests += 1
        self.at_once += 1
        self.answered()

    def wait_for(self, response: Coroutine[Any, Any, Response]) -> None:
        """Send a response when it is there. Until then the connection's requests wait, as for an ASGI answer."""
        cycle = LateAnswer()
        self.cycle = cycle  # type: ignore[assignment]  # it has what uvicorn's protocol asks of one
        task = self.loop.create_task(self.answer_late(cycle, response))
        self.tasks.add(task)  # the server waits for them when it ends, and cancels them at last
        task.add_done_callback(self.tasks.discard)

    async def answer_late(self, cycle: "LateAnswer", waited: Coroutine[Any, Any, Response]) -> None:
        """Wait for a response and send it."""
        response = await waited
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        cycle.response_complete = True
        if not cycle.keep_alive:
            response = response._replace(headers=[*response.headers, CLOSE])
        if not cycle.disconnected:
            self.say(response)
        self.on_response_complete()

    def say(self, response: Response) -> None:
        """Send a response; a 500 if it is none that HTTP can carry."""
        try:
            self.answers.send(response, self.server_state.default_headers)
        except ValueError:
            logger.exception("Failed to send a response")
            response = FAILED
            self.answers.send(response, self.server_state.default_headers)
        if CLOSE in response.headers:
            self.answers.close()

    def on_response_complete(self) -> None:
        """An answer has gone the ASGI way. uvicorn's timer ends with the next byte, so it is not enough."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self.answered()
        if self.later and not self.pipeline:
            data, self.later = self.later, b""
            self.data_received(data)

    def answered(self) -> None:
        """Wait for the next request, if nobody does already."""
        self.answered_at = self.loop.time()
        if self.idle is None:
            self.idle = self.loop.call_later(self.timeout_keep_alive, self.close_if_idle)

    def close_if_idle(self) -> None:
        """Close a connection on which nothing was asked for long. One timer, not one for each answer."""
        self.idle = None
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            return  # its end sets the timer again
        rest = self.answered_at + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.idle = self.loop.call_later(rest, self.close_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def handle_websocket_upgrade(self) -> None:
        """Sockets have no answers to keep together, and are closed by nobody's timer."""
        self.cancel_timers()
        self.answers.flush()
        self.transport = self.transport.transport  # type: ignore[attr-defined]
        super().handle_websocket_upgrade()
