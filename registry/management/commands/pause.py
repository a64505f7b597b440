"""`manage.py pause`: new calls hear a message and are hung up."""

from typing import Any

from django.core.management.base import CommandParser

from registry.actions import pauses
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """Pause an agent."""

    help = "New calls to the agent hear a message and are hung up; running calls go on."

    def arguments(self, parser: CommandParser) -> None:
        """NAME --message … --minutes …"""
        parser.add_argument("name")
        parser.add_argument("--message", default="", help=f"what callers hear (default: {pauses.PAUSE_MESSAGE})")
        parser.add_argument(
            "--minutes",
            type=float,
            help="callers reach it again so many minutes from now (default: when you resume it)",
        )

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Pause."""
        minutes = options["minutes"]
        until = None if minutes is None else pauses.end_of_pause(minutes)
        change = pauses.pause(options["name"], options["message"], until=until, by=self.actor, wait=True)
        end = f" until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
        told = self.report(
            change, f"Paused {change.agent}{end}: new calls hear “{change.message}”, running calls go on."
        )
        return told | {"state": change.state, "message": change.message, "paused_until": until}
