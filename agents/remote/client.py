"""Asks remote agents' servers: pooled, guarded, with the server's credentials and nothing of the caller's."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
from yarl import URL

from agents.outbound.guard import Guard, Refused
from agents.outbound.pool import Ended, Pool, TooLarge, is_compressed, problem_of, read_body
from agents.outbound.transport import Resolve, addresses_of, calling

CONNECT_SECONDS = 5  # for a look-up and a connection: another endpoint can be asked in the rest of the time
KEEP_ALIVE_SECONDS = 4  # uvicorn closes after 5 s without a request; one that is sent then is lost


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """What a remote agent may take, and where it may be."""

    document_bytes: int = 512 * 1024  # the SDK's largest are below 100 kB
    answer_bytes: int = 256 * 1024  # of a function: a language model has to read it
    running: int = 100  # requests at once per agent: more of them wait for a server that does not keep up
    allowed_hosts: tuple[str, ...] = ()  # names, *.names, addresses and networks that need not be public


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes
    location: str = ""


class NoReply(Exception):  # noqa: N818 - read as a sentence behind the server's name
    """No usable answer came. The message says why, without URL and credentials.

    `sent`: somebody may have seen the request. `answered`: it was an answer, though not a usable one. `refused`: its
    address is not allowed.
    """

    def __init__(self, problem: str, *, sent: bool = True, answered: bool = False, refused: bool = False):
        self.sent = sent
        self.refused = refused
        self.answered = answered
        super().__init__(problem)


def signature(key: str, url: URL, body: bytes) -> dict[str, str]:
    """The header that proves a request to be the platform's, as it would sign it for this URL (docs/contract.md, 2.6).

    The key itself goes nowhere. No header without a key.
    """
    if not key:
        return {}
    digest = hmac.new(key.encode(), str(url).encode() + body, hashlib.sha256).hexdigest()
    return {"X-SignalWire-Sha256-Signature": digest}


class RemoteClient:
    """One per process, used in one event loop."""

    def __init__(self, limits: RemoteLimits, resolve: Resolve = addresses_of):
        self.limits = limits

        def pool(*, private: bool) -> Pool:
            return Pool(
                limits.document_bytes,
                Guard(limits.allowed_hosts, private=private),
                resolve,
                keep_alive=KEEP_ALIVE_SECONDS,
                connect_seconds=CONNECT_SECONDS,
            )

        self.pools = {private: pool(private=private) for private in (False, True)}

    async def ask(
        self,
        agent: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        seconds: float,
        limit: int,
        private: bool = False,
    ) -> Reply:
        """One request and its answer, whatever its status. Raises `NoReply`.

        `seconds` for all of it; `limit`: bytes of the answer; `private`: the server may be inside the network.
        """
        pool = self.pools[private]
        problem = pool.guard.problem_of_host(url.raw_host or "")
        if problem:
            raise NoReply(problem, sent=False, refused=True)
        calling.set(agent)
        sent = {"Accept": "application/json", "User-Agent": "Switchboard", **headers, "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(seconds):
                return await exchange(pool, method, url, sent, body, limit)
        except TooLarge as error:
            failure = NoReply(str(error), answered=True)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, Ended) as error:
            refused = isinstance(getattr(error, "os_error", None), Refused)
            failure = NoReply(problem_of(error), sent=False, refused=refused)
        except TimeoutError:
            failure = NoReply(f"timed out after {seconds:.3g} seconds")
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:  # uvloop raises RuntimeError
            failure = NoReply(problem_of(error))
        raise failure  # outside of the handlers: no traceback shows aiohttp's exceptions, which hold the headers

    async def close(self) -> None:
        """Close all connections. Requests that are running fail."""
        for pool in self.pools.values():
            await pool.close()


async def exchange(
    pool: Pool, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, limit: int
) -> Reply:
    """One request and its answer."""
    response = await pool.send(method, url, headers, body, [])
    try:
        if is_compressed(response):
            raise NoReply("answered compressed, though Accept-Encoding said identity", answered=True)
        content = await read_body(response, limit)
    finally:
        response.close()  # a complete answer has left its connection to the pool already; the rest is not drained
    return Reply(response.status, content, response.headers.get("Location", ""))
