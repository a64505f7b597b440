"""A pytest plugin: gives the tests a data folder of their own, so that nobody's is touched.

It is named with -p in pyproject.toml: only so it is imported before the settings are.
With DATABASE_URL that server is used, else a PostgreSQL in the new folder; both go when the tests end.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from config.embedded.cluster import close_all
from config.embedded.locks import STOP_SECONDS

# A power cut costs a test nothing.
UNSAFE_BUT_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"

# Whoever wants no __pycache__ has it here all the same: else each of the hundreds of processes that tests start, and
# each that collects tests, compiles everything anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

data_dir = Path(tempfile.mkdtemp(prefix="switchboard-tests-"))
os.environ["DATA_DIR"] = str(data_dir)
os.environ.setdefault("DRAIN_NOTICE_SECONDS", "0")  # no load balancer here has to notice anything
os.environ.setdefault("EMBEDDED_POSTGRES_OPTIONS", UNSAFE_BUT_FAST)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tests' folders are in ours, too.

    In its usual place every new pytest takes others' rights away from the folder that all of them share. Where root
    runs the tests PostgreSQL has an account of its own, and servers of tests that were running died of it.
    """
    if config.option.basetemp is None:
        config.option.basetemp = data_dir / "t"


def pytest_unconfigure() -> None:
    """Stop the server and remove the folder."""
    close_all(wait=STOP_SECONDS)
    shutil.rmtree(data_dir, ignore_errors=True)
