"""uvicorn's HTTP protocol with what it lacks: answers in one piece, a limit on a request's head, a gentle end."""

import asyncio
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024  # of a request's line and headers; browsers and proxies stay below 16 kB
CHUNK_BYTES = 256 * 1024  # that uvloop reads at once
DISCARD_BYTES = 16 * 1024 * 1024  # of a body whose request was refused already; uvicorn throws it away
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
STATUS_LINE = b"HTTP/1.1 "
CONTINUE = b"HTTP/1.1 100"


class Protocol(HttpToolsProtocol):
    """Counts a head only while no request is running: counting in the parser's callbacks cost 4 µs a request."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    ending = False  # of the class, when the server is about to end: answers close their connection then
    silent: asyncio.TimerHandle | None = None  # closes a connection that never asks anything
    unclaimed = 0  # bytes received since the last request began or went on

    def connection_made(self, transport: Any) -> None:
        """Put the transport that keeps answers together in between."""
        super().connection_made(transport)
        self.transport = WholeAnswers(transport, self.loop)  # type: ignore[assignment]
        self.silent = self.loop.call_later(settings.HEAD_SECONDS, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Look whether this belongs to a running request; if not, it is a head in pieces, or a refused body's rest."""
        super().data_received(data)
        cycle = self.cycle
        if self.silent is not None and cycle is not None:
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

    def on_message_complete(self) -> None:
        """A request has come whole, also one that was refused before: what comes now is the next one's head."""
        super().on_message_complete()
        if self.cycle is not None:
            self.cycle.more_body = False
        self.unclaimed = -CHUNK_BYTES  # this chunk is counted yet, and has more than a head in it

    def handle_websocket_upgrade(self) -> None:
        """Sockets have no answers to keep together."""
        if self.silent is not None:
            self.silent.cancel()
        self.transport = self.transport.transport  # type: ignore[attr-defined]
        super().handle_websocket_upgrade()


class WholeAnswers:
    """A transport that sends an answer's head together with the beginning of its body.

    uvicorn writes them one after the other, which are two system calls, two packets, and for the receiver two wake-ups.
    A head whose body does not follow at once is sent alone, in the event loop's next turn.
    """

    __slots__ = ("head", "loop", "transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self.transport = transport
        self.loop = loop
        self.head = b""

    def write(self, data: bytes) -> None:
        """Hold a head back; send what follows with it."""
        if self.head:
            data, self.head = self.head + data, b""
        elif data.startswith(STATUS_LINE) and not data.startswith(CONTINUE):
            self.head = data
            self.loop.call_soon(self.flush)
            return
        self.transport.write(data)

    def flush(self) -> None:
        """Send a head that is still held back."""
        if self.head:
            data, self.head = self.head, b""
            self.transport.write(data)

    def close(self) -> None:
        """Send what is held back, then close."""
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)
