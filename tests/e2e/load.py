"""Requests at a steady rate over kept connections, each with a call id of its own, and who got a whole answer."""

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

from tests.e2e.server import Server

CONNECTIONS = 16
ANSWER_SECONDS = 10
PAUSE_SECONDS = 0.05  # after a connection was lost or refused


class Load:
    """Asks several servers in turn; each connection has its share of `rate` (requests/s)."""

    def __init__(self, servers: Sequence[Server], rate: float, path: str = "/sales", auth: str = "u:p"):
        self.servers = list(servers)  # may be changed while it runs
        self.rate = rate
        self.path = path
        self.authorization = base64.b64encode(auth.encode()).decode()
        self.answered: list[str] = []  # call ids whose 200 came whole
        self.failed: list[str] = []  # what happened to the others
        self.stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Ask as long as the block runs; running requests are still answered."""
        tasks = [asyncio.create_task(self.connection(number)) for number in range(CONNECTIONS)]
        try:
            yield self
        finally:
            self.stopping = True
            await asyncio.gather(*tasks)

    async def connection(self, number: int) -> None:
        """One caller: a request at a time, on a connection that is kept until it is lost."""
        clock = asyncio.get_running_loop().time
        pause = CONNECTIONS / self.rate
        due = clock() + pause * number / CONNECTIONS
        while not self.stopping:
            writer = None
            try:
                server = self.servers[number % len(self.servers)]
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                while not self.stopping and server in self.servers:
                    await asyncio.sleep(max(due - clock(), 0))
                    due = max(due + pause, clock() - 1)
                    await self.ask(reader, writer)
            except OSError as error:  # refused
                self.failed.append(f"refused: {error}")
            except (asyncio.IncompleteReadError, TimeoutError) as error:
                self.failed.append(repr(error))
            finally:
                if writer is not None:
                    writer.close()
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its whole answer."""
        call = f"{random.getrandbits(64):016x}"
        head = (
            f"GET {self.path}?call_id={call} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {self.authorization}"
        )
        writer.write(f"{head}\r\n\r\n".encode())
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(answer.partition("content-length:")[2].partition("\r")[0])
            await reader.readexactly(length)
        if answer.startswith("http/1.1 200 "):
            self.answered.append(call)
        else:
            self.failed.append(answer.partition("\r")[0])
