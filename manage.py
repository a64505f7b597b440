#!/usr/bin/env python3
"""Switchboard's command line. Outside a virtual environment it first makes .venv: see config/bootstrap.py."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file must be readable for old ones, to say so
    sys.exit(
        "Switchboard needs Python 3.11 or newer; %s is %d.%d. Try python3.12 manage.py, or install a newer Python."  # noqa: UP031
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

from config import bootstrap


def main() -> None:
    """Run a command, in .venv if we are in no virtual environment."""
    bootstrap.enter()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with bootstrap.explaining_missing_packages():
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        try:
            execute_from_command_line(sys.argv)
        except ImproperlyConfigured as error:  # an environment variable: see config/values.py
            print(error, file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main()
