"""`manage.py restore`: bring an agent back from the trash, or an old version."""

from typing import Any

from django.core.management.base import CommandParser

from registry.actions import trash, versions
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Restore an agent or a version."""

    help = "Bring an agent back from the trash with its routes and SIP names; with --number: an old version."

    def arguments(self, parser: CommandParser) -> None:
        """NAME [--number N]"""
        parser.add_argument("name")
        parser.add_argument("--number", type=int, help="what this old version says becomes the newest, live one")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Restore."""
        name, number = options["name"], options["number"]
        if number is None:
            change = trash.restore_agent(name, by=self.actor, wait=True)
            names = f", SIP names {', '.join(change.sip)}" if change.sip else ""
            return self.report(change, f"Restored {name} at {change.route}{names}.")
        change = versions.restore_version(name, number, by=self.actor, wait=True)
        same = "" if change.changed else " already: nothing changed"
        return self.report(change, f"Version {change.version} of {name}, which says what {number} said, is live{same}.")
