"""`manage.py unregister`: remove a route and its SIP names."""

from typing import Any

from django.core.management.base import CommandParser

from registry.actions import routes
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Unregister a route."""

    help = "Remove a route and its SIP names: 404 in every replica. An agent without a route goes to the trash."

    def arguments(self, parser: CommandParser) -> None:
        """/sales"""
        parser.add_argument("route", help="URL path, such as /sales")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Unregister."""
        change = routes.unregister(options["route"], by=self.actor, wait=True)
        names = f"; nobody has the SIP names {', '.join(change.sip)} any more" if change.sip else ""
        return self.report(change, f"Unregistered {change.agent} from {change.route}{names}.")
