"""A call on one axis."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.calls.timeline import axis, clock, lane, timeline

START = datetime(2026, 11, 21, 10, tzinfo=UTC)


def event(number: int, seconds: float, **more: Any) -> dict[str, Any]:
    time = (START + timedelta(seconds=seconds)).isoformat()
    return {
        "id": str(number), "time": time, "kind": "swml", "agent": "front", "version": 1, "function": "", "path": "/",
        "outcome": "ok", "microseconds": 1000, **more,
    }  # fmt: skip


CALL = [
    event(1, 0, kind="sip"),
    event(2, 30, kind="swaig", function="find", microseconds=2_000_000),
    event(3, 60, agent="support", version=3),
    event(4, 61, agent="support", version=3),
    event(5, 90, agent="support", version=3, kind="swaig", function="pay", outcome="error"),
    event(6, 120, agent="", kind="unmatched", outcome="not_found", path="/<b>"),
]


def test_each_event_is_in_its_lanes() -> None:
    drawn = timeline(CALL)
    lanes = {one.name: one.items for one in drawn.lanes}
    assert [item.label for item in lanes["Routing"]] == ["front", "support", "support", "/<b>"]
    assert [(item.label, item.start, item.end) for item in lanes["SWML"]] == [
        ("front v1", 0, 60), ("support v3", 60, 120)
    ]  # fmt: skip
    assert [(item.label, item.start, item.end, item.bad) for item in lanes["Functions"]] == [
        ("find", 28, 30, False), ("pay", pytest.approx(89.999), 90, True)
    ]  # fmt: skip
    assert [item.label for item in lanes["Handoffs"]] == ["front → support"]
    assert [item.label for item in lanes["Errors"]] == ["pay: Error", "Unmatched"]
    assert (drawn.seconds, drawn.step, drawn.length) == (120, 30, 150)
    assert drawn.sentence.startswith("Time since the call began, 0:00 to 2:00: routing 4, swml 2, functions 2")


def test_a_call_that_goes_on_ends_now() -> None:
    drawn = timeline(CALL, now=START + timedelta(seconds=200))
    assert (drawn.seconds, drawn.running) == (200, True)
    assert drawn.lanes[1].items[-1].end == 200
    assert "now" in axis(drawn)
    # A clock that is behind does not end a call before its last event.
    assert timeline(CALL, now=START).seconds == 120


def test_what_callers_chose_is_escaped_and_everything_is_in_the_picture() -> None:
    drawn = timeline(CALL)
    text = "".join(lane(drawn, one) for one in drawn.lanes)
    assert "<b>" not in text
    assert '<a href="#e-5" tabindex="-1"><title>1:29 pay</title><rect class="span is-bad"' in text
    assert drawn.x(0) == 1
    assert drawn.x(1e9) == 97


@pytest.mark.parametrize("seconds", [0, 0.4, 59, 3600, 40 * 3600])
def test_every_length_has_an_axis(seconds: float) -> None:
    drawn = timeline([event(1, 0), event(2, seconds)])
    assert 1 <= axis(drawn).count("<text") <= 10
    assert drawn.length > seconds


def test_a_lone_word_that_has_no_room_is_left_out() -> None:
    drawn = timeline(
        [event(1, 0, kind="swaig", function="a" * 40), event(2, 1, kind="swaig", function="b"), event(3, 100)]
    )
    assert lane(drawn, drawn.lanes[2]).count("<text") == 1


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 61.9, 3600)] == ["0:00", "1:01", "1:00:00"]


def test_a_call_that_nobody_answered_has_no_document() -> None:
    lanes = {one.name: one.items for one in timeline([event(1, 0, kind="sip", agent="", outcome="not_found")]).lanes}
    assert (len(lanes["Routing"]), lanes["SWML"], len(lanes["Errors"])) == (1, [], 1)
