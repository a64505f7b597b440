"""`manage.py adopt`: register all agents of a running AgentServer, or of a script for it."""

from typing import Any

from django.core.management.base import CommandParser

from registry.adopting import Entry, Report, Wishes, adopt_script, adopt_server
from registry.adopting.entries import REFUSED as ENTRY_REFUSED
from registry.adopting.entries import REGISTER, REGISTERED, SKIPPED, UPDATE, UPDATED
from registry.base.errors import Malformed
from registry.base.text import safe
from registry.heartbeats import in_short
from registry.management.command import REFUSED, USAGE, RegistryCommand
from registry.management.sources import from_environment

WORDS = {REGISTER: "would be", UPDATE: "would get a new version:", REGISTERED: "is", UPDATED: "has a new version:"}
MANY = 8  # functions that are named
OF_FLEET = "New agents use the fleet's credentials of this command's environment; the server needs the same "
OF_FLEET += "SWML_BASIC_AUTH_PASSWORD."


class Command(RegistryCommand):
    """Adopt."""

    help = "Register all agents of a running AgentServer (by URL), or of a script for it, unchanged."

    def arguments(self, parser: CommandParser) -> None:
        """URL… | SCRIPT.py [--user --password] [--only /sales …] [--dry-run] …"""
        parser.add_argument(
            "origin", nargs="+", help="http://host:3000, several URLs of equal instances, or the path of a script"
        )
        parser.add_argument("--user", help="of the server")
        parser.add_argument("--password", help="of the server; env:NAME reads it from a variable")
        parser.add_argument("--only", action="append", default=[], metavar="ROUTE", help="only this route of it; again")
        parser.add_argument("--name-prefix", default="", metavar="TEXT", help="before the agents' names here: old")
        parser.add_argument("--route-prefix", default="", metavar="PATH", help="before their routes here: /old")
        parser.add_argument("--no-auto-sip", action="store_true", help="no SIP names from agents' names and routes")
        parser.add_argument(
            "--update", action="store_true", help="agents that were adopted before get what has changed since"
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would be done only")
        parser.add_argument("--note", default="", help="why; kept with the versions")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Adopt, and report."""
        origin = options["origin"]
        by_url = [is_url(text) for text in origin]
        wishes = Wishes(
            only=tuple(options["only"]),
            name_prefix=options["name_prefix"],
            route_prefix=options["route_prefix"],
            auto_sip=not options["no_auto_sip"],
            update=options["update"],
            dry_run=options["dry_run"],
            upstream=self.upstream(options),
            note=options["note"],
        )
        if all(by_url):
            report = adopt_server(origin, wishes, by=self.actor, wait=True)
        elif any(by_url) or len(origin) > 1:
            self.fail("name one script, or one server by the URLs of its instances", USAGE)
        elif wishes.upstream:
            self.fail("--user and --password are for a server's URL; a script's agents have what its code says", USAGE)
        else:
            with self.patience("Still running the script and building its agents, one after the other."):
                report = adopt_script(origin[0], wishes, by=self.actor, wait=True)
        return self.shown(report)

    def upstream(self, options: dict[str, Any]) -> tuple[str, str] | None:
        """The server's user and password."""
        user, password = options["user"], options["password"]
        if bool(user) != bool(password):
            self.fail("--user and --password go together", USAGE)
        return (from_environment(user), from_environment(password)) if user else None

    def shown(self, report: Report) -> dict[str, Any]:
        """Say what was found and done; return it for --json."""
        count = len(report.entries)
        self.say(f"{report.origin} has {count} agent{'' if count == 1 else 's'}.")
        for entry in report.entries:
            self.say(f"  {line_of(entry)}")
            self.details(entry)
        if any(entry.change and entry.change.of_fleet for entry in report.entries):
            report.notes.append(OF_FLEET)
        for words, lines in (("Not served here", report.not_served), ("Note", report.notes)):
            for line in lines if any(entry.state != ENTRY_REFUSED for entry in report.entries) else ():
                self.say(f"{words}: {safe(line)}")
        totals = [f"{state} {number}" for state, number in report.totals.items() if number]
        self.say(f"{', '.join(totals or ['nothing to adopt']).capitalize()}.")
        self.say_how_far(report.everywhere)
        if report.totals[ENTRY_REFUSED]:
            self.exit_code = REFUSED
        return report.as_json() | in_short(report.everywhere)

    def details(self, entry: Entry) -> None:
        """What else is to be said of an agent that is not left alone."""
        if entry.state in (SKIPPED, ENTRY_REFUSED):
            return
        change = entry.change
        for line in change.skipped_lines if change else ():
            self.say(f"    {safe(line)}")
        for line in entry.found.not_served:
            self.say(f"    Not served here: {safe(line)}")
        for warning in entry.warnings:
            self.say(f"    Warning: {safe(warning)}")
        if change and change.of_code:
            self.say(f"    Used: the {' and the '.join(change.of_code)} in its code")
        if change and change.credentials:
            self.say("    Credentials, shown this once: user {} password {}".format(*change.credentials))


def line_of(entry: Entry) -> str:
    """What became of an agent, or would."""
    original = safe(entry.original)
    if entry.state in (SKIPPED, ENTRY_REFUSED):
        return f"{original} {entry.state}: {safe(entry.reason)}"
    functions = sorted(entry.found.functions)
    named = f" ({', '.join(map(safe, functions[:MANY]))}{', …' if len(functions) > MANY else ''})" if functions else ""
    parts = [f"{len(functions)} function{'' if len(functions) == 1 else 's'}{named}"]
    names = entry.change.sip if entry.change else entry.sip
    if names:
        parts.append(f"SIP names {', '.join(map(safe, names))}")
    return f"{original} {WORDS[entry.state]} {entry.agent} at {entry.route}: {'; '.join(parts)}"


def is_url(text: str) -> bool:
    """Whether a server is meant; `Malformed` for a URL that lacks its beginning."""
    if text.lower().startswith(("http://", "https://")):
        return True
    host, colon, port = text.partition("/")[0].rpartition(":")
    if colon and host and port.isdigit():
        raise Malformed(f"{text}: write http:// or https:// before the server's address")
    return False
