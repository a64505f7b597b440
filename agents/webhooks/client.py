"""Asks authors' servers, within limits and never inside the network unless the operator allows it."""

import asyncio
import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from agents.errors import WebhookFailed
from agents.webhooks.answer import swaig_answer
from agents.webhooks.guard import Guard, Refused, parsed
from agents.webhooks.transport import Connector, Resolve, Resolver, addresses_of, calling

PLACE_CHARACTERS = 200  # of the URL in a message
LOOKUPS = 32  # names that are looked up at once; each is a thread, which a dead name server holds for up to 30 s
DNS_SECONDS = 5  # a look-up is reused: a conversation's functions are called seconds apart
KEEP_ALIVE_SECONDS = 15  # many servers close after 5 or 15 s; the next call would find out too late
READ_BUFFER_BYTES = 64 * 1024  # of an answer, unread; then the server has to wait
HEADER_BYTES = 256 * 1024  # of an answer; aiohttp takes 128 headers of up to 8 kB each, servers send below 10 kB
CHUNKING = 2  # times the answer, sent in chunks of 6 bytes or more

# What the connection needs, and an encoding of the answer, are ours to say. Anything else is the author's.
OUR_HEADERS = {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive"}
OUR_HEADERS |= {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """What a webhook may take, and where it may be."""

    seconds: float = 10  # for all of it, from the look-up to the last byte: a caller does not wait longer in silence
    answer_bytes: int = 256 * 1024  # a language model has to read it
    running: int = 100  # at once per agent: more of them wait for a server that does not keep up
    allowed_hosts: tuple[str, ...] = ()  # names, *.names, addresses and networks that need not be public


class WebhookClient:
    """Calls webhooks; one per process, used in one event loop.

    `resolve` looks a name up, in a thread: its addresses, or OSError.
    """

    def __init__(self, limits: WebhookLimits, resolve: Resolve = addresses_of):
        self.limits = limits
        self.guard = Guard(limits.allowed_hosts)
        self.resolve = resolve
        self.running: Counter[str] = Counter()
        self.threads = ThreadPoolExecutor(LOOKUPS, "webhook-dns")
        self.sessions: dict[bool, aiohttp.ClientSession] = {}  # made in the loop, at the first call
        self.closed = False

    async def post(
        self, agent: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float | None = None
    ) -> dict[str, Any]:
        """Send a SWAIG request's body on; the SWAIG answer. `seconds` instead of the limits'. Raises WebhookFailed."""
        limit = self.limits.running
        if self.running[agent] >= limit:
            raise WebhookFailed(f"{limit} calls of this agent's webhooks are running already")
        seconds = self.limits.seconds if seconds is None else seconds
        try:
            target = parsed(url)
        except ValueError as error:
            raise WebhookFailed(f"the webhook cannot be called: {error}") from None
        place = str(target.with_query(None))[:PLACE_CHARACTERS]
        calling.set(agent)
        self.running[agent] += 1
        try:
            async with asyncio.timeout(seconds):
                return await self.exchange(target, request_headers(headers, body), body)
        except TimeoutError:
            problem = f"has not answered within {seconds:g} seconds"
        except WebhookFailed as failure:
            problem = str(failure)
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:  # uvloop raises RuntimeError
            problem = problem_of(error)
        finally:
            self.running[agent] -= 1
            if not self.running[agent]:
                del self.running[agent]
        # Outside of the handlers, so that no traceback shows aiohttp's exceptions: they hold the URL and the headers.
        raise WebhookFailed(problem, place)

    async def exchange(self, url: URL, headers: CIMultiDict[str], body: bytes) -> dict[str, Any]:
        """One request and its answer."""
        host = url.raw_host or ""
        problem = self.guard.problem_of_host(host)
        if problem:
            raise WebhookFailed(problem)
        named = self.guard.is_named(host)
        reused: list[bool] = []
        try:
            response = await self.send(named, url, headers, body, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            # A kept connection that the server had just closed, as it may at any time. aiohttp sends a GET again by
            # itself, but no POST. We do, once, if there was no sign of an answer: most likely nobody saw the request,
            # and if somebody did, the Idempotency-Key says so, as for the platform's own repeats.
            if not reused or not is_silent(error):
                raise
            response = await self.send(named, url, headers, body, reused)
        try:
            answer = await self.read(response)
        finally:
            response.close()  # a complete answer has left its connection to the pool already; the rest is not drained
        return swaig_answer(answer, response.headers.get("Content-Type", ""))

    async def send(
        self, named: bool, url: URL, headers: CIMultiDict[str], body: bytes, reused: list[bool]
    ) -> aiohttp.ClientResponse:
        """Send a request and wait for the answer's headers; `reused` is extended if its connection is not new."""
        if self.closed:
            raise WebhookFailed("was not called: this process is ending")
        session = self.sessions.get(named) or self.open_session(named)
        return await session.post(url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=reused)

    def open_session(self, named: bool) -> aiohttp.ClientSession:
        """A pool; `named`: for hosts that the operator allows by name, so without the guard."""

        def anything(_addresses: Iterable[str]) -> None:
            """No check."""

        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(note_reuse)
        self.sessions[named] = aiohttp.ClientSession(
            connector=Connector(
                CHUNKING * self.limits.answer_bytes + HEADER_BYTES,
                resolver=Resolver(anything if named else self.guard.check, self.resolve, self.threads),
                socket_factory=None if named else self.guard.open_socket,
                ttl_dns_cache=DNS_SECONDS,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                limit=0,  # `running` is the limit, per agent
            ),
            trust_env=False,  # no proxy, no netrc
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # asyncio.timeout is around it all
            auto_decompress=False,  # a few bytes could become gigabytes
            read_bufsize=READ_BUFFER_BYTES,
            trace_configs=[tracing],
        )
        return self.sessions[named]

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of a good answer, within the limit."""
        status = response.status
        if 300 <= status < 400:
            raise WebhookFailed(f"answered {status}: redirects are not followed, write the URL where it leads")
        if not 200 <= status < 300:
            raise WebhookFailed(f"answered {status}")
        if ",".join(response.headers.getall("Content-Encoding", [])).strip().lower() not in ("", "identity"):
            raise WebhookFailed("answered compressed, though Accept-Encoding said identity")
        limit = self.limits.answer_bytes
        body = bytearray()
        size = response.content_length or 0
        if size <= limit:
            async for part in response.content.iter_any():
                body += part
                size = len(body)
                if size > limit:
                    break
        if size > limit:
            raise WebhookFailed(f"answered more than {limit} bytes")
        return bytes(body)

    async def close(self) -> None:
        """Close all connections. Calls that are running fail."""
        self.closed = True
        for session in self.sessions.values():
            await session.close()
        self.threads.shutdown(wait=False, cancel_futures=True)


async def note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _about: object) -> None:
    """Tell a request that its connection is not new."""
    context.trace_request_ctx.append(True)


def is_silent(error: aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) -> bool:
    """Whether a connection ended without a byte of an answer, as far as aiohttp says: it drops them after a reset."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is what had come
    return error.errno in (errno.ECONNRESET, errno.EPIPE)


def request_headers(headers: Mapping[str, str], body: bytes) -> CIMultiDict[str]:
    """What is sent: ours, and the author's over them. Raises WebhookFailed for those that HTTP cannot carry."""
    sent = CIMultiDict(
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "Switchboard",
            # The platform sends a request up to three times if an answer is late: its body is the same each time.
            "Idempotency-Key": blake2b(body, digest_size=16).hexdigest(),
        }
    )
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise WebhookFailed("was not called: the name of one of its headers has characters that HTTP cannot carry")
        if not HEADER_VALUE.fullmatch(value):
            raise WebhookFailed(f"was not called: its header {name} has characters that HTTP cannot carry")
        if name.lower() not in OUR_HEADERS:
            sent[name] = value
    sent["Accept-Encoding"] = "identity"
    return sent


def problem_of(error: Exception) -> str:
    """What went wrong, in our words: aiohttp's may quote the URL, or what the server sent."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, Refused):
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
        case aiohttp.ClientPayloadError():
            return "sent an answer that is incomplete, or endless"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "answered something that is not HTTP, or with headers that are too large"
    return f"cannot be called: {type(error).__name__}"
