"""Asks authors' servers, within limits and never inside the network unless the operator allows it."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from agents.errors import WebhookFailed
from agents.outbound.answer import swaig_answer
from agents.outbound.guard import Guard, parsed
from agents.outbound.pool import Pool, is_compressed, is_silent, problem_of, read_body
from agents.outbound.transport import Resolve, addresses_of, calling

PLACE_CHARACTERS = 200  # of the URL in a message

# What the connection needs, and an encoding of the answer, are ours to say. Anything else is the author's.
OUR_HEADERS = {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive"}
OUR_HEADERS |= {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """What a webhook may take, and where it may be."""

    seconds: float = 10  # unless the handler says otherwise, from the look-up to the last byte: a caller hears silence
    answer_bytes: int = 256 * 1024  # a language model has to read it
    running: int = 100  # at once per agent: more of them wait for a server that does not keep up
    allowed_hosts: tuple[str, ...] = ()  # names, *.names, addresses and networks that need not be public


class WebhookClient:
    """Calls webhooks; one per process, used in one event loop.

    `resolve` looks a name up, in a thread: its addresses, or OSError.
    """

    def __init__(self, limits: WebhookLimits, resolve: Resolve = addresses_of):
        self.limits = limits
        self.pool = Pool(limits.answer_bytes, Guard(limits.allowed_hosts), resolve)
        self.running: Counter[str] = Counter()

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
            problem = f"timed out after {seconds:g} seconds"
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
        problem = self.pool.guard.problem_of_host(host)
        if problem:
            raise WebhookFailed(problem)
        reused: list[bool] = []
        try:
            response = await self.pool.send("POST", url, headers, body, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            # A kept connection that the server had just closed, as it may at any time. aiohttp sends a GET again by
            # itself, but no POST. We do, once, if there was no sign of an answer: most likely nobody saw the request,
            # and if somebody did, the Idempotency-Key says so, as for the platform's own repeats.
            if not reused or not is_silent(error):
                raise
            response = await self.pool.send("POST", url, headers, body, reused)
        try:
            answer = await self.read(response)
        finally:
            response.close()  # a complete answer has left its connection to the pool already; the rest is not drained
        return swaig_answer(answer, response.headers.get("Content-Type", ""))

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of a good answer, within the limit."""
        status = response.status
        if 300 <= status < 400:
            raise WebhookFailed(f"answered {status}: redirects are not followed, write the URL where it leads")
        if not 200 <= status < 300:
            raise WebhookFailed(f"answered {status}")
        if is_compressed(response):
            raise WebhookFailed("answered compressed, though Accept-Encoding said identity")
        return await read_body(response, self.limits.answer_bytes)

    async def close(self) -> None:
        """Close all connections. Calls that are running fail."""
        await self.pool.close()


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
