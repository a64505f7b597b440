"""Which files' tests several processes take first: those that take longest, so that all processes end together."""

from collections import OrderedDict

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/e2e/pages"  # one process has the browser, and the servers that its pages are of
# Seconds of what takes more than five, where all run in three processes on two cores. All else follows by its number
# of tests.
SECONDS = {
    BROWSER: 264,
    "tests/config/test_supervisor.py": 135,
    "tests/e2e/test_api.py": 108,
    "tests/benchmarks/test_scripts.py": 98,
    "tests/dashboard/test_hostile.py": 57,
    "tests/e2e/test_horrors.py": 43,
    "tests/e2e/test_proxies.py": 40,
    "tests/e2e/test_chaos.py": 40,
    "tests/e2e/test_python_versions.py": 30,
    "tests/agents/python/test_inspection.py": 29,
    "tests/registry/admin/test_admin.py": 26,
    "tests/e2e/test_adopting.py": 24,
    "tests/e2e/test_outage.py": 24,
    "tests/e2e/test_python_agents.py": 19,
    "tests/e2e/test_registering.py": 18,
    "tests/config/test_environment.py": 18,
    "tests/e2e/test_leaving.py": 17,
    "tests/e2e/test_registering_code.py": 17,
    "tests/registry/log/test_consumers.py": 15,
    "tests/e2e/test_metrics.py": 14,
    "tests/test_repository.py": 13,
    "tests/dashboard/test_places.py": 12,
    "tests/config/test_cluster.py": 11,
    "tests/agents/swml/test_swml.py": 10,
    "tests/registry/log/test_no_secret_stored.py": 9,
    "tests/registry/actions/test_effects.py": 8,
    "tests/registry/base/test_watchdog.py": 8,
    "tests/e2e/test_webhooks.py": 8,
    "tests/registry/log/test_writer.py": 8,
    "tests/dashboard/test_sources.py": 7,
    "tests/e2e/test_signing_in.py": 7,
    "tests/registry/actions/test_actions.py": 7,
    "tests/registry/serving/test_snapshot.py": 7,
    "tests/registry/routing/test_dispatcher.py": 7,
    "tests/registry/log/test_tail.py": 6,
    "tests/registry/api/test_policy.py": 6,
    "tests/e2e/test_connection.py": 6,
    "tests/test_policy.py": 6,
    "tests/registry/test_secret_key.py": 6,
    "tests/dashboard/test_sessions.py": 5,
    "tests/registry/serving/test_listener.py": 5,
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
