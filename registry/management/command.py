"""What the registry's commands have in common: --json, errors in one line with an exit code, the actor."""

import getpass
import json
import os
import threading
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, ProgrammingError

from registry.actions.transaction import Actor, Change
from registry.base.errors import RegistryError
from registry.heartbeats import Everywhere, in_short

# Exit codes: 0 done, 1 refused, 2 wrong usage (argparse's own), 3 the database is away, 4 done, but not everywhere yet,
# 5 `apply --dry-run` found something to change.
REFUSED, USAGE, AWAY, NOT_EVERYWHERE, CHANGES = 1, 2, 3, 4, 5
PATIENCE_SECONDS = 3  # without a word


class RegistryCommand(BaseCommand):
    """A command over `registry.actions`. Subclasses have `run(options)`, which returns what --json prints."""

    requires_system_checks = []  # a command at 3 a.m. must start quickly
    exit_code = 0  # for a result that is an answer and no success

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --json, and what the subclass takes."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        self.arguments(parser)

    def arguments(self, parser: CommandParser) -> None:
        """For subclasses: the command's own arguments."""

    def run(self, options: dict[str, Any]) -> Any:
        """For subclasses: do it, print unless --json, return what --json prints."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run; refusals become one helpful text and an exit code."""
        self.quiet = options["json"]
        self.exit_code = 0
        try:
            result = self.run(options)
        except RegistryError as error:
            self.fail(str(error), REFUSED, problems=error.problems)
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":  # a terminal that cannot show what was done
                raise
            self.fail("an argument is no UTF-8", REFUSED)  # of what the shell passes on nothing can be asked
        except ProgrammingError:
            self.fail("this database has no tables yet: start `serve` once, or run `migrate`", REFUSED)
        except Error as error:
            self.fail(f"the database is away: {str(error).strip() or error!r}", AWAY)
        if self.quiet:
            self.stdout.write(json.dumps(result, indent=2, default=str))
        if isinstance(result, dict) and result.get("everywhere") is False:
            raise SystemExit(NOT_EVERYWHERE)
        if self.exit_code:
            raise SystemExit(self.exit_code)

    def fail(self, message: str, code: int, problems: dict[str, str] | None = None) -> None:
        """End with a message; with --json as JSON on standard output."""
        if self.quiet:
            self.stdout.write(json.dumps({"error": message, "problems": problems or {}}, indent=2))
            raise SystemExit(code)
        raise CommandError(message, returncode=code)

    def say(self, text: str) -> None:
        """Print a line for people."""
        if not self.quiet:
            self.stdout.write(text)

    @contextmanager
    def patience(self, words: str) -> Iterator[None]:
        """Say what takes so long, if it does; on standard error, for it is no result."""
        timer = threading.Timer(PATIENCE_SECONDS, self.stderr.write, [words, str])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def table(self, rows: list[list[str]]) -> None:
        """Print rows in columns; the first row is the heading."""
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @property
    def actor(self) -> Actor:
        """Whoever runs the command."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            name = f"uid {os.getuid()}"
        return Actor(name, "command", may_run_code=True)  # whoever has a shell here can anyway

    def report(self, change: Change, sentence: str) -> dict[str, Any]:
        """Say what an action did; return it for --json."""
        self.say(sentence)
        for line in change.skipped_lines:
            self.say(f"  {line}")
        for warning in change.warnings:
            self.say(f"  Warning: {warning}")
        if change.credentials:
            self.say("  Credentials, shown this once: user {} password {}".format(*change.credentials))
        self.say_how_far(change.everywhere, "  ")
        told = {key: value for key, value in change.as_json().items() if key not in ("of_code", "everywhere")}
        return told | in_short(change.everywhere)

    def say_how_far(self, everywhere: Everywhere | None, indent: str = "") -> None:
        """Say how far a change has come, if it was waited for."""
        if everywhere:
            self.say(f"{indent}{str(everywhere)[0].upper()}{str(everywhere)[1:]}")


class VerbCommand(RegistryCommand):
    """A command of several verbs: `run_VERB(options)` does what each says."""

    def arguments(self, parser: CommandParser) -> None:
        """The verbs, each with --json, which may also stand before it."""
        parsers = parser.add_subparsers(dest="verb", required=True)
        self.verbs(parsers.add_parser)
        parsers.metavar = "|".join(parsers.choices)
        for command in parsers.choices.values():
            command.add_argument("--json", action="store_true", default=SUPPRESS, help="print the result as JSON")

    def verbs(self, add: Callable[..., ArgumentParser]) -> None:
        """For subclasses: add each verb with its arguments."""
        raise NotImplementedError

    def run(self, options: dict[str, Any]) -> Any:
        """Do what the verb says."""
        return getattr(self, f"run_{options['verb']}")(options)
