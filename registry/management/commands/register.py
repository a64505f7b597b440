"""`manage.py register`: register an agent, or give a registered one a new version."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from registry.actions import agents, credentials, instead, lookups
from registry.actions.credentials import COLUMNS
from registry.actions.transaction import Change
from registry.base.errors import Malformed
from registry.management.command import NOT_EVERYWHERE, USAGE, RegistryCommand
from registry.management.sources import (
    NONE,
    add_arguments,
    former_arguments,
    found_lines,
    from_environment,
    live_source,
    misuse,
    source_json,
    source_of,
    trouble_lines,
    upstream_of,
    what_takes_so_long,
)


class Command(RegistryCommand):
    """Register an agent."""

    help = (
        "Register an agent: its definition, Python class or remote server goes live, its route and SIP names answer in "
        "every replica."
    )

    def arguments(self, parser: CommandParser) -> None:
        """NAME --route /sales (--file agent.yaml | --python module:Class | --script PATH --at /x | --remote URL) …"""
        parser.add_argument("name", help="lower-case letters, digits, - and _")
        parser.add_argument("--route", help="URL path, such as /sales; with --update: needed if it has several")
        add_arguments(parser)
        parser.add_argument("--sip", nargs="+", default=[], metavar="NAME", help="SIP names that lead here")
        parser.add_argument("--no-auto-sip", action="store_true", help="no SIP names from the agent's name and route")
        parser.add_argument(
            "--basic-auth",
            metavar="USER:PASSWORD",
            help="the agent's own credentials; env:NAME reads them; none = the fleet's",
        )
        parser.add_argument(
            "--signing-key", metavar="env:NAME", help="the platform's signing key, from a variable; none = the fleet's"
        )
        parser.add_argument(
            "--update",
            action="store_true",
            help="it is registered: publish this as its new version, add the SIP names, replace the secrets given",
        )
        parser.add_argument("--note", default="", help="why; kept with the version")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Register, or publish."""
        name, route, update = options["name"], options["route"], options["update"]
        if update and options["no_auto_sip"]:
            self.fail("--no-auto-sip is for a new agent: with --update no SIP name is made from its name", USAGE)
        if not update and not route:
            self.fail("--route is missing: the URL path at which the agent answers, such as /sales", USAGE)
        if problem := misuse(options):
            self.fail(problem, USAGE)
        definition = source_of(options)
        if update and (arguments := former_arguments(name, options)):
            definition["python"]["arguments"] = arguments
        given: dict[str, Any] = {
            "by": self.actor,
            "sip": options["sip"],
            "credentials": basic_auth(options["basic_auth"]),
            "signing_key": signing_key(options["signing_key"]),
            "note": options["note"],
            "upstream": upstream_of(options),
            "wait": True,
        }
        with self.patience(what_takes_so_long(definition)):
            if update:
                change = agents.publish(name, definition, route=route or lookups.only_route(name).path, **given)
            else:
                change = agents.register(name, route, definition, auto_sip=not options["no_auto_sip"], **given)
        if update:
            return self.shown(change, updated(change))
        names = f", SIP names {', '.join(change.sip)}" if change.sip else ", no SIP names"
        return self.shown(change, f"Registered {name} at {change.route}{names}.")

    def shown(self, change: Change, sentence: str) -> dict[str, Any]:
        """Say what was done, and what was found."""
        reported = self.report(self.warned(change), sentence)
        source = live_source(change.agent)
        for line in found_lines(source) if source else ():
            self.say(f"  {line}")
        if lines := trouble_lines(change.agent, source):
            self.exit_code = NOT_EVERYWHERE
            for line in lines:
                self.say(f"  {line}")
        if change.of_code:
            self.say(f"  Used: the {' and the '.join(change.of_code)} in its code")
        return reported | source_json(source) | ({"of_code": change.of_code} if source else {})

    def warned(self, change: Change) -> Change:
        """The same, with a warning where this process's environment has decided what the server's must repeat."""
        if change.of_fleet and settings.SWML_BASIC_AUTH_PASSWORD:
            change.warnings.append(
                f"{change.agent} uses the fleet's credentials of this command's environment; the server needs the same "
                "SWML_BASIC_AUTH_PASSWORD"
            )
        return change


def updated(change: Change) -> str:
    """What an update did, in words."""
    if not change.changed:
        return f"Version {change.version} of {change.agent} is live already: nothing changed."
    words = [f"Version {change.version} of {change.agent} is live{'' if 'version' in change.renewed else ' already'}."]
    if change.sip:
        words.append(f"SIP names {', '.join(change.sip)} lead to {change.route}.")
    secrets = [word for word in change.renewed if word in COLUMNS.values()]
    if secrets:
        words.append(f"Replaced: {', '.join(secrets)}.")
    return " ".join(words)


def basic_auth(text: str | None) -> credentials.Credentials:
    """USER:PASSWORD, env:NAME for a variable that holds it, or none."""
    if not text:
        return None
    if text == NONE:
        return instead.FLEET
    user, colon, password = from_environment(text).partition(":")
    if not colon:
        raise Malformed("--basic-auth needs USER:PASSWORD, env:NAME or none")
    return user, password


def signing_key(text: str | None) -> credentials.SigningKey:
    """The value of env:NAME, or none. A key itself is not taken: it would be in the shell's history."""
    if not text:
        return ""
    if text == NONE:
        return instead.FLEET
    if not text.startswith("env:"):
        raise Malformed("--signing-key needs env:NAME, with the key in the variable NAME, or none")
    return from_environment(text)
