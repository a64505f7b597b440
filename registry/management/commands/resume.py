"""`manage.py resume`: answer new calls again."""

from typing import Any

from django.core.management.base import CommandParser

from registry.actions import pauses
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Resume an agent."""

    help = "Let a paused agent answer new calls again."

    def arguments(self, parser: CommandParser) -> None:
        """NAME"""
        parser.add_argument("name")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Resume."""
        change = pauses.resume(options["name"], by=self.actor, wait=True)
        told = self.report(change, f"Resumed {change.agent}.")
        return told | {"state": change.state, "message": change.message}
