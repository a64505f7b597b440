"""Adopting a server that runs: each of its routes becomes a remote agent."""

from collections.abc import Sequence

from yarl import URL

from agents.models import Agent
from agents.remote.source import MAX_ENDPOINTS, RemoteSource
from registry.actions.inspection import look_at, parsed
from registry.actions.transaction import Actor
from registry.adopting.carry_out import carry_out
from registry.adopting.entries import UPDATE, Entry, Report, Wishes, chosen
from registry.adopting.present import Present, endpoint_of, origins_of
from registry.adopting.remarks import Advice, Remark
from registry.adopting.server_health import Health, read_health
from registry.base.errors import Malformed, RegistryError
from registry.routing.addresses import slug

NOTES = [
    "The platform has to ask Switchboard from now on: at our address, and with each agent's credentials here.",
    "The server must go on running: Switchboard asks it for every document and every function.",
]
NOT_SERVED = [
    "routes of its own on server.app, and static files: /health does not tell of them",
    Remark("SIP names that its code registers: HTTP does not tell of them", Advice.MAP_NAMES),
]


def adopt_server(urls: Sequence[str], wishes: Wishes, *, by: Actor, wait: bool = False) -> Report:
    """Register what an AgentServer serves. Several URLs are instances of the same server.

    Raises `RegistryError` if there is no such server; what is wrong with one of its agents is said in its entry.
    """
    if not 1 <= len(urls) <= MAX_ENDPOINTS:
        raise Malformed(f"name 1 to {MAX_ENDPOINTS} instances of a server, not {len(urls)}")
    servers = [read_health(url, by) for url in urls]
    origin = servers[0].base if len(servers) == 1 else f"{servers[0].base} and {len(servers) - 1} more"
    entries = chosen(entries_of(servers), wishes.only, origin)
    present = Present(RemoteSource.KIND)
    for entry in entries:
        place(entry, servers[0], present, wishes)
        if entry.planned:
            look(entry, servers[0], wishes, by)
    report = Report(origin, entries, wishes.dry_run, list(NOT_SERVED), list(NOTES))
    return report if wishes.dry_run else carry_out(report, wishes, by=by, wait=wait)


def entries_of(servers: Sequence[Health]) -> list[Entry]:
    """An entry for each route, with the URLs of the instances that have it."""
    if all(server.single for server in servers):
        urls = [url_of(server, server.routes[0]) for server in servers]
        return [entry_at(servers[0].routes[0], urls)]
    entries = []
    for route in dict.fromkeys(route for server in servers for route in server.routes):
        having = [server for server in servers if route in server.routes]
        entry = entry_at(route, [url_of(server, route) for server in having])
        if len(having) < len(servers):
            entry.warnings.append(f"not every instance has it: only {', '.join(server.base for server in having)}")
        entries.append(entry)
    return entries


def entry_at(route: str, urls: list[str]) -> Entry:
    """An entry for a route and its endpoints."""
    first, *more = dict.fromkeys(urls)
    return Entry(route, source={"remote": {"url": first} | ({"more_urls": more} if more else {})})


def url_of(server: Health, route: str) -> str:
    """Where a server has the agent."""
    return server.base if route == "/" else server.base + route


def place(entry: Entry, server: Health, present: Present, wishes: Wishes) -> None:
    """Decide what becomes of an entry, as far as that can be said without asking the agent."""
    present.place(entry, wishes.route_prefix)
    if not entry.planned:
        return
    try:
        source = parsed(entry.source)
    except RegistryError as error:
        entry.refuse(error)
        return
    assert isinstance(source, RemoteSource)
    origins = origins_of(source)
    owner = present.agent_from(origins)
    if owner:
        known(entry, source, owner, present, wishes)
        return
    name = server.single or entry.original.strip("/") or ("" if wishes.name_prefix else URL(server.base).host or "")
    entry.auto_sip = wishes.auto_sip
    present.claim(entry, origins, slug(wishes.name_prefix, name) or "agent")


def known(entry: Entry, source: RemoteSource, owner: str, present: Present, wishes: Wishes) -> None:
    """An agent that is registered from one of these URLs already."""
    kept = present.sources[owner]
    assert isinstance(kept, RemoteSource)
    there = present.there(entry, owner)
    others = []
    if {endpoint_of(url) for url in kept.endpoints} != {endpoint_of(url) for url in source.endpoints}:
        others.append(f"other instances ({', '.join(kept.endpoints)})")
    if isinstance(wishes.upstream, tuple) and ":".join(wishes.upstream) != Agent.objects.get(name=owner).upstream:
        others.append("another user or password for its server")
    if not others:
        entry.skip(there)
    elif wishes.update:
        wanted = kept.model_copy(update={"url": source.url, "more_urls": source.more_urls})
        entry.state, entry.source = UPDATE, wanted.given()
    else:
        entry.skip(Remark(f"{there}, with {' and '.join(others)}", Advice.UPDATE))


def look(entry: Entry, server: Health, wishes: Wishes, by: Actor) -> None:
    """Ask the agent for its document, so that the plan can say what it is, and what would be refused."""
    try:
        seen = look_at(entry.source, by=by, name=entry.agent, upstream=wishes.upstream)
    except RegistryError as error:
        entry.refuse(refusal(error, entry, server, wishes))
        return
    assert isinstance(seen.source, RemoteSource)
    entry.found = seen.source.found
    entry.warnings += seen.warnings


def refusal(error: RegistryError, entry: Entry, server: Health, wishes: Wishes) -> Remark:
    """Why an agent cannot be registered, and what else may help."""
    if error.about == "credentials":
        return Remark(str(error), Advice.ADOPT_ALONE if wishes.upstream else Advice.GIVE_CREDENTIALS, entry.original)
    if server.single and entry.original == "/" and error.about in ("path", "document"):
        return Remark(f"{error}. A single agent may have a route of its own: adopt {server.base}/ITS-ROUTE")
    return Remark(str(error))
