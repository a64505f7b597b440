from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from registry.heartbeats import Heart
from registry.models import Worker
from registry.reports.agent_health import AgentTrouble, troubles

pytestmark = pytest.mark.django_db
SALES = {"state": "shaky", "detail": "one of its hosts starts again", "since": 1000.0}


def beat(pid, told):
    Heart("one", timezone.now(), pid).beat(1, 0, "", told)


def test_the_worst_of_all_workers_counts_with_its_beginning():
    beat(1, {"sales": SALES})
    beat(2, {"sales": {"state": "down", "detail": "it ends at once", "since": 3000.0}})
    beat(3, {"sales": {"state": "down", "detail": "it ended first", "since": 2000.0}, "support": SALES})
    beat(4, {})
    found = troubles()
    assert found["sales"] == AgentTrouble("down", "it ended first", datetime.fromtimestamp(2000, UTC), 3, 4)
    assert (found["support"].state, found["support"].workers, found["support"].of) == ("shaky", 1, 4)


def test_some_names_only(django_assert_num_queries):
    beat(1, {"sales": SALES, "support": SALES})
    with django_assert_num_queries(1):
        assert list(troubles(["support", "nobody"])) == ["support"]
    assert troubles([]) == {}


def test_workers_that_are_silent_do_not_count():
    beat(1, {"sales": SALES})
    Worker.objects.update(seen=timezone.now() - timedelta(minutes=10))
    assert troubles() == {}


def test_a_state_that_is_not_known_here_is_told_all_the_same():
    beat(1, {"sales": {**SALES, "state": "odd"}})
    assert troubles()["sales"].state == "odd"
    beat(2, {"sales": SALES})
    assert troubles()["sales"].state == "shaky"
