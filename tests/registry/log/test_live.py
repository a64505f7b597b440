"""What a viewer is shown, what is counted instead, and up to which moment."""

import json
from typing import Any

import pytest

from registry.log import live as module
from registry.log.cursor import Cursor, Seen
from registry.log.filters import Filter
from registry.log.live import MAX_BACKLOG, MAX_QUEUED, Hub, News, Viewer

ALL = Filter()


def event(number: int, agent: str = "sales", outcome: str = "ok") -> dict[str, Any]:
    texts = ("path", "call_id", "from", "to", "function", "sip_user", "detail")
    return {**dict.fromkeys(texts, ""), "id": number, "agent": agent, "outcome": outcome, "time": f"12:{number:02}"}


def news(first: int, count: int = 1, *, cursor: int | None = None, missed: int = 0, **options: str) -> News:
    """So many rows, each its own batch: `first`, `first` + 1 …"""
    rows = [Seen(number, event(number, **options)) for number in range(first, first + count)]
    return News(rows, Cursor(first + count if cursor is None else cursor, ()), {}, missed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed by the test."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def viewer(clock: list[float]) -> Viewer:
    """One that has caught up."""
    viewer = Viewer(ALL, 5)
    viewer.caught_up(None)
    return viewer


def told(viewer: Viewer) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(viewer.message())
    return message


def shown(message: dict[str, Any]) -> list[int]:
    return [row["id"] for row in message["events"]]


def test_rows_come_in_one_message_with_the_cursor(viewer: Viewer) -> None:
    viewer.take(news(1, 2))
    viewer.take(news(3))
    assert viewer.waiting.is_set()
    assert told(viewer) == {"type": "events", "events": [event(1), event(2), event(3)], "cursor": "4:4:"}
    assert not viewer.waiting.is_set()
    assert told(viewer) == {"type": "events", "events": [], "cursor": "4:4:"}


def test_above_its_rate_rows_are_counted_by_agent_and_outcome_until_the_next_second(
    viewer: Viewer, clock: list[float]
) -> None:
    viewer.take(news(1, 4))
    viewer.take(news(5, 3))
    viewer.take(news(8, 2, agent="info"))
    viewer.take(news(10, outcome="error"))
    message = told(viewer)
    assert shown(message) == [1, 2, 3, 4, 5]
    assert message["folded"] == [
        {"agent": "info", "outcome": "ok", "count": 2},
        {"agent": "sales", "outcome": "error", "count": 1},
        {"agent": "sales", "outcome": "ok", "count": 2},
    ]
    assert message["between"] == ["12:06", "12:10"]
    assert message["cursor"] == "11:11:"
    clock[0] += 1
    viewer.take(news(11, 6))
    message = told(viewer)
    assert shown(message) == [11, 12, 13, 14, 15]
    assert message["folded"][0]["count"] == 1


def test_what_a_slow_viewer_cannot_take_is_counted_as_missed(clock: list[float]) -> None:
    viewer = Viewer(ALL, 10 * MAX_QUEUED)
    viewer.caught_up(None)
    for second in range(3):
        clock[0] += second
        viewer.take(news(1 + second * MAX_QUEUED, MAX_QUEUED))
    assert len(viewer.queue) == MAX_QUEUED
    message = told(viewer)
    assert (len(message["events"]), message["missed"]) == (MAX_QUEUED, 2 * MAX_QUEUED)
    assert "missed" not in told(viewer)


def test_folding_needs_no_room(clock: list[float]) -> None:
    viewer = Viewer(ALL, 0)
    viewer.caught_up(None)
    for batch in range(1000):
        viewer.take(news(batch * 10, 10))
    assert (len(viewer.queue), viewer.folded.total(), viewer.missed) == (0, 10_000, 0)


def test_only_what_passes_the_filter_counts_and_it_is_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Filter.parse("agent:info")
    asked = []
    matches = Filter.matches
    monkeypatch.setattr(Filter, "matches", lambda self, row: asked.append(row["id"]) or matches(self, row))
    hub = Hub()
    viewers = [Viewer(Filter.parse(text), 5) for text in ["agent:info", "agent:INFO", 'agent:"info"']]
    for viewer in viewers:
        viewer.caught_up(None)
        hub.join(viewer)
    assert hub.filters() == {wanted}
    hub.publish(News([*news(1, 3).events, *news(4, 2, agent="info").events], Cursor(6, ()), {}))
    assert asked == [1, 2, 3, 4, 5]
    for viewer in viewers:
        assert shown(told(viewer)) == [4, 5]
    hub.publish(news(6))
    for viewer in viewers:
        assert not viewer.waiting.is_set()
        assert str(viewer.cursor) == "7:7:"  # that it was not for them, they know
    hub.leave(viewers[0])
    hub.publish(news(7, agent="info"))
    assert [viewer.waiting.is_set() for viewer in viewers] == [False, True, True]


def test_what_was_missed_comes_first_and_what_came_meanwhile_follows_once(clock: list[float]) -> None:
    viewer = Viewer(ALL, 100)
    viewer.take(news(5, 2))  # the tail is ahead of what is being read …
    viewer.take(news(7, 2))
    viewer.caught_up(News(news(1, 5).events, Cursor(6, ()), {}))  # … which has 5 as well
    viewer.take(news(9))
    message = told(viewer)
    assert shown(message) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert message["cursor"] == "10:10:"


def test_a_tail_behind_what_was_read_shows_nothing_twice_and_takes_no_cursor_back(clock: list[float]) -> None:
    viewer = Viewer(ALL, 100)
    viewer.caught_up(News(news(1, 5).events, Cursor(6, (3,)), {}))
    told(viewer)
    viewer.take(news(4, 2, cursor=5))
    assert (told(viewer)["events"], str(viewer.cursor)) == ([], "3:6:3")
    viewer.take(News([Seen(3, event(3)), Seen(5, event(5)), Seen(6, event(6))], Cursor(7, ()), {}))
    message = told(viewer)
    assert (shown(message), message["cursor"]) == ([3, 6], "7:7:")  # 3 was running when it was read


def test_what_was_missed_is_not_folded(clock: list[float]) -> None:
    viewer = Viewer(ALL, 2)
    viewer.caught_up(news(1, 50, missed=7))
    message = told(viewer)
    assert (len(message["events"]), message["missed"]) == (50, 7)


def test_a_backlog_that_is_too_long_is_counted_but_for_what_is_read_anyway(clock: list[float]) -> None:
    viewer = Viewer(ALL, 10_000)
    for batch in range(1, MAX_BACKLOG + 11):
        viewer.take(news(batch, missed=1 if batch == 1 else 0))
    assert len(viewer.backlog or []) == MAX_BACKLOG
    viewer.caught_up(News(news(1, 4).events, Cursor(5, ()), {}))
    message = told(viewer)
    assert shown(message) == [1, 2, 3, 4, *range(11, MAX_BACKLOG + 11)]
    assert message["missed"] == 6 + 1  # 5 to 10, and what the tail had missed


def test_news_of_what_was_missed_wakes_a_viewer(viewer: Viewer) -> None:
    viewer.take(news(1, 0, cursor=9, missed=12))
    assert viewer.waiting.is_set()
    assert told(viewer) == {"type": "events", "events": [], "missed": 12, "cursor": "9:9:"}


def test_viewers_are_not_told_what_most_rows_have_nothing_to_say_in() -> None:
    usual = {"id": "1", "agent": "sales", "channel": "voice", "query": "", "via": "", "asked_twice": False}
    assert module.told({**usual, "digest": "0" * 16, "replayable": True}) == {"id": "1", "agent": "sales"}
    assert module.told({"channel": "chat", "query": "a=b", "side": "canary"}) == {
        "channel": "chat",
        "query": "a=b",
        "side": "canary",
    }
