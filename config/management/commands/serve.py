"""`serve`: run Switchboard."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.listen_socket import ListenError
from config.supervisor import Options, ServeError, Supervisor


class Command(BaseCommand):
    """Runs one replica: see config/supervisor.py."""

    help = "Serve the registered agents and the dashboard, with an embedded PostgreSQL unless DATABASE_URL is set."
    requires_system_checks = []  # they take longer than the start; CI runs them

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, and with how many processes."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=positive, default=1, help="processes that answer")
        parser.add_argument("--no-example", action="store_true", help="register no example fleet on the first start")
        # For the tests of the supervisor itself.
        parser.add_argument("--application", default=Options.application, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        chosen = Options(
            host=options["host"],
            port=options["port"],
            workers=options["workers"],
            example=not options["no_example"],
            application=options["application"],
        )
        try:
            Supervisor(chosen).run()
        except (ListenError, ServeError) as error:
            self.stderr.write(f"Switchboard: {error}")
            sys.exit(getattr(error, "code", 1))


def positive(text: str) -> int:
    """A number above zero."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
