from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from registry.actions import agents, pauses, sip_names, trash, versions
from registry.actions.bulk import unregister_many
from registry.reports.agent_list import PAGE, Listing, Wanted, in_order, known_names, listing, tags_in_use
from registry.reports.agent_rows import cells_of, come_or_gone, newest_mark, rows_of
from registry.reports.traffic import Standing
from tests.events import write_minutes

pytestmark = pytest.mark.django_db
EVERYONE = ["booking-desk", "info-line", "pharmacy"]


@pytest.fixture(autouse=True)
def _no_order_is_kept():
    cache.clear()


def names(**wanted: object) -> list[str]:
    return listed(**wanted).page.names


def listed(**wanted: object) -> Listing:
    return listing(Wanted(**wanted), {"info-line": Standing.FAILING})  # type: ignore[arg-type]


def test_names_are_in_order_and_the_trash_is_no_part(fleet, actor):
    assert names() == EVERYONE
    assert names(descending=True) == EVERYONE[::-1]
    unregister_many(["pharmacy"], by=actor)
    assert names() == ["booking-desk", "info-line"]
    assert names(status="trash") == ["pharmacy"]
    found = listed()
    assert (found.registered, found.statuses["trash"]) == (2, 1)
    assert known_names() == ["booking-desk", "info-line"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PHARM", ["pharmacy"]), ("clinic/book", ["booking-desk"]), ("night", ["info-line"]), ("Front d", ["pharmacy"]),
        ("refill", ["pharmacy"]), ("100%", []), ("_", []), ("\0", []),
    ],
)  # fmt: skip
def test_text_is_looked_for_in_what_people_know_of_an_agent(fleet, actor, text, found):
    agents.update_agent("info-line", tags=["nightly"], by=actor)
    agents.update_agent("pharmacy", title="Front desk", by=actor)
    sip_names.register_sip_username("refills", "/pharmacy", by=actor)
    assert names(text=text) == found


def test_statuses_are_counted_and_chosen(fleet, actor):
    pauses.pause("pharmacy", by=actor)
    versions.save_draft("booking-desk", {"prompt": {"text": "New."}}, by=actor)
    found = listed()
    assert dict(found.statuses) == {"all": 3, "serving": 1, "paused": 1, "failing": 1, "trouble": 1, "draft": 1}
    assert dict(found.kinds) == {"stored": 3}
    for status, name in [
        ("paused", "pharmacy"),
        ("trouble", "info-line"),
        ("failing", "info-line"),
        ("draft", "booking-desk"),
    ]:
        assert names(status=status) == [name]
    assert names(status="degraded") == []
    assert names(kind="stored") == EVERYONE
    assert names(kind="python") == []


def test_tags(fleet, actor):
    agents.update_agent("info-line", tags=["eu", "night"], by=actor)
    agents.update_agent("pharmacy", tags=["eu"], by=actor)
    assert tags_in_use() == [("eu", 2), ("night", 1)]
    assert names(tag="eu") == ["info-line", "pharmacy"]


def test_figures_give_an_order_with_the_unknown_last(fleet):
    write_minutes("pharmacy", [(10, 1)])
    write_minutes("info-line", [(10, 5), (0, 0)])
    assert names(sort="errors", descending=True) == ["info-line", "pharmacy", "booking-desk"]
    cache.clear()
    assert names(sort="errors") == ["pharmacy", "info-line", "booking-desk"]
    assert names(sort="p95")[2] == "booking-desk"
    assert names(sort="last", descending=True) == ["info-line", "pharmacy", "booking-desk"]
    assert names(sort="route") == ["booking-desk", "info-line", "pharmacy"]


def test_what_was_changed_last_comes_first(fleet, actor):
    pauses.pause("booking-desk", by=actor)
    found = names(sort="changed", descending=True)
    assert sorted(found) == EVERYONE  # all in one transaction, as tests are


@pytest.mark.parametrize("sort", ["name", "errors"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_meet_without_a_hole(monkeypatch, fleet, sort, descending):
    monkeypatch.setattr("registry.reports.agent_list.PAGE", 1)
    write_minutes("pharmacy", [(10, 1)])
    whole = (
        in_order(EVERYONE, {}, descending=descending) if sort == "name" else ["pharmacy", "booking-desk", "info-line"]
    )
    wanted = Wanted(sort=sort, descending=descending)
    page = listing(wanted, {}).page
    seen = page.names
    while page.after:
        page = listing(wanted, {}, after=page.after).page
        seen = [*seen, *page.names]
    assert seen == whole
    assert (page.first, page.total) == (2, 3)
    back = listing(wanted, {}, before=page.before).page
    assert (back.names, back.first) == ([whole[1]], 1)
    assert listing(wanted, {}, after="nonsense~zzzz").page.total == 3
    assert PAGE == 50


def test_a_row_has_all_that_is_shown(fleet, actor):
    write_minutes("pharmacy", [(10, 1)])
    versions.save_draft("pharmacy", {"prompt": {"text": "New."}}, by=actor)
    (row, other) = rows_of(["pharmacy", "nobody", "info-line"], {"pharmacy": Standing.FAILING})
    assert (row.name, row.standing, row.live, row.draft) == ("pharmacy", Standing.FAILING, 1, 2)
    assert row.routes == ["/pharmacy"]
    assert "pharmacy" in row.sip
    assert (row.hours[-1], sum(row.hours), len(row.hours)) == (10, 10, 24)
    assert row.figures.error_share == 0.1
    assert row.changed is not None
    assert (row.changed.who, row.changed.via) == ("alice", "command")
    assert other.last_hit is None
    assert row.last_hit is not None
    assert datetime.now(UTC) - row.last_hit < timedelta(minutes=2)
    assert [cell.hours for cell in cells_of(["pharmacy"], {})] == [row.hours]


def test_rows_of_the_trash_know_what_led_there(fleet, actor):
    unregister_many(["pharmacy"], by=actor)
    (row,) = rows_of(["pharmacy"], {})
    assert row.former_routes == ["/pharmacy"]
    assert "pharmacy" in row.former_sip


def test_the_number_of_queries_does_not_depend_on_the_rows(fleet, django_assert_num_queries):
    with django_assert_num_queries(7):
        rows_of(EVERYONE, {})


def test_those_that_come_and_go_are_counted(fleet, actor, fleet_entries):
    mark = newest_mark()
    pauses.pause("info-line", by=actor)
    assert come_or_gone(mark) == 0
    unregister_many(["pharmacy", "info-line"], by=actor)
    assert come_or_gone(mark) == 2
    mark = newest_mark()
    trash.restore_agent("pharmacy", by=actor)
    agents.register("new-line", "/new", fleet_entries["pharmacy"].definition, by=actor)
    assert come_or_gone(mark) == 2
