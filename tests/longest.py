"""Which files' tests several processes take first: those that take longest, so that all processes end together."""

from collections import OrderedDict

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/e2e/pages"  # one process has the browser, and the servers that its pages are of
# Seconds of what takes more than five, alone on two cores. All else follows by its number of tests.
SECONDS = {
    BROWSER: 170,
    "tests/config/test_supervisor.py": 75,
    "tests/test_repository.py": 70,
    "tests/benchmarks/test_scripts.py": 80,
    "tests/e2e/test_api.py": 60,
    "tests/e2e/test_chaos.py": 45,
    "tests/e2e/test_outage.py": 40,
    "tests/e2e/test_proxies.py": 40,
    "tests/e2e/test_horrors.py": 40,
    "tests/dashboard/test_hostile.py": 40,
    "tests/e2e/test_python_versions.py": 35,
    "tests/e2e/test_adopting.py": 35,
    "tests/e2e/test_registering_code.py": 35,
    "tests/e2e/test_registering.py": 30,
    "tests/agents/python/test_inspection.py": 30,
    "tests/e2e/test_python_agents.py": 30,
    "tests/e2e/test_leaving.py": 25,
    "tests/registry/admin/test_admin.py": 22,
    "tests/e2e/test_metrics.py": 20,
    "tests/config/test_environment.py": 16,
    "tests/e2e/test_webhooks.py": 15,
    "tests/e2e/test_remote.py": 15,
    "tests/config/test_cluster.py": 12,
    "tests/registry/log/test_consumers.py": 12,
    "tests/registry/base/test_watchdog.py": 12,
    "tests/e2e/test_connection.py": 12,
    "tests/dashboard/test_places.py": 12,
    "tests/e2e/test_signing_in.py": 10,
    "tests/test_policy.py": 10,
    "tests/dashboard/test_sources.py": 8,
    "tests/e2e/test_secrets.py": 8,
    "tests/e2e/test_live.py": 8,
    "tests/e2e/test_registering_remotes.py": 8,
    "tests/registry/api/test_policy.py": 7,
    "tests/dashboard/test_sign_in.py": 6,
    "tests/registry/log/test_tail.py": 6,
    "tests/registry/fleet/test_any_fleet.py": 6,
}


def together(nodeid: str) -> str:
    """With what a test shares a process: the tests of its file, or all that need the browser."""
    file = nodeid.partition("::")[0]
    return BROWSER if file.startswith(f"{BROWSER}/") else file


class Queue(OrderedDict[str, dict[str, bool]]):
    """What is left to do, by file."""

    def popitem(self, last: bool = True) -> tuple[str, dict[str, bool]]:
        """What takes longest of it."""
        file = max(self, key=lambda file: (SECONDS.get(file, 0), len(self[file])))
        return file, self.pop(file)


class LongestFirst(LoadScopeScheduling):
    """Gives a process that has little left the tests of another file."""

    def __init__(self, config: pytest.Config, log: Producer | None = None):
        super().__init__(config, log)
        self.workqueue = Queue()

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)
