"""The public URLs of agents, as the sender of a request knows them."""

from registry.routing.public_url import Sender
from registry.routing.table import RouteEntry, RoutingTable


def agent_url(sender: Sender, route: RouteEntry) -> str:
    """The URL of a route with its agent's credentials; no slash at its end."""
    credentials = route.agent.credentials
    return f"{sender.scheme}{credentials.userinfo if credentials else ''}{sender.host}{route.prefix}"


class AgentUrls:
    """Made when they are asked for: most functions of a call need none."""

    __slots__ = ("route", "sender", "table")

    def __init__(self, sender: Sender, table: RoutingTable, route: RouteEntry):
        self.sender = sender
        self.table = table
        self.route = route

    @property
    def own(self) -> bytes:
        """The URL of the agent that is asked, with its credentials."""
        return agent_url(self.sender, self.route).encode()

    @property
    def base(self) -> bytes:
        """The server's, without credentials."""
        return self.sender.base.encode()

    def of(self, name: str) -> str | None:
        """Another agent's by name; None if it has no route."""
        route = self.table.agents.get(name)
        return agent_url(self.sender, route) if route else None

    def at(self, path: str) -> str | None:
        """The same of whoever is at a route."""
        route = self.table.routes.get(path)
        return agent_url(self.sender, route) if route else None
