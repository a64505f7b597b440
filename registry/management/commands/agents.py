"""`manage.py agents`: what is registered."""

from typing import Any

from django.core.management.base import CommandParser

from agents.models import Agent
from registry.management.command import RegistryCommand


class Command(RegistryCommand):
    """List the agents."""

    help = "List the agents with their state, routes, SIP names and live version."

    def arguments(self, parser: CommandParser) -> None:
        """[--trash]"""
        parser.add_argument("--trash", action="store_true", help="also those that have no route any more")

    def run(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """List."""
        agents = Agent.objects.select_related("live").prefetch_related("routes__sip_mappings")
        hidden = 0
        if not options["trash"]:
            hidden = Agent.objects.filter(state=Agent.State.TRASHED).count()
            agents = agents.exclude(state=Agent.State.TRASHED)
        rows: list[dict[str, Any]] = [
            {
                "name": agent.name,
                "state": agent.current_state,
                "paused_until": None if agent.pause_is_over else agent.paused_until,
                "kind": agent.kind,
                "routes": [route.path for route in agent.routes.all()],
                "sip": [mapping.username for route in agent.routes.all() for mapping in route.sip_mappings.all()],
                "version": agent.live.number if agent.live else None,
            }
            for agent in agents
        ]
        if not rows:
            self.say("No agent is registered: python3 manage.py register NAME --route /path --file agent.yaml")
        table = [["NAME", "STATE", "VERSION", "ROUTES", "SIP NAMES"]]
        table += [
            [row["name"], state_of(row), str(row["version"]), " ".join(row["routes"]), " ".join(row["sip"])]
            for row in rows
        ]
        if rows:
            self.table(table)
        if hidden:
            self.say(f"{hidden} more in the trash: agents --trash")
        return rows


def state_of(row: dict[str, Any]) -> str:
    """An agent's state for people."""
    until = row["paused_until"]
    return f"{row['state']} until {until:%Y-%m-%d %H:%M} UTC" if until else str(row["state"])
