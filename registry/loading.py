"""From the database to the routing table: all of it, or the agents that changed."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from agents.definition import AgentDefinition
from agents.document import pause_document
from agents.errors import InvalidDefinition
from agents.fields import UNREADABLE
from agents.models import Agent, AgentVersion
from agents.stored import StoredVersion
from agents.tokens import TOKEN_SECONDS, TokenKey
from registry.models import RegistryChange, Route, SipMapping
from registry.table import AgentEntry, Credentials, RouteEntry, RoutingTable, Step

logger = logging.getLogger(__name__)
MAX_CHANGED = 1000  # agents; above, loading everything in one go is quicker


class Loader:
    """Loads tables; remembers the versions it has prepared, for those never change."""

    def __init__(self) -> None:
        self.prepared: dict[int, StoredVersion | str] = {}  # by the version's id; a text says why it cannot be served

    def next(self, table: RoutingTable | None) -> RoutingTable:
        """The table of the newest revision: `table` itself if that is it already."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                # One view of everything, so that revision and rows belong together.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            revision = RegistryChange.newest()
            if table is None:
                return self.load(RoutingTable(), revision, None)
            if revision == table.revision:
                return table
            changes = list(
                RegistryChange.objects.filter(revision__gt=table.revision).values_list("revision", "agent_id")
            )
            changed = {agent for _, agent in changes}
            # A gap means that the feed was pruned or set back: what happened in it is not known.
            if len(changes) != revision - table.revision or None in changed or len(changed) > MAX_CHANGED:
                return self.load(RoutingTable(), revision, None)
            return self.load(table, revision, {agent for agent in changed if agent is not None})

    def load(self, table: RoutingTable, revision: int, changed: set[int] | None) -> RoutingTable:
        """`table` with the changed agents as the database has them now; None = all agents."""
        routes = Route.objects.filter(enabled=True, agent__state__in=[Agent.State.SERVING, Agent.State.PAUSED])
        if changed is not None:
            routes = routes.filter(agent_id__in=changed)
        names: defaultdict[int, list[str]] = defaultdict(list)
        for username, route_id in SipMapping.objects.filter(route__in=routes).values_list("username", "route_id"):
            names[route_id].append(username)
        rows = list(routes.select_related("agent").order_by("id"))
        agents = self.agents({route.agent_id: route.agent for route in rows}.values(), everything=changed is None)
        entries = []
        for route in rows:
            agent = agents[route.agent_id]
            step = Step("route", f"{route.path} belongs to {agent.name}")
            entry = RouteEntry(route.pk, route.path, agent, step, "" if route.path == "/" else route.path)
            entries.append((entry, names[route.pk], route.default))
        return table.with_changes(revision, changed or set(), entries)

    def agents(self, agents: Iterable[Agent], *, everything: bool) -> dict[int, AgentEntry]:
        """Entries by the agent's id, with every version that a running call may be on.

        `everything`: these are all agents, so versions that none of them needs can be forgotten.
        """
        by_id = {agent.pk: agent for agent in agents}
        since = timezone.now() - timedelta(seconds=TOKEN_SECONDS)
        wanted = AgentVersion.objects.filter(agent_id__in=by_id).filter(
            Q(live_in__isnull=False) | Q(retired__gte=since)
        )
        known: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)  # agent → ids and numbers of its versions
        for pk, agent_id, number in wanted.values_list("pk", "agent_id", "number").distinct():
            known[agent_id].append((pk, number))
        missing = [pk for versions in known.values() for pk, _ in versions if pk not in self.prepared]
        keys = {agent.pk: TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), agent.name) for agent in by_id.values()}
        # As text: one that is not even JSON must not keep the others from being loaded.
        texts = AgentVersion.objects.filter(pk__in=missing).annotate(text=Cast("definition", TextField()))
        for pk, agent_id, number, text in texts.values_list("pk", "agent_id", "number", "text").iterator():
            self.prepared[pk] = self.prepare(pk, number, text, keys[agent_id])
        if everything:
            needed = {pk for versions in known.values() for pk, _ in versions}
            self.prepared = {pk: version for pk, version in self.prepared.items() if pk in needed}
        return {pk: self.entry(agent, keys[pk], known[pk]) for pk, agent in by_id.items()}

    def entry(self, agent: Agent, key: TokenKey, known: list[tuple[int, int]]) -> AgentEntry:
        """One agent's entry."""
        versions = {number: found for pk, number in known if isinstance(found := self.prepared[pk], StoredVersion)}
        live = self.prepared.get(agent.live_id, "it has no live version") if agent.live_id else "it has no live version"
        serves = isinstance(live, StoredVersion)
        user, _, password = agent.credentials.partition(":")
        if not agent.credentials:
            user, password = settings.SWML_BASIC_AUTH_USER, settings.SWML_BASIC_AUTH_PASSWORD
        if UNREADABLE in (agent.credentials, agent.signing_key):
            logger.error("The secrets of agent %s are of another SECRET_KEY: nobody can ask it", agent.name)
            password = ""
        return AgentEntry(
            id=agent.pk,
            name=agent.name,
            credentials=Credentials.of(user, password) if password else None,
            signing_key=agent.signing_key or settings.SIGNALWIRE_SIGNING_KEY,
            key=key,
            live=live if isinstance(live, StoredVersion) else None,
            versions=versions,
            paused=pause_document(agent.pause_message) if agent.state == Agent.State.PAUSED else None,
            problem="" if isinstance(live, StoredVersion) else live,
            live_step=Step(
                "version", f"version {live.number} is live" if isinstance(live, StoredVersion) else live, serves
            ),
        )

    def prepare(self, pk: int, number: int, text: str, key: TokenKey) -> StoredVersion | str:
        """A version ready to answer. A definition that somebody broke by SQL breaks no other agent."""
        try:
            return StoredVersion(number, AgentDefinition.read(orjson.loads(text)), key)
        except (InvalidDefinition, RecursionError, TypeError, ValueError) as error:
            logger.exception("Version %s cannot be served", pk)
            return f"its definition cannot be served: {error}"
