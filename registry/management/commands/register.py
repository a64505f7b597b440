"""`manage.py register`: register an agent, or give a registered one a new version."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from registry import actions
from registry.errors import Malformed
from registry.files import read_yaml
from registry.management.command import RegistryCommand

LATER = {
    "python": "Python agents come with step 6 of Switchboard",
    "remote": "remote agents come with step 6 of Switchboard",
}


class Command(RegistryCommand):
    """Register an agent."""

    help = "Register an agent: its definition goes live, its route and SIP names answer in every replica."

    def arguments(self, parser: CommandParser) -> None:
        """NAME --route /sales --file agent.yaml …"""
        parser.add_argument("name", help="lower-case letters, digits, - and _")
        parser.add_argument("--route", required=True, help="URL path, such as /sales")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--file", type=Path, help="the definition, in YAML or JSON")
        source.add_argument("--python", metavar="MODULE:CLASS", help="an AgentBase subclass (comes with step 6)")
        source.add_argument("--remote", metavar="URL", help="a running SWML server (comes with step 6)")
        parser.add_argument("--user", help="of the remote server")
        parser.add_argument("--password", help="of the remote server")
        parser.add_argument("--sip", nargs="+", default=[], metavar="NAME", help="SIP names that lead here")
        parser.add_argument("--no-auto-sip", action="store_true", help="no SIP names from the agent's name and route")
        parser.add_argument(
            "--basic-auth", metavar="USER:PASSWORD", help="the agent's own credentials; env:NAME reads them"
        )
        parser.add_argument("--signing-key", metavar="env:NAME", help="the platform's signing key; env:NAME reads it")
        parser.add_argument(
            "--update", action="store_true", help="it is registered there: publish this as its new version"
        )
        parser.add_argument("--note", default="", help="why; kept with the version")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Register, or publish."""
        for word, message in LATER.items():
            if options[word]:
                raise Malformed(f"--{word} is not there yet: {message}. Use --file with a stored definition.")
        definition = read_yaml(options["file"])
        name, route = options["name"], options["route"]
        if options["update"]:
            change = actions.publish(name, definition, route=route, by=self.actor, note=options["note"], wait=True)
            return self.report(change, f"Version {change.version} of {name} is live.")
        change = actions.register(
            name,
            route,
            definition,
            by=self.actor,
            sip=options["sip"],
            auto_sip=not options["no_auto_sip"],
            credentials=basic_auth(options["basic_auth"]),
            signing_key=from_environment(options["signing_key"]) if options["signing_key"] else "",
            note=options["note"],
            wait=True,
        )
        names = f", SIP names {', '.join(change.sip)}" if change.sip else ", no SIP names"
        return self.report(change, f"Registered {name} at {change.route}{names}.")


def basic_auth(text: str | None) -> tuple[str, str] | None:
    """USER:PASSWORD, or env:NAME for a variable that holds it."""
    if not text:
        return None
    user, colon, password = from_environment(text).partition(":")
    if not colon:
        raise Malformed("--basic-auth needs USER:PASSWORD")
    return user, password


def from_environment(text: str) -> str:
    """The value of a variable if the text is env:NAME, else the text."""
    if not text.startswith("env:"):
        return text
    value = os.environ.get(text[4:], "")
    if not value:
        raise Malformed(f"the environment has no variable {text[4:]}")
    return value
