"""`manage.py mcp`: the URL at which an MCP client finds an agent's functions, with a token for the secure ones."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from registry.actions import credentials
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Print an agent's MCP URL."""

    help = "Issue a token for an MCP client and print the agent's MCP URL with it; the audit notes that you did."

    def arguments(self, parser: CommandParser) -> None:
        """NAME [--days 90]"""
        parser.add_argument("name", help="the agent; its definition needs mcp: true, or its class enable_mcp_server()")
        parser.add_argument("--days", type=int, default=90, help="how long the token opens secure functions (90)")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Issue and print."""
        path, token = credentials.issue_mcp_token(options["name"], options["days"], by=self.actor)
        url = f"{settings.PUBLIC_URL or 'http://127.0.0.1:8000'}{path}?__token={token}"
        self.say(url)
        self.say(f"  for {options['days']} days; HTTP Basic with the agent's credentials is needed besides")
        return {"url": url, "token": token, "days": options["days"]}
