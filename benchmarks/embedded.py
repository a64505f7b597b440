"""An embedded Postgres for a script that asks it from its own process: imported first, for settings are read once."""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from processes import new_data_folder, take_environment

FOLDER = Path(tempfile.mkdtemp(prefix="switchboard-bench-"))
MAKER = os.getpid()
take_environment(DATA_DIR=FOLDER, ALLOWED_HOSTS="testserver")  # by which Django's test client calls us

import django  # noqa: E402 - the environment comes first

django.setup()

from django.db import connection  # noqa: E402 - after django.setup()

from config.embedded.cluster import close_all  # noqa: E402
from config.embedded.locks import STOP_SECONDS  # noqa: E402
from config.prepare import prepare  # noqa: E402


@atexit.register
def remove() -> None:
    """The folder goes with the process that made it."""
    if os.getpid() == MAKER:
        shutil.rmtree(FOLDER, ignore_errors=True)


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """The database, with all tables and nothing in them; it has stopped afterwards, and its folder is gone."""
    try:
        new_data_folder(FOLDER)
        prepare(example=False, say=lambda text: None)
        yield
    finally:
        connection.close()
        close_all(wait=STOP_SECONDS)
        remove()
