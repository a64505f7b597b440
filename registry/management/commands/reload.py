"""`manage.py reload`: look at a Python agent's code, or a remote agent's server, again."""

from typing import Any

from django.core.management.base import CommandParser

from agents.kinds import kind_of_source
from registry.actions import agents
from registry.management.command import NOT_EVERYWHERE, RegistryCommand
from registry.management.sources import (
    found_lines,
    live_source,
    source_json,
    trouble_lines,
    what_takes_so_long,
)


class Command(RegistryCommand):
    """Reload an agent."""

    help = (
        "Look at a Python agent's code, or a remote agent's server, again. What changed becomes a new version: new "
        "calls get it, running calls keep theirs."
    )

    def arguments(self, parser: CommandParser) -> None:
        """NAME [--force]"""
        parser.add_argument("name", help="the agent, a Python or remote one")
        parser.add_argument(
            "--force", action="store_true", help="also if its code is the same: its data or a package has changed"
        )

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Reload."""
        name = options["name"]
        source = live_source(name)
        with self.patience(what_takes_so_long(source.given() if source else None)):
            change = agents.reload(name, by=self.actor, force=options["force"], wait=True)
        source = live_source(name)
        assert source is not None
        if not change.changed:
            kind = kind_of_source(source)
            same = f"{kind.same}: nothing changed; --force {kind.anew} all the same"
            return self.report(change, f"{name}: {same}.") | source_json(source)
        reported = self.report(change, f"Version {change.version} of {name} is live.")
        if lines := trouble_lines(name, source):
            self.exit_code = NOT_EVERYWHERE
            for line in lines:
                self.say(f"  {line}")
        for line in found_lines(source):
            self.say(f"  {line}")
        return reported | source_json(source)
