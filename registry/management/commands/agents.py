"""`manage.py agents`: what is registered."""

from typing import Any

from django.core.management.base import CommandParser

from agents.models import Agent
from registry.base.text import safe
from registry.management.command import RegistryCommand
from registry.reports.agent_health import AgentTrouble, troubles
from registry.reports.describe import describe_trouble


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
        in_trouble = troubles()
        rows: list[dict[str, Any]] = [
            {
                "name": agent.name,
                "state": agent.current_state,
                "paused_until": None if agent.pause_is_over else agent.paused_until,
                "kind": agent.kind,
                "routes": [route.path for route in agent.routes.all()],
                "sip": [mapping.username for route in agent.routes.all() for mapping in route.sip_mappings.all()],
                "version": agent.live.number if agent.live else None,
                "trouble": describe_trouble(in_trouble.get(agent.name)),
            }
            for agent in agents
        ]
        if not rows:
            self.say("No agent is registered: python3 manage.py register NAME --route /path --file agent.yaml")
        table = [["NAME", "KIND", "STATE", "VERSION", "ROUTES", "SIP NAMES"]]
        table += [
            [
                row["name"],
                row["kind"],
                state_of(row),
                str(row["version"]),
                " ".join(row["routes"]),
                " ".join(row["sip"]),
            ]
            for row in rows
        ]
        if rows:
            self.table(table)
        if hidden:
            self.say(f"{hidden} more in the trash: agents --trash")
        for row in rows:
            if row["trouble"]:
                self.say(f"{row['name']} {trouble_line(in_trouble[row['name']])}")
        return rows


def state_of(row: dict[str, Any]) -> str:
    """An agent's state for people."""
    until, trouble = row["paused_until"], row["trouble"]
    words = f"{row['state']} until {until:%Y-%m-%d %H:%M} UTC" if until else str(row["state"])
    return f"{words}, {trouble['state']}" if trouble else words


def trouble_line(trouble: AgentTrouble) -> str:
    """An agent's trouble for people."""
    where = f"on {trouble.workers} of {trouble.of} workers"
    return f"is {trouble.state} {where} since {trouble.since:%Y-%m-%d %H:%M} UTC: {safe(trouble.detail)}"
