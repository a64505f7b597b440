"""What answers are written to: heads go with their bodies, and all answers of one turn of the event loop together."""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, STATUS_LINE

from registry.routing.http import AnyHeaders, Response

BEGINNING = b"HTTP/1.1 "
CONTINUE = b"HTTP/1.1 100"
MOST_HELD = 64 * 1024  # bytes; then the transport must know, which makes senders wait


class Heads:
    """Beginnings of answers as bytes, up to their length. The last one is kept: nearly always it is the next one."""

    def __init__(self) -> None:
        self.dated: Any = None  # uvicorn's own headers, which are a new list each second
        self.status = 0
        self.headers: AnyHeaders = ()
        self.begun = b""

    def of(self, response: Response, dated: list[tuple[bytes, bytes]]) -> bytes:
        """The beginning of this response; ValueError for a header that HTTP cannot carry."""
        status, headers, _ = response
        if headers is not self.headers or dated is not self.dated or status != self.status:
            pieces = [STATUS_LINE[status]]
            for name, value in (*dated, *headers):
                if HEADER_VALUE_RE.search(value):
                    raise ValueError(f"the value of {name.decode()} has control characters")
                pieces += (name, b": ", value, b"\r\n")
            self.begun = b"".join((*pieces, b"content-length: "))
            self.dated, self.headers, self.status = dated, headers, status
        return self.begun


HEADS = Heads()


class WholeAnswers:
    """A transport that sends an answer's head with the beginning of its body, and all answers of one turn together.

    uvicorn writes head and body one after the other, which are two system calls, two packets, and for the receiver two
    wake-ups. What is held back is sent at the end of the event loop's turn, all connections' one after the other: who
    asks on many of them is woken once, which takes 5 µs of the kernel's time for an answer.
    """

    __slots__ = ("held", "loop", "transport")
    waiting: ClassVar[list["WholeAnswers"]] = []  # to be sent at the end of the turn

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self.transport = transport
        self.loop = loop
        self.held = b""

    def write(self, data: bytes) -> None:
        """Hold a head back, and what follows it in this turn."""
        if self.held or (data.startswith(BEGINNING) and not data.startswith(CONTINUE)):
            self.hold(data)
        elif not self.transport.is_closing():  # else nobody reads it, and uvloop raises
            self.transport.write(data)

    def send(self, response: Response, dated: list[tuple[bytes, bytes]]) -> None:
        """Send a response at the end of the turn. `dated`: the server's own headers."""
        body = response.body
        self.hold(b"%b%d\r\n\r\n%b" % (HEADS.of(response, dated), len(body), body))

    def hold(self, data: bytes) -> None:
        """Keep what is to be sent at the end of the turn, behind what is kept already."""
        if self.held:
            self.held += data
            if len(self.held) > MOST_HELD:
                self.flush()
            return
        self.held = data
        if not self.waiting:
            self.loop.call_soon(self.flush_all)
        self.waiting.append(self)

    @classmethod
    def flush_all(cls) -> None:
        """The end of the turn."""
        waiting, cls.waiting = cls.waiting, []
        for answers in waiting:
            answers.flush()

    def flush(self) -> None:
        """Send what is still held back, unless whom it is for has gone."""
        if self.held:
            data, self.held = self.held, b""
            if not self.transport.is_closing():
                self.transport.write(data)

    def close(self) -> None:
        """Send what is held back, then close."""
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)
