"""`manage.py credentials`: the user and password with which the platform asks an agent."""

from typing import Any

from django.core.management.base import CommandParser

from registry.actions import credentials
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Reveal an agent's credentials."""

    help = "Print an agent's credentials as user:password. Who looked is kept in the audit."

    def arguments(self, parser: CommandParser) -> None:
        """NAME"""
        parser.add_argument("name")

    def run(self, options: dict[str, Any]) -> dict[str, str]:
        """Reveal."""
        user, password = credentials.reveal_credentials(options["name"], by=self.actor)
        self.say(f"{user}:{password}")
        return {"user": user, "password": password}
