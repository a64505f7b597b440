"""Web servers on 127.0.0.1 for the tests of webhooks: what they are told to answer, and what they have seen."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Request(NamedTuple):
    line: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Server:
    """One server. `connections`, `requests` and `sent` (bytes that the network took) grow as it is used.

    `arrived` has the requests too, to wait for.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[Request] = []
        self.arrived: asyncio.Queue[Request] = asyncio.Queue()
        self.sent = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


class Peer:
    """One connection of a server."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.server = server
        self.reader = reader
        self.writer = writer

    async def request(self) -> Request:
        """The next request. Raises IncompleteReadError if none comes."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8")
        line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(line, headers, body)
        self.server.requests.append(request)
        self.server.arrived.put_nowait(request)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.server.sent += len(data)

    async def flood(self, data: bytes) -> None:
        """The same bytes, for ever."""
        data *= max(1, 65536 // len(data))
        while True:
            await self.send(data)
            await asyncio.sleep(0)


Behaviour = Callable[[Peer], Awaitable[object]]


@asynccontextmanager
async def serve(
    behaviour: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server all of whose connections behave like this."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(Peer(server, reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writers.append(writer)
        task = asyncio.create_task(talk(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0)  # what was accepted just now has its task from here on
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # a task that is cancelled before it begins closes nothing
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def answer(body: bytes, status: str = "200 OK", *headers: str, content_type: str = "application/json") -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {content_type}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(data: bytes) -> Behaviour:
    """Answer every request with these bytes, and keep the connection."""

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(data)

    return behave


def after_request(*steps: bytes | Callable[[Peer], Awaitable[object]]) -> Behaviour:
    """Read one request, then send or do these, then close."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for step in steps:
            await (peer.send(step) if isinstance(step, bytes) else step(peer))

    return behave


async def hang(_peer: Peer) -> None:
    await asyncio.Event().wait()


def flood(data: bytes) -> Behaviour:
    """Send these bytes for ever."""
    return lambda peer: peer.flood(data)
