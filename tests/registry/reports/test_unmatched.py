from datetime import UTC, datetime, timedelta

import pytest

from registry.actions import sip_names
from registry.reports.unmatched import Unmatched, unmatched_names
from tests.events import write_events

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def dialled(name: str, outcome: str = "fallback", **more: str) -> dict[str, str]:
    return {"sip_user": name, "outcome": outcome, "kind": "sip", **more}


def test_what_nobody_has_is_counted_with_the_nearest_name(fleet):
    end = datetime.now(UTC).replace(microsecond=0)
    write_events(
        [
            dialled("pharmcy"), dialled("pharmcy", "not_found"), dialled("zzz"), dialled("info-lines", kind="test"),
            dialled("pharmacy", "redirect"), {"outcome": "not_found"},
        ],
        end=end,
    )  # fmt: skip
    first, second = unmatched_names(end - DAY, 8)
    assert first == Unmatched("pharmcy", 2, end - timedelta(seconds=4), "pharmacy", "/pharmacy")
    assert (second.name, second.nearest_name, second.nearest_route) == ("zzz", "", "")
    assert [found.name for found in unmatched_names(end - DAY, 1)] == ["pharmcy"]
    assert unmatched_names(end + DAY, 8) == []


def test_a_name_that_somebody_has_meanwhile_is_none_of_them(fleet, actor):
    write_events([dialled("pharmcy")])
    since = datetime.now(UTC) - DAY
    assert len(unmatched_names(since, 8)) == 1
    sip_names.register_sip_username("pharmcy", "/pharmacy", by=actor)
    assert unmatched_names(since, 8) == []


def test_a_number_without_its_plus_is_near_the_one_that_is_mapped(fleet, actor):
    sip_names.register_sip_username("+1 (555) 123-4567", "/pharmacy", by=actor)
    sip_names.register_sip_username("15551234568", "/info", by=actor)
    write_events([dialled("15551234567")])
    (found,) = unmatched_names(datetime.now(UTC) - DAY, 8)
    assert (found.nearest_name, found.nearest_route) == ("+15551234567", "/pharmacy")
