"""`manage.py apply`: make the registry what a document says, after a look at the plan."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from registry.base.errors import Malformed
from registry.base.text import safe
from registry.base.yaml_in import read_text
from registry.fleet import Document, Plan, Result, apply_plan, make_plan, read_document
from registry.fleet.document import MAX_BYTES
from registry.fleet.lines import plan_lines
from registry.fleet.plan import ADD
from registry.management.command import CHANGES, REFUSED, USAGE, RegistryCommand

STANDARD = "-"
EVERY = 50  # agents between two lines of progress
NOTHING = "Nothing to change."


class Command(RegistryCommand):
    """Apply a fleet document."""

    help = "Make the registry what a document says: shows the plan, asks, and carries it out as one change."

    def arguments(self, parser: CommandParser) -> None:
        """FILE [--remove] [--yes | --dry-run] [--note …]"""
        parser.add_argument("file", help="the document, in YAML or JSON; - = standard input")
        parser.add_argument("--remove", action="store_true", help="agents that are not in it go to the trash")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--dry-run", action="store_true", help=f"show the plan only; exit code {CHANGES} if it changes anything"
        )
        parser.add_argument("--note", default="applied", help="why; kept with the versions that come about")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Plan, ask, apply."""
        if options["yes"] and options["dry_run"]:
            self.fail("--yes and --dry-run: choose one", USAGE)
        document = read(options["file"])
        plan = make_plan(document, by=self.actor, remove=options["remove"], progress=self.progress)
        if plan.all_problems:
            lines = [f"  {safe(path)}: {safe(problem)}" for path, problem in plan.all_problems.items()]
            self.fail("\n".join(["the document cannot be applied:", *lines]), REFUSED, problems=plan.all_problems)
        for line in plan_lines(plan) if plan.changes else ():
            self.say(line)
        if not plan.changes:
            self.say(NOTHING)
            for warning in plan.warnings:
                self.say(f"  Warning: {safe(warning)}")
        if options["dry_run"] or not plan.changes:
            self.exit_code = CHANGES if plan.changes else 0
            return {"changed": False, "plan": plan.as_json()}
        if not options["yes"] and not self.confirmed(options["file"]):
            self.say("Nothing was changed.")
            self.exit_code = REFUSED
            return {"changed": False, "plan": plan.as_json()}
        result = apply_plan(
            document,
            by=self.actor,
            remove=options["remove"],
            expected_digest=plan.digest,
            note=options["note"],
            wait=True,
            progress=self.progress,
        )
        return self.shown(document, plan, result)

    def confirmed(self, file: str) -> bool:
        """Ask on a terminal; without one somebody must have said --yes."""
        if self.quiet or file == STANDARD or not sys.stdin.isatty():
            self.fail("there is nobody to ask: --yes applies it, --dry-run shows the plan", REFUSED)
        return input("Apply? [y/N] ").strip().lower() in ("y", "yes")

    def shown(self, document: Document, plan: Plan, result: Result) -> dict[str, Any]:
        """Say what was done; return it for --json."""
        totals = plan.totals
        self.say(f"Applied: {totals[ADD]} added, {totals['change']} changed, {totals['remove']} removed.")
        for agent, (user, password) in result.credentials.items():
            self.say(f"  Credentials of {agent}, shown this once: user {user} password {password}")
        new = [step.agent for step in plan.steps if step.action == ADD]
        if settings.SWML_BASIC_AUTH_PASSWORD and any(not document.agents[name].credentials for name in new):
            self.say(
                "  Warning: new agents use the fleet's credentials of this command's environment; the server needs the "
                "same SWML_BASIC_AUTH_PASSWORD"
            )
        self.say_how_far(result.everywhere, "  ")
        return result.as_json()

    def progress(self, what: str, done: int, total: int) -> None:
        """One line that is written over, on a terminal."""
        if sys.stderr.isatty() and total > EVERY and (done % EVERY == 0 or done == total):
            end = "\r\033[K" if done == total else ""
            sys.stderr.write(f"\r{what} {done:,} of {total:,}{end}")
            sys.stderr.flush()


def read(file: str) -> Document:
    """The document in a file or on standard input."""
    if file != STANDARD:
        return read_document(read_text(Path(file), MAX_BYTES), file)
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if not data.strip():
        raise Malformed("there is nothing on standard input")
    return read_document(data, "standard input")
