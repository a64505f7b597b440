"""Asks a server what it is: the `/health` of the SDK's AgentServer, or of a single agent."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
from django.conf import settings
from yarl import URL

from agents.outbound.guard import parsed
from agents.remote.client import NoReply, RemoteClient, RemoteLimits, Reply
from agents.remote.source import checked_url
from registry.actions.transaction import Actor
from registry.adopting.entries import as_path
from registry.adopting.remarks import Advice, NoServer, Remark
from registry.base.errors import Forbidden, Malformed

SECONDS = 10  # for an answer that needs nothing but a list
ANSWER_BYTES = 1024 * 1024
MAX_ROUTES = 500  # of one server: each is asked for its document, one after the other
OTHER = "is no AgentServer of the SDK: its /health {}. Give the address at which the server itself is reached, such as "
OTHER += "http://host:3000"


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
        reply = ask(f"{base}/health", by)
        answer = parsed_json(reply.body) if reply.status == 200 else None
        if isinstance(answer, dict) and isinstance(answer.get("routes"), list):
            return Health(base, routes_in(answer["routes"], base, given.removeprefix(base)))
        if isinstance(answer, dict) and answer.get("status") == "healthy" and isinstance(answer.get("agent"), str):
            return Health(origin, (as_path(given.removeprefix(origin)),), single=answer["agent"] or "agent")
        problem = problem or (f"answers {reply.status}" if reply.status != 200 else "says something else")
    raise no_server(given, problem)


def no_server(url: str, problem: str) -> NoServer:
    """What says that something else is there."""
    return NoServer(Remark(f"{url} {OTHER.format(problem)}", Advice.REGISTER_REMOTE))


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
        raise no_server(base, "lists routes that are no texts")
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


def ask(url: str, by: Actor) -> Reply:
    """The reply to a GET; `Malformed` says why there is none. Blocks, for seconds at most."""
    with ThreadPoolExecutor(1, "adopt") as thread:  # whoever calls may be in an event loop
        try:
            return thread.submit(asyncio.run, get(URL(url), private=by.may_run_code)).result()
        except NoReply as error:
            if error.refused and not by.may_run_code:
                words = f"{url} {error}: an Admin may adopt from there, or WEBHOOK_ALLOWED_HOSTS can allow it"
                raise Forbidden(words) from None
            raise Malformed(f"{url} {error}") from None


async def get(url: URL, *, private: bool) -> Reply:
    """Ask, without following redirects."""
    client = RemoteClient(RemoteLimits(ANSWER_BYTES, allowed_hosts=tuple(settings.WEBHOOK_ALLOWED_HOSTS)))
    try:
        return await client.ask("adopt", "GET", url, {}, None, seconds=SECONDS, limit=ANSWER_BYTES, private=private)
    finally:
        await client.close()
