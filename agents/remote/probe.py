"""Looks at a remote agent when it is registered: does it answer, with what, and which addresses does it write."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson
from yarl import URL

from agents.errors import UnusableSource
from agents.outbound.guard import Guard
from agents.remote.answer import is_swml, status_problem
from agents.remote.client import NoReply, RemoteClient, RemoteLimits, Reply, signature
from agents.remote.document import Own, functions_of, slots_of
from agents.remote.places import basic, origin_of, path_of, place_of
from agents.remote.rewrite import Rewriter, readable
from agents.remote.source import RemoteSource
from agents.sources import Found, FoundFunction

PROBER = "registration"  # stands for an agent where look-ups are counted
HEALTH_SECONDS = 3
HEALTH_BYTES = 64 * 1024
FOUND_BYTES = 256 * 1024  # of what is kept with each version; the tables that serve hold them all
MAX_SHOWN = 5  # things of a kind in a sentence
HOW_TO_ALLOW = "an Admin may register it, or WEBHOOK_ALLOWED_HOSTS can allow it"


@dataclass(frozen=True)
class Reach:
    """How remote agents are reached: at public addresses, and these names, addresses and networks.

    `signing_key`: with which requests are signed, for servers that check that; "" = they are not.
    """

    allowed_hosts: tuple[str, ...] = ()
    signing_key: str = field(default="", repr=False)


@dataclass
class Probed:
    """A remote source with all that was found, and what whoever registers it should know."""

    source: RemoteSource
    warnings: list[str] = field(default_factory=list)


class NotPublic(UnusableSource):
    """An endpoint is inside the network."""


@dataclass
class Looked:
    """What one endpoint says."""

    url: str
    document: dict[str, Any]
    texts: list[bytes]  # of its documents, as `readable` gives them
    mcp: bool
    origins: set[str]
    warnings: list[str]


def probe(
    source: RemoteSource, upstream: tuple[str, str] | None, reach: Reach, *, may_be_private: bool = False
) -> Probed:
    """Ask every endpoint for its document; `UnusableSource` says why the agent cannot be served from there.

    `may_be_private`: addresses inside the network are allowed, and the source remembers that. Blocks, for as long as
    documents of the source may take and some seconds.
    """
    look = Probe(source, ":".join(upstream) if upstream else "", reach)
    with ThreadPoolExecutor(1, "probe") as thread:  # whoever calls may be in an event loop
        return thread.submit(asyncio.run, look.all(may_be_private=may_be_private)).result()


def made_up_call() -> bytes:
    """What the platform sends for a call's document (docs/contract.md, 4)."""
    call = {
        "call_id": f"registration-{secrets.token_hex(8)}",
        "node_id": "registration",
        "segment_id": secrets.token_hex(8),
        "from": "+15550100",
        "to": "+15550101",
        "direction": "inbound",
        "state": "created",
        "type": "phone",
        "headers": [],
    }
    return orjson.dumps({"call": call, "vars": {"userVariables": {}}, "envs": {}})


class Probe:
    """One look at a source."""

    def __init__(self, source: RemoteSource, upstream: str, reach: Reach):
        self.source = source
        self.upstream = upstream
        self.headers = {"Authorization": basic(upstream)} if upstream else {}
        self.signing_key = reach.signing_key
        self.client = RemoteClient(RemoteLimits(allowed_hosts=reach.allowed_hosts))
        self.private = False

    async def all(self, *, may_be_private: bool) -> Probed:
        """All endpoints, and what they have in common."""
        try:
            try:
                looked = await self.endpoints()
            except NotPublic as error:
                if not may_be_private:
                    raise UnusableSource(f"{error}: {HOW_TO_ALLOW}") from None
                self.private = True
                looked = await self.endpoints()
        except NotPublic as error:
            raise UnusableSource(f"{error}: WEBHOOK_ALLOWED_HOSTS can allow it") from None
        finally:
            await self.client.close()
        return self.result(looked)

    async def endpoints(self) -> list[Looked]:
        """What all endpoints say; the first problem ends it."""
        found = await asyncio.gather(*(self.endpoint(url) for url in self.source.endpoints), return_exceptions=True)
        looked = []
        for one in found:
            if isinstance(one, BaseException):
                raise one
            looked.append(one)
        return looked

    async def endpoint(self, url: str) -> Looked:
        """One endpoint: its document as the platform asks for it, and as a browser does."""
        posted = await self.ask("POST", url, url, made_up_call())
        document, text = await self.document(url, posted)
        texts, warnings = [text], []
        shown = await self.ask("GET", url, url)
        if shown.status == 200:
            texts.append((await self.document(url, shown))[1])
        else:
            warnings.append(f"{url} answers GET with {shown.status}: its document can be had by POST only")
        own = Own(self.upstream, url)
        origins = set().union(*(own.origins(text, slots_of(document)) for text in texts))
        return Looked(url, document, texts, await self.has_mcp(url), origins, warnings)

    async def document(self, url: str, reply: Reply) -> tuple[dict[str, Any], bytes]:
        """The document that a reply is, or `UnusableSource`."""
        if 300 <= reply.status < 400:
            raise UnusableSource(
                f"{url} answered {reply.status}, a redirect, which is not followed: register the URL where it leads"
            )
        if reply.status == 401:
            words = "rejects this user and password" if self.upstream else "asks for a user and a password"
            raise UnusableSource(f"{url} {words} (401): give those of its server", "credentials")
        if reply.status == 404:
            raise UnusableSource(f"{url} has no agent at this path (404){await self.others(url)}", "path")
        problem = status_problem(reply.status, post=True)
        if problem:
            raise UnusableSource(f"{url} {problem}{': its own log says why' if reply.status >= 500 else ''}")
        read = readable(reply.body)
        if read is None:
            raise UnusableSource(f"{url} answered something that is not JSON: is this the URL of an agent?")
        value, text = read
        if not is_swml(value):
            error = value.get("error") if isinstance(value, dict) else None
            said = f" ({error[:100]})" if isinstance(error, str) else ""
            raise UnusableSource(
                f'{url} answered JSON that is no SWML document, which has "sections" with "main"{said}', "document"
            )
        return value, text

    async def ask(self, method: str, place: str, url: str, body: bytes | None = None) -> Reply:
        """One reply, or `UnusableSource`. `place`: the endpoint, for people."""
        headers = self.headers | ({"Content-Type": "application/json"} if body is not None else {})
        limits = self.client.limits
        target = URL(url if path_of(url) else f"{url}/")
        if body is not None:
            headers |= signature(self.signing_key, target, body)
        try:
            return await self.client.ask(
                PROBER,
                method,
                target,
                headers,
                body,
                seconds=self.source.document_seconds,
                limit=limits.document_bytes,
                private=self.private,
            )
        except NoReply as error:
            failure = (NotPublic if error.refused else UnusableSource)(f"{place} {error}")
        raise failure

    async def others(self, url: str) -> str:
        """What /health of its server says is there; nothing if it does not say it."""
        try:
            reply = await self.client.ask(
                PROBER,
                "GET",
                URL(origin_of(url)) / "health",
                {},
                None,
                seconds=HEALTH_SECONDS,
                limit=HEALTH_BYTES,
                private=self.private,
            )
            routes = orjson.loads(reply.body)["routes"]
        except (NoReply, ValueError, TypeError, KeyError):
            return ""
        paths = [route or "/" for route in routes if isinstance(route, str)] if isinstance(routes, list) else []
        return f": its server has {listed(paths)}" if paths else ""

    async def has_mcp(self, url: str) -> bool:
        """Whether the agent offers its functions as MCP tools."""
        initialize = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        try:
            reply = await self.ask("POST", url, f"{url}/mcp", orjson.dumps(initialize))
            answer = orjson.loads(reply.body)
        except (UnusableSource, ValueError):
            return False
        return (
            reply.status == 200 and isinstance(answer, dict) and answer.get("jsonrpc") == "2.0" and "result" in answer
        )

    # --- what is made of it ------------------------------------------------------------------------------------------

    def result(self, looked: list[Looked]) -> Probed:
        """The source with what was found; `UnusableSource` if its addresses could not be replaced."""
        first = looked[0]
        origins = set().union(*(one.origins for one in looked))
        known = [place_of(url) for url in [*self.source.endpoints, *origins]]
        places = frozenset(place for place in known if place)
        rewriter = Rewriter(self.upstream, places, [path_of(url) for url in self.source.endpoints])
        warnings = [warning for one in looked for warning in [*self.in_clear(one.url), *one.warnings]]
        for one in looked:
            self.check_addresses(one, rewriter, warnings)
        functions = functions_of(first.document, places, self.upstream)
        for one in looked[1:]:
            other = functions_of(one.document, places, self.upstream)
            if different := sorted(name for name in functions | other if functions.get(name) != other.get(name)):
                warnings.append(f"{one.url} and {first.url} do not have the same functions: {listed(different)}")
            if one.mcp != first.mcp:
                warnings.append(f"only one of {one.url} and {first.url} offers MCP")
        spare = {urls for urls in origins if place_of(urls) not in {place_of(url) for url in self.source.endpoints}}
        found = Found(
            functions=functions, mcp=all(one.mcp for one in looked), origins=sorted(spare), private=self.private
        )
        source = self.source.model_copy(update={"found": found})
        if len(orjson.dumps(source.stored())) > FOUND_BYTES:
            brief = {name: FoundFunction(secure=one.secure, runs_here=one.runs_here) for name, one in functions.items()}
            source = source.model_copy(update={"found": found.model_copy(update={"functions": brief})})
            warnings.append("its functions are described at such length that only their names are kept")
        return Probed(source, list(dict.fromkeys(warnings)))

    def in_clear(self, url: str) -> list[str]:
        """A warning if what is sent there crosses the Internet unencrypted."""
        host = URL(url).raw_host or ""
        inside = self.private or Guard(()).problem_of_host(host) or self.client.pools[False].guard.is_named(host)
        if inside or not url.lower().startswith("http:"):
            return []
        return [f"{url} is asked without TLS: its password and what callers say cross the network in clear"]

    def check_addresses(self, looked: Looked, rewriter: Rewriter, warnings: list[str]) -> None:
        """Raise `UnusableSource` unless callers and logs will see nothing of the server's addresses."""
        for what, url in slots_of(looked.document):
            rewritten = rewriter.rewrite(orjson.dumps({"web_hook_url": url}), document=True)
            if rewritten.nowhere:
                raise UnusableSource(
                    f"{looked.url} wants {what} to be called at {rewritten.nowhere[0]} of its own server, which "
                    f"cannot be replaced by an address here: agents are called at /swaig, /post_prompt and the like"
                )
        for text in looked.texts:
            rewritten = rewriter.rewrite(text, document=True)
            if rewritten.leak:
                raise UnusableSource(
                    f"{looked.url} writes its own address, or the user and password for it, in its document in a form "
                    f"that cannot be replaced: it must be gone from there, or callers could see it"
                )
            files = [path for path in rewritten.nowhere if path not in ("", "/")]
            if files:
                warnings.append(
                    f"{looked.url} refers to what else is on its server, which is not served here: {listed(files)}"
                )


def listed(words: list[str]) -> str:
    """A few of them, and how many there are besides."""
    more = len(words) - MAX_SHOWN
    return ", ".join(words[:MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
