"""A pytest plugin: gives the tests a data folder of their own, so that nobody's is touched.

It is named with -p in pyproject.toml: only so it is imported before the settings are.
With DATABASE_URL that server is used, else a PostgreSQL in the new folder; both go when the tests end.

With TESTS_AT_ONCE=2 `manage.py test` runs two pytests at once, each with all that. They share the work by a folder,
TESTS_CLAIMS: whoever makes a file in it for a file of tests runs that, so a slow one holds nobody up.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path

import pytest

from config.embedded.cluster import close_all
from config.embedded.locks import STOP_SECONDS

# A power cut costs a test nothing.
UNSAFE_BUT_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
CLAIMS = "TESTS_CLAIMS"
SLOW_FIRST = (
    "tests/e2e/",
    "tests/config/",
    "tests/test_repository.py",
)  # servers, mypy: the quick ones even out the end

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """The share of this process, if there are several."""
    folder = os.environ.get(CLAIMS)
    if folder is None or session.testsfailed or session.config.option.collectonly:
        return None
    # The next one is claimed one test early: fixtures live until a test that does not need them.
    for item, following in pairwise(chain(claimed(session.items, Path(folder)), [None])):
        assert item is not None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True


def claimed(items: list[pytest.Item], folder: Path) -> Iterator[pytest.Item]:
    """The tests of the files that nobody else runs."""
    files = [list(tests) for _, tests in groupby(items, key=file_of)]
    for tests in sorted(files, key=lambda tests: not file_of(tests[0]).startswith(SLOW_FIRST)):
        try:
            (folder / file_of(tests[0]).replace("/", "-")).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from tests


def file_of(item: pytest.Item) -> str:
    """The file that a test is in."""
    return item.nodeid.partition("::")[0]
