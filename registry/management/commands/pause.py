"""`manage.py pause`: new calls hear a message and are hung up."""

from typing import Any

from django.core.management.base import CommandParser

from registry import actions
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Pause an agent."""

    help = "New calls to the agent hear a message and are hung up; running calls go on."

    def arguments(self, parser: CommandParser) -> None:
        """NAME --message …"""
        parser.add_argument("name")
        parser.add_argument("--message", default="", help=f"what callers hear (default: {actions.PAUSE_MESSAGE})")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Pause."""
        change = actions.pause(options["name"], options["message"], by=self.actor, wait=True)
        told = self.report(change, f"Paused {change.agent}: new calls hear “{change.message}”, running calls go on.")
        return told | {"state": change.state, "message": change.message}
