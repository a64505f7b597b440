"""Kept connections to other people's servers, guarded, and what became of a request, in our words."""

import errno
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import aiohttp
from yarl import URL

from agents.outbound.guard import Guard, Refused
from agents.outbound.transport import Connector, Resolve, Resolver, addresses_of

LOOKUPS = 32  # names that are looked up at once; each is a thread, which a dead name server holds for up to 30 s
DNS_SECONDS = 5  # a look-up is reused: a conversation's functions are called seconds apart
KEEP_ALIVE_SECONDS = 15  # many servers close after 5 or 15 s; the next call would find out too late
READ_BUFFER_BYTES = 64 * 1024  # of an answer, unread; then the server has to wait
HEADER_BYTES = 256 * 1024  # of an answer; aiohttp takes 128 headers of up to 8 kB each, servers send below 10 kB
CHUNKING = 2  # times the answer, sent in chunks of 6 bytes or more


class Ended(RuntimeError):  # noqa: N818
    """This process is ending: nothing is sent any more."""


class TooLarge(ValueError):  # noqa: N818
    """An answer is larger than allowed. The message has the limit."""


class Pool:
    """Connections of one process, used in one event loop: no proxy, no cookies, no redirects.

    `answer_bytes`: of the largest answer. `resolve` looks a name up, in a thread: its addresses, or OSError.
    `connect_seconds`: for a look-up and a connection; None = as long as the request may take.
    """

    def __init__(
        self,
        answer_bytes: int,
        guard: Guard,
        resolve: Resolve = addresses_of,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        connect_seconds: float | None = None,
    ):
        self.answer_bytes = answer_bytes
        self.guard = guard
        self.resolve = resolve
        self.keep_alive = keep_alive
        self.connect_seconds = connect_seconds
        self.threads = ThreadPoolExecutor(LOOKUPS, "webhook-dns")
        self.sessions: dict[bool, aiohttp.ClientSession] = {}  # made in the loop, at the first call
        self.closed = False

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, reused: list[bool]
    ) -> aiohttp.ClientResponse:
        """Send a request and wait for the answer's headers; `reused` is extended if its connection is not new.

        Its host has passed `guard.problem_of_host`. The caller closes the response.
        """
        if self.closed:
            raise Ended("was not called: this process is ending")
        named = self.guard.is_named(url.raw_host or "")
        session = self.sessions.get(named) or self.open_session(named)
        return await session.request(
            method, url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=reused
        )

    def open_session(self, named: bool) -> aiohttp.ClientSession:
        """A pool; `named`: for hosts that the operator allows by name, so without the guard."""

        def anything(_addresses: Iterable[str]) -> None:
            """No check."""

        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(note_reuse)
        self.sessions[named] = aiohttp.ClientSession(
            connector=Connector(
                CHUNKING * self.answer_bytes + HEADER_BYTES,
                resolver=Resolver(anything if named else self.guard.check, self.resolve, self.threads),
                socket_factory=None if named else self.guard.open_socket,
                ttl_dns_cache=DNS_SECONDS,
                keepalive_timeout=self.keep_alive,
                limit=0,  # requests at once are limited per agent
            ),
            trust_env=False,  # no proxy, no netrc
            cookie_jar=aiohttp.DummyCookieJar(),
            # asyncio.timeout is around it all
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, connect=self.connect_seconds),
            auto_decompress=False,  # a few bytes could become gigabytes
            read_bufsize=READ_BUFFER_BYTES,
            trace_configs=[tracing],
        )
        return self.sessions[named]

    async def close(self) -> None:
        """Close all connections. Requests that are running fail."""
        self.closed = True
        for session in self.sessions.values():
            await session.close()
        self.threads.shutdown(wait=False, cancel_futures=True)


async def note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _about: object) -> None:
    """Tell a request that its connection is not new."""
    context.trace_request_ctx.append(True)


def is_compressed(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer is compressed, although Accept-Encoding said identity."""
    return ",".join(response.headers.getall("Content-Encoding", [])).strip().lower() not in ("", "identity")


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body of an answer, of so many bytes at most; else `TooLarge`."""
    body = bytearray()
    size = response.content_length or 0
    if size <= limit:
        async for part in response.content.iter_any():
            body += part
            size = len(body)
            if size > limit:
                break
    if size > limit:
        raise TooLarge(f"answered more than {limit} bytes")
    return bytes(body)


def is_silent(error: aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) -> bool:
    """Whether a connection ended without a byte of an answer, as far as aiohttp says: it drops them after a reset."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is what had come
    return error.errno in (errno.ECONNRESET, errno.EPIPE)


def problem_of(error: Exception) -> str:
    """What went wrong, in our words: aiohttp's may quote the URL, or what the server sent."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, (Refused, Ended, TooLarge)):
        return str(cause)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "has a host name that cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return f"has a TLS certificate that is not valid: {getattr(error.certificate_error, 'verify_message', '')}"
        case aiohttp.ClientConnectorSSLError():
            return "cannot be reached: TLS failed"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {os.strerror(error.errno) if error.errno else 'no connection'}"
        case aiohttp.ConnectionTimeoutError():
            return "cannot be reached: the connection timed out"
        case aiohttp.ClientPayloadError():
            return "sent an answer that is incomplete, or endless"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "answered something that is not HTTP, or with headers that are too large"
    return f"cannot be called: {type(error).__name__}"
