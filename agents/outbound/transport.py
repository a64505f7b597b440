"""Connections to authors' servers: aiohttp's, with look-ups of our own, and limits that aiohttp does not have."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from agents.outbound.guard import Refused

LOOKUPS_OF_AGENT = 8  # so that one author's dead name servers leave threads for the others

Resolve = Callable[[str], list[str]]
calling: ContextVar[str] = ContextVar("calling")  # the agent for which a name is looked up


def addresses_of(host: str) -> list[str]:
    """The addresses of a host as the system knows them. Blocks; raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(target[0]) for *_, target in found))


class Resolver(AbstractResolver):
    """Looks names up in threads of our own: a dead name server must block neither the loop nor its executor."""

    def __init__(self, check: Callable[[Iterable[str]], None], look_up: Resolve, threads: ThreadPoolExecutor):
        self.check = check
        self.look_up = look_up
        self.threads = threads
        self.running: Counter[str] = Counter()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, if all of them may be reached; else `Refused`."""
        agent = calling.get()
        if self.running[agent] >= LOOKUPS_OF_AGENT:
            raise Refused(f"was not called: {LOOKUPS_OF_AGENT} other host names of its agent are being looked up")
        self.running[agent] += 1
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(self.threads, self.look_up, host)
        finally:
            self.running[agent] -= 1
            if not self.running[agent]:
                del self.running[agent]
        if not addresses:
            raise OSError("no address")
        self.check(addresses)
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in zip(addresses, families, strict=True)
        ]

    async def close(self) -> None:
        """Nothing: the threads are shared, and the client's."""


class Protocol(ResponseHandler):
    """aiohttp's end of a connection, with a limit for all that comes, and a quick end.

    Interim answers (1xx) and the extensions of chunks reach no limit of aiohttp 3.14: a server could send a gigabyte a
    second of them until the deadline. And closing waits, as long as the peer likes, for it to take what is not sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int):
        super().__init__(loop)
        self.limit = limit
        self.received = 0

    def set_response_params(self, **options: Any) -> None:
        """A new answer begins."""
        self.received = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """More of an answer."""
        self.received += len(data)
        if self.received <= self.limit:
            super().data_received(data)
        elif self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close at once."""
        self.abort()


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool of connections, without those on which something came that nobody had asked for.

    aiohttp 3.14 would take it for the answer to the next request, which may be another agent's.
    `limit_bytes`: of an answer with its headers, as it is sent.
    """

    def __init__(self, limit_bytes: int, **options: Any):
        super().__init__(**options)
        factory: Any = partial(Protocol, loop=asyncio.get_running_loop(), limit=limit_bytes)
        self._factory = factory  # there is no public way

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> aiohttp.connector.Connection:
        """A connection that is clean."""
        connection = await super().connect(req, traces, timeout)
        if connection.protocol is None or connection.protocol.should_close:
            connection.close()
            raise aiohttp.ServerDisconnectedError
        return connection
