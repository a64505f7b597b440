"""From plain records, the database's or the snapshot's, to the routing table: all of it, or the agents that changed."""

import gc
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection

from agents.errors import InvalidDefinition
from agents.fields import UNREADABLE, cipher
from agents.kinds import USUAL, kind_named, kind_of
from agents.models import Agent
from agents.runners import Engines, Making
from agents.swml.document import pause_document
from agents.tokens import TOKEN_SECONDS, Key, TokenKey
from agents.wire import NO_PATHS, Version
from registry.actions.transaction import one_view
from registry.environment import environment
from registry.models import RegistryChange
from registry.routing.addresses import prefix_of, sip_username
from registry.routing.table import NOT_PAUSED, AgentEntry, Credentials, RouteEntry, RoutingTable, Step

logger = logging.getLogger(__name__)
CHUNK = 100  # agents that are read at once; about 200 kB
# Between two agents while others serve: else the event loop waits 5 ms for the interpreter lock at each of its steps.
# Measured at 10,000 agents: a full load takes 3.1 s instead of 1.6, a socket's round trip 0.2 ms (p99) instead of 10.
GENTLE_SECONDS = 0.00005
LOAD_SECONDS = 120  # for all of it, or to write it to the snapshot, before a silent database is away; 10,000 take 3
NO_VERSION = "it has no live version"

# One row for each agent that is served: its id, and a record that is JSON already. The columns come as they are stored:
# secrets encrypted, definitions as text, for one that is not even JSON must not keep the others from being loaded.
RECORDS = """
    SELECT agent.id, json_build_object(
        'id', agent.id, 'name', agent.name, 'state', agent.state, 'pause_message', agent.pause_message,
        'paused_until', CASE WHEN isfinite(agent.paused_until) THEN extract(epoch FROM agent.paused_until) END,
        'credentials', agent.credentials, 'signing_key', agent.signing_key, 'live', agent.live_id,
        'kind', agent.kind, 'upstream', agent.upstream,
        'routes', (
            SELECT json_agg(json_build_object(
                'id', route.id, 'path', route.path, 'default', route.default,
                'sip', ARRAY(SELECT username FROM registry_sipmapping WHERE route_id = route.id ORDER BY username)
            ) ORDER BY route.id)
            FROM registry_route route WHERE route.agent_id = agent.id AND route.enabled
        ),
        'versions', (
            SELECT coalesce(json_agg(json_build_object(
                'id', version.id, 'number', version.number, 'definition', version.definition,
                'retired', extract(epoch FROM version.retired)
            ) ORDER BY version.number), '[]')
            FROM agents_agentversion version
            WHERE version.agent_id = agent.id
                AND (version.id = agent.live_id OR version.retired >= to_timestamp(%(since)s))
        )
    )::text
    FROM agents_agent agent
    WHERE agent.state IN ('serving', 'paused')
        AND (%(changed)s::bigint[] IS NULL OR agent.id = ANY(%(changed)s::bigint[]))
        AND EXISTS (SELECT FROM registry_route WHERE agent_id = agent.id AND enabled)
    ORDER BY agent.id
"""


class RouteRecord(NamedTuple):
    """A route that is on, and the SIP names bound to it."""

    id: int
    path: str
    default: bool
    sip: list[str]


class VersionRecord(NamedTuple):
    """A version that is live, or that running calls may be on."""

    id: int
    number: int
    definition: str
    retired: float | None  # seconds since 1970


class AgentRecord(NamedTuple):
    """All that the table needs of an agent. Its secrets are encrypted."""

    id: int
    name: str
    state: str
    pause_message: str
    credentials: str
    signing_key: str
    live: int | None
    routes: list[RouteRecord]
    versions: list[VersionRecord]
    # What snapshots of former versions of ours do not have:
    paused_until: float | None = None  # seconds since 1970
    kind: str = USUAL
    upstream: str = ""

    @classmethod
    def read(cls, text: str | bytes) -> "AgentRecord":
        """The record that a row of RECORDS holds; `ValueError`, `TypeError` or `KeyError` if it is none."""
        found = orjson.loads(text)
        found["routes"] = [RouteRecord(**route) for route in found["routes"]]
        found["versions"] = [VersionRecord(**version) for version in found["versions"]]
        return cls(**found)


def changes_since(revision: int | None) -> tuple[int, set[int] | None]:
    """The newest revision, and the agents that changed after `revision`; None = any may have."""
    newest = RegistryChange.newest()
    if revision is None:
        return newest, None
    changes = list(RegistryChange.objects.filter(revision__gt=revision).values_list("revision", "agent_id"))
    changed = {agent for _, agent in changes if agent is not None}
    # A gap means that the feed was pruned or set back: what happened in it is not known.
    if len(changes) != newest - revision or any(agent is None for _, agent in changes):
        return newest, None
    return newest, changed


def read_records(changed: set[int] | None) -> Iterator[list[tuple[int, str]]]:
    """The records of the agents that changed and are served (None = of all), in chunks. Needs a transaction."""
    with connection.chunked_cursor() as cursor:  # a server-side one: ten thousand agents never are in memory as text
        since = time.time() - TOKEN_SECONDS
        cursor.execute(RECORDS, {"changed": None if changed is None else list(changed), "since": since})
        while rows := cursor.fetchmany(CHUNK):
            yield rows


class Loader:
    """Loads tables; remembers the versions it has prepared, for those never change."""

    def __init__(self, engines: Engines | None = None) -> None:
        self.engines = engines or {}
        # By the agent's id and the version's; a text says why that cannot be served.
        self.prepared: dict[int, dict[int, Version | str]] = {}

    def next(self, table: RoutingTable | None, *, gently: bool = False) -> RoutingTable:
        """The table of the newest revision: `table` itself if that is it already.

        `None`: all is loaded and prepared anew. `gently`: this process answers calls meanwhile.
        """
        with one_view():
            revision, changed = changes_since(None if table is None else table.revision)
            if table is not None and revision == table.revision:
                return table
            return self.load(table or RoutingTable(), revision, changed, gently=gently)

    def load(
        self, table: RoutingTable, revision: int, changed: set[int] | None, *, gently: bool = False
    ) -> RoutingTable:
        """`table` with the changed agents as the database has them now; None = all agents."""
        return self.build(table, revision, changed, read_records(changed), gently=gently)

    def build(
        self,
        table: RoutingTable,
        revision: int,
        changed: set[int] | None,
        chunks: Iterable[list[tuple[int, str]]],
        *,
        gently: bool = False,
    ) -> RoutingTable:
        """`table` with the changed agents as these records say; None = nothing is kept of it."""
        build = Builder({} if changed is None else self.prepared, self.engines)
        entries = []
        for chunk in chunks:
            for _, text in chunk:
                entries += build.entries(AgentRecord.read(text))
                if gently:
                    time.sleep(GENTLE_SECONDS)
            if gently and len(chunk) == CHUNK:
                gc.freeze()  # what is made here stays: a collector that looks at all of it stops everybody for 50 ms
        if changed is None:
            table, self.prepared = RoutingTable(), build.prepared
        else:
            for agent in changed:
                self.prepared.pop(agent, None)
            self.prepared |= build.prepared
        return table.with_changes(revision, changed or set(), entries)


class Builder:
    """Makes entries of the table from records; reads the settings and the environment once."""

    def __init__(self, before: dict[int, dict[int, Version | str]], engines: Engines):
        self.before = before  # what is prepared already
        self.engines = engines
        self.prepared: dict[int, dict[int, Version | str]] = {}
        self.cipher = cipher()
        self.environment = environment()
        self.master_secret = str(settings.SIGNALWIRE_SWAIG_SECRET)
        self.since = time.time() - TOKEN_SECONDS

    def entries(self, record: AgentRecord) -> list[tuple[RouteEntry, list[str], bool]]:
        """An agent's routes, as `RoutingTable.with_changes` takes them."""
        agent = self.agent(record)
        entries = []
        for route in record.routes:
            step = Step("route", f"{route.path} belongs to {agent.name}", path=route.path)
            entry = RouteEntry(route.id, route.path, agent, step, prefix_of(route.path))
            # A snapshot of before may have telephone numbers with separators.
            entries.append((entry, list(map(sip_username, route.sip)), route.default))
        return entries

    def agent(self, record: AgentRecord) -> AgentEntry:
        """An agent with every version that a running call may be on."""
        key = TokenKey(self.master_secret, record.name)
        prepared = self.before.get(record.id, {})
        needed = [
            version
            for version in record.versions
            if version.id == record.live or (version.retired is not None and version.retired >= self.since)
        ]
        route = record.routes[0].path
        ready = {
            version.id: prepared.get(version.id) or self.prepare(version, record.name, route, key) for version in needed
        }
        self.prepared[record.id] = ready
        live = ready.get(record.live, NO_VERSION) if record.live else NO_VERSION
        serves = not isinstance(live, str)
        versions = {version.number: version for version in ready.values() if not isinstance(version, str)}
        credentials, signing_key = self.decrypted(record.credentials), self.decrypted(record.signing_key)
        user, _, password = credentials.partition(":")
        if not credentials:
            user, password = settings.SWML_BASIC_AUTH_USER, settings.SWML_BASIC_AUTH_PASSWORD
        upstream = self.decrypted(record.upstream)
        if UNREADABLE in (credentials, signing_key, upstream):
            logger.error("The secrets of agent %s are of another SECRET_KEY: nobody can ask it", record.name)
            password = ""
        paused = record.state == Agent.State.PAUSED
        return AgentEntry(
            id=record.id,
            name=record.name,
            credentials=Credentials.of(user, password) if password else None,
            signing_key=signing_key or settings.SIGNALWIRE_SIGNING_KEY,
            key=key_for(key, versions),
            live=None if isinstance(live, str) else live,
            versions=versions,
            paused=pause_document(record.pause_message) if paused else None,
            problem=live if isinstance(live, str) else "",
            live_step=Step("version", live if isinstance(live, str) else f"version {live.number} is live", serves),
            paused_until=math.inf if record.paused_until is None else record.paused_until,
            pause_over=Step("state", f"the pause of {record.name} is over") if paused else NOT_PAUSED,
            by_mark=kind_named(record.kind).by_mark,
            upstream=upstream,
            callbacks=NO_PATHS if isinstance(live, str) else live.paths,
        )

    def decrypted(self, secret: str) -> str:
        """A secret as it is compared; UNREADABLE if another secret key encrypted it."""
        try:
            return self.cipher.decrypt(secret.encode()).decode() if secret else ""
        except InvalidToken:
            return UNREADABLE

    def prepare(self, version: VersionRecord, name: str, route: str, key: TokenKey) -> Version | str:
        """A version ready to answer. A definition that somebody broke by SQL breaks no other agent."""
        try:
            value = orjson.loads(version.definition)
            kind = kind_of(value)
            making = Making(name, route, version.number, version.id, key)
            return kind.version(kind.read(value), making, self.engines, self.environment)
        except (InvalidDefinition, RecursionError, TypeError, ValueError) as error:
            logger.exception("Version %s cannot be served", version.id)
            return f"its definition cannot be served: {error}"


def key_for(own: TokenKey, versions: Mapping[int, Version]) -> Key:
    """Knows the tokens of all versions that running calls may be on: an agent that changes its kind has both sorts."""
    key: Key = own
    numbers: dict[str, list[int]] = {}
    for number, version in versions.items():
        numbers.setdefault(version.kind, []).append(number)
    for word, its in numbers.items():
        key = kind_named(word).key_for(key, own, its)
    return key
