"""Asks a server what it is: the `/health` of the SDK's AgentServer, or of a single agent."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp
import orjson
from django.conf import settings
from yarl import URL

from agents.sources import checked_url
from agents.webhooks.client import HEADER_BYTES, problem_of
from agents.webhooks.guard import Guard, Refused, parsed
from agents.webhooks.transport import Connector, Resolver, addresses_of, calling
from registry.adopting.entries import as_path
from registry.changes import Actor
from registry.errors import Forbidden, Malformed

SECONDS = 10  # for an answer that needs nothing but a list
ANSWER_BYTES = 1024 * 1024
MAX_ROUTES = 500  # of one server: each is asked for its document, one after the other
OTHER = "is no AgentServer of the SDK: its /health {}. Give the address at which the server itself is reached, such as "
OTHER += "http://host:3000, or register a single agent with `register NAME --remote URL`"


@dataclass(frozen=True)
class Health:
    """What a server says that it serves."""

    base: str  # its URL, without a slash at its end
    routes: tuple[str, ...]  # / = the root
    single: str = ""  # the agent's name if the server has only this one


def read_health(url: str, by: Actor) -> Health:
    """Ask a server for its routes. `url`: its own, or that of the only agent on it.

    `Malformed` for anything but an AgentServer or a single agent; `Forbidden` for an address inside the network.
    """
    given = base_of(url)
    problem, origin = "", str(URL(given).origin())
    for base in dict.fromkeys((given, origin)):
        status, body = ask(f"{base}/health", by)
        answer = parsed_json(body) if status == 200 else None
        if isinstance(answer, dict) and isinstance(answer.get("routes"), list):
            return Health(base, routes_in(answer["routes"], base, given.removeprefix(base)))
        if isinstance(answer, dict) and answer.get("status") == "healthy" and isinstance(answer.get("agent"), str):
            return Health(origin, (as_path(given.removeprefix(origin)),), single=answer["agent"] or "agent")
        problem = problem or (f"answers {status}" if status != 200 else "says something else")
    raise Malformed(f"{given} {OTHER.format(problem)}")


def base_of(url: str) -> str:
    """The URL as servers are asked; `Malformed` says what is wrong with it."""
    try:
        checked = checked_url(url.strip())
        return str(parsed(checked)).removesuffix("/").removesuffix("/health")
    except ValueError as error:
        raise Malformed(f"the server's URL {error}", problems={"url": str(error)}) from None


def routes_in(values: list[object], base: str, path: str) -> tuple[str, ...]:
    """The routes that a server lists; with a path only that one."""
    if not all(isinstance(value, str) for value in values):
        raise Malformed(f"{base} {OTHER.format('lists routes that are no texts')}")
    if len(values) > MAX_ROUTES:
        raise Malformed(f"{base} lists {len(values)} routes: at most {MAX_ROUTES} can be adopted from one server")
    routes = tuple(dict.fromkeys(as_path(str(value)) for value in values))
    if path and path not in routes:
        raise Malformed(f"{base} has no route {path}. Its routes: {', '.join(routes) or 'none'}")
    return (path,) if path else routes


def parsed_json(body: bytes) -> object:
    """The value, None if it is none."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value


def ask(url: str, by: Actor) -> tuple[int, bytes]:
    """Status and body of a GET; `Malformed` says why there is none. Blocks, for seconds at most."""
    target = URL(url)
    guard = Guard(settings.WEBHOOK_ALLOWED_HOSTS)
    host = target.raw_host or ""
    free = by.may_run_code or guard.is_named(host)
    problem = "" if free else guard.problem_of_host(host)
    try:
        if not problem:
            return asyncio.run(get(target, None if free else guard))
    except Refused as refused:
        problem = str(refused)
    except TimeoutError:
        raise Malformed(f"{url} has not answered within {SECONDS} seconds") from None
    except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if not isinstance(cause, Refused):
            raise Malformed(f"{url} {problem_of(error)}") from None
        problem = str(cause)
    raise Forbidden(
        f"{url} {problem}: only an Admin may adopt agents from inside the network, unless WEBHOOK_ALLOWED_HOSTS has it"
    )


async def get(url: URL, guard: Guard | None) -> tuple[int, bytes]:
    """Ask, without following redirects; at most ANSWER_BYTES are read."""
    calling.set("adopt")
    threads = ThreadPoolExecutor(1, "adopt-dns")
    connector = Connector(
        2 * ANSWER_BYTES + HEADER_BYTES,
        resolver=Resolver(guard.check if guard else anything, addresses_of, threads),
        socket_factory=guard.open_socket if guard else None,
    )
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Switchboard"}
    try:
        async with (
            asyncio.timeout(SECONDS),
            aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > ANSWER_BYTES:
                    raise Malformed(f"{url} answers more than {ANSWER_BYTES:,} bytes")
            return response.status, bytes(body)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def anything(_addresses: Iterable[str]) -> None:
    """No check: whoever asks may ask inside the network, or the operator has allowed this host."""
