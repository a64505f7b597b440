"""`test`: run the tests; everything after the word is pytest's."""

import importlib.util
import os
import sys

from django.conf import settings
from django.core.management.base import BaseCommand

# All tests in several processes, each with a PostgreSQL and servers of its own; a file's tests stay together, and the
# longest come first: see tests/longest.py. One process more than there are cores, for many tests wait.
SEVERAL = ["-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadgroup"]


class Command(BaseCommand):
    """Hands over to pytest: see config/test_plugin.py for what the tests are given."""

    help = "Run the tests. All arguments are pytest's: manage.py test -x -k sip tests/registry"

    def run_from_argv(self, argv: list[str]) -> None:
        """Become pytest. Django's own parser never sees the arguments: it would refuse them."""
        if importlib.util.find_spec("pytest") is None:
            self.stderr.write(
                "Switchboard: pytest is missing here. Run python3 manage.py test outside of any virtual environment, "
                "which installs it into .venv; or in yours: pip install -r requirements-dev.txt"
            )
            sys.exit(1)
        os.chdir(settings.BASE_DIR)  # where pyproject.toml is, and what -m puts on the path
        sys.stdout.flush()
        # One database has room for one of them.
        all_of_them = [] if "DATABASE_URL" in os.environ else SEVERAL
        command = [sys.executable, "-m", "pytest", *(argv[2:] or all_of_them)]
        os.execv(sys.executable, command)  # noqa: S606 - its exit code and its Ctrl-C are then ours
