"""What is registered already, as far as an adoption must know it: agents by where they come from, names and routes."""

from collections.abc import Hashable

from yarl import URL

from agents.models import Agent
from agents.python.source import PythonSource
from agents.remote.source import RemoteSource
from agents.sources import Source
from registry.actions.inspection import parsed
from registry.adopting.entries import Entry, as_path
from registry.adopting.remarks import Advice, Remark
from registry.base.errors import RegistryError
from registry.models import Route
from registry.routing.addresses import normalise_route

Origins = frozenset[Hashable]  # where an agent comes from: all its endpoints, or its place in a script


def endpoint_of(url: str) -> Hashable:
    """A URL in a form in which two that mean the same are equal."""
    parts = URL(url)
    return parts.scheme, (parts.host or "").lower(), parts.port, parts.path.rstrip("/")


def origins_of(source: Source) -> Origins:
    """Where an agent comes from; a definition comes from nowhere."""
    if isinstance(source, RemoteSource):
        return frozenset(endpoint_of(url) for url in source.endpoints)
    if isinstance(source, PythonSource) and source.script:
        return frozenset({(source.script, as_path(source.route or "/"))})
    return frozenset()


class Present:
    """What is registered; claims of the entries are added as they are made."""

    def __init__(self, kind: str):
        agents = Agent.objects.filter(kind=kind, live__isnull=False).select_related("live")
        self.sources = {agent.name: parsed(agent.live.definition) for agent in agents if agent.live}
        self.origins = {name: origins_of(source) for name, source in self.sources.items()}
        trashed = set(Agent.objects.filter(state=Agent.State.TRASHED).values_list("name", flat=True))
        self.names: dict[str, str] = dict.fromkeys(Agent.objects.values_list("name", flat=True), "is taken")
        self.names |= dict.fromkeys(trashed, "is that of another agent in the trash")
        self.trashed = trashed
        self.routes: dict[str, str] = dict(Route.objects.values_list("path", "agent__name"))

    def agent_from(self, origins: Origins) -> str:
        """The registered agent that comes from one of these places, "" if none does."""
        names = (name for name, its in self.origins.items() if its & origins and name not in self.trashed)
        return next(names, "")

    def free_name(self, wanted: str, origins: Origins) -> bool:
        """Whether a new agent may have this name: nobody has it, or it comes back from the trash as what it was."""
        return wanted not in self.names or (
            wanted in self.trashed and bool(self.origins.get(wanted, frozenset()) & origins)
        )

    def reach_of(self, agent: str) -> list[str]:
        """The routes of a registered agent."""
        return [path for path, name in self.routes.items() if name == agent]

    def there(self, entry: Entry, owner: str) -> str:
        """Note who serves an entry already; in words where that is."""
        routes = self.reach_of(owner)
        entry.agent, entry.route = owner, routes[0] if routes else entry.route
        return f"registered already as {owner} at {', '.join(routes)}"

    def place(self, entry: Entry, prefix: str) -> None:
        """Give an entry its route here, or refuse it."""
        path = prefix.rstrip("/") + entry.original if entry.original != "/" else prefix or "/"
        try:
            entry.route = normalise_route(path)
        except RegistryError as error:
            entry.refuse(error)

    def claim(self, entry: Entry, origins: Origins, *names: str) -> None:
        """Give an entry the first of these names that is free, and its route; or refuse it."""
        name = next((name for name in names if name and self.free_name(name, origins)), "")
        if not name:
            entry.agent = names[0]
            entry.refuse(Remark(f"the name {names[0]!r} {self.names[names[0]]}", Advice.PREFIX_NAMES))
        elif entry.route in self.routes:
            entry.agent = name
            owner = self.routes[entry.route]
            remark = Remark(f"route {entry.route} is taken by agent {owner}", Advice.PREFIX_ROUTES)
            entry.refuse(remark + move if (move := or_move(entry, owner)) else remark)
        else:
            entry.agent = name
            self.names[name] = "is taken by another one of these agents"
            self.trashed.discard(name)
            self.routes[entry.route] = name


def or_move(entry: Entry, owner: str) -> str:
    """How an agent that has the route already, of a server for instance, becomes the script's; "" if there is none."""
    script = entry.source.get("python", {})
    if not script.get("script"):
        return ""
    return f", or make {owner} this one: register {owner} --update --script {script['script']} --at {script['route']}"
