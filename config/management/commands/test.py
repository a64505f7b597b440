"""`test`: run the tests; everything after the word is pytest's."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand

PYTEST = [sys.executable, "-m", "pytest"]
AT_ONCE = "TESTS_AT_ONCE"  # so many processes; each has a PostgreSQL and servers of its own
NOTHING_TO_DO = 5  # pytest's exit code


class Command(BaseCommand):
    """Hands over to pytest: see config/testing.py for what the tests are given."""

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
        several = int(os.environ.get(AT_ONCE, "1"))
        if argv[2:] or several < 2 or "DATABASE_URL" in os.environ:  # one database has room for one of them
            os.execv(sys.executable, [*PYTEST, *argv[2:]])  # noqa: S606 - its exit code and its Ctrl-C are then ours
        sys.exit(run_at_once(several))


def run_at_once(several: int) -> int:
    """All tests in so many processes, which share the work; the exit code of the worst."""
    with tempfile.TemporaryDirectory(prefix="switchboard-claims-") as claims:
        environment = {**os.environ, "TESTS_CLAIMS": claims}
        outputs = [tempfile.TemporaryFile() for _ in range(several - 1)]  # noqa: SIM115 - closed below
        others = [subprocess.Popen(PYTEST, env=environment, stdout=output, stderr=output) for output in outputs]
        running = [subprocess.Popen(PYTEST, env=environment), *others]
        codes = [wait_for(process) for process in running]
        for number, output in enumerate(outputs, start=2):
            sys.stdout.write(f"\n--- process {number} of {several} ---\n")
            sys.stdout.flush()
            output.seek(0)
            sys.stdout.buffer.write(output.read())
            output.close()
        run = len(list(Path(claims).iterdir()))
    worst = max((code for code in codes if code != NOTHING_TO_DO), key=abs, default=NOTHING_TO_DO)
    sys.stdout.write(f"\n{run} files of tests in {several} processes: {'failed' if worst else 'all passed'}\n")
    return worst


def wait_for(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code; a Ctrl-C is for all of them, and they say what they have."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
