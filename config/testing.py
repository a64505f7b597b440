"""A pytest plugin: gives the tests a data folder of their own, so that nobody's is touched.

It is named with -p in pyproject.toml: only so it is imported before the settings are.
With DATABASE_URL that server is used, else a PostgreSQL in the new folder; both go when the tests end.
"""

import os
import shutil
import tempfile
from pathlib import Path

from config.embedded.cluster import close_all
from config.embedded.locks import STOP_SECONDS

# A power cut costs a test nothing.
UNSAFE_BUT_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"

data_dir = Path(tempfile.mkdtemp(prefix="switchboard-tests-"))
os.environ["DATA_DIR"] = str(data_dir)
os.environ.setdefault("DRAIN_NOTICE_SECONDS", "0")  # no load balancer here has to notice anything
os.environ.setdefault("EMBEDDED_POSTGRES_OPTIONS", UNSAFE_BUT_FAST)


def pytest_unconfigure() -> None:
    """Stop the server and remove the folder."""
    close_all(wait=STOP_SECONDS)
    shutil.rmtree(data_dir, ignore_errors=True)
