"""The live log in a browser: rows as they come, pausing, the drawer, folds, and a connection that breaks."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server

ROWS = "#log-rows tr[id^=event-]"


def shown(page: Page) -> list[str]:
    """The call ids of the rows, as they stand."""
    return page.eval_on_selector_all(f"{ROWS} a[title]", "links => links.map(link => link.title)")


def open_log(page: Page, query: str = "") -> None:
    page.goto(f"/dashboard/log/{query}")
    page.wait_for_selector("#live-badge .is-ok")


def ask(server: Server, *calls: str) -> None:
    for call in calls:
        server.get(f"/sales?call_id={call}")


def first(page: Page, call: str) -> None:
    """Wait until this call's row is on top."""
    expect(page.locator(f"{ROWS} a[title]").first).to_have_attribute("title", call)


def test_rows_arrive_in_their_order_and_only_those_of_the_filter(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    open_log(page, "?filter=call:log-order-1")
    expect(page.locator("#log-empty")).to_contain_text("No event matches")
    ask(console, "log-order-1", "log-order-2", "log-order-1")
    expect(page.locator(ROWS)).to_have_count(2)
    assert page.locator("#log-empty").is_hidden()
    expect(page.locator("#log-said")).to_contain_text(re.compile(r"\d new event"))
    open_log(page)
    ask(console, *(f"log-more-{number}" for number in range(5)))
    for number in range(5):  # two workers wrote them, in any order
        page.wait_for_selector(f"{ROWS} a[title=log-more-{number}]")
    assert shown(page)[:5] == [f"log-more-{number}" for number in (4, 3, 2, 1, 0)]


def test_nothing_moves_while_scrolled_or_paused(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer", viewport={"width": 1000, "height": 400})
    ask(console, *(f"log-before-{number}" for number in range(12)))
    console.events(1, "call_id = 'log-before-11'")
    open_log(page)
    page.evaluate("scrollTo(0, 400)")
    expect(page.locator("#log-status")).to_contain_text("scrolled down")
    top = shown(page)[0]
    ask(console, "log-waits-1", "log-waits-2")
    more = page.get_by_role("button", name="2 new")
    expect(more).to_be_visible()
    assert shown(page)[0] == top
    assert "Paused by you" not in page.locator("#live-badge").inner_text()
    more.click()
    first(page, "log-waits-2")
    expect(page.locator("#log-status")).to_contain_text("Newest on top")
    page.keyboard.press("p")
    expect(page.locator("#live-badge")).to_contain_text("Paused by you")
    ask(console, "log-waits-3")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    page.keyboard.press("p")
    first(page, "log-waits-3")


def test_a_row_opens_a_drawer_with_an_address_of_its_own(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    ask(console, "log-drawer")
    console.events(1, "call_id = 'log-drawer'")
    open_log(page, "?filter=call:log-drawer")
    page.locator(f"{ROWS} .main-link").first.click()
    drawer = page.get_by_role("complementary", name="Event")
    expect(drawer).to_contain_text("/sales belongs to sales-agent")
    expect(page).to_have_url(re.compile(r"/dashboard/log/[0-9a-f-]{36}/\?filter=call%3Alog-drawer"))
    expect(page.locator("#log-status")).to_contain_text("a row is open")
    page.reload()
    expect(drawer).to_contain_text("USER:PASSWORD")
    expect(page.locator(ROWS)).to_have_count(1)
    page.wait_for_selector("#live-badge .is-ok")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/dashboard/log/\?filter=call%3Alog-drawer$"))
    page.go_back()
    expect(drawer).to_be_visible()


def test_what_comes_too_fast_is_folded_and_unfolds(
    own_server: Callable[..., Server], visit: Callable[..., Page]
) -> None:
    server = own_server()
    page = visit(server, "viewer")
    open_log(page, "?filter=agent:sales-agent")
    for _ in range(90):
        server.get("/sales")
    fold = page.locator("tr.fold").first
    expect(fold).to_contain_text(re.compile(r"\d+ more requests in \d+ s"))
    expect(fold).to_contain_text("sales-agent")
    server.events(90, "path = '/sales'")
    assert page.locator("#log-newer button").is_hidden()
    page.wait_for_function(
        """() => [...document.querySelectorAll("tr.fold b")].reduce((sum, b) => sum + parseInt(b.textContent), 0)
        + document.querySelectorAll("#log-rows tr[id^=event-]").length === 90"""
    )
    while page.locator("tr.fold").count():
        left = page.locator("tr.fold").count()
        page.locator("tr.fold").first.get_by_text("Unfold").click()
        expect(page.locator("tr.fold")).to_have_count(left - 1)
    expect(page.locator(ROWS)).to_have_count(90)
    ids = page.eval_on_selector_all(ROWS, "rows => rows.map(row => row.id)")
    assert ids == sorted(ids, reverse=True)


def test_a_connection_that_breaks_leaves_no_hole_and_nothing_twice(
    own_server: Callable[..., Server], visit: Callable[..., Page]
) -> None:
    server = own_server()
    page = visit(server, "viewer")
    open_log(page, "?filter=agent:sales-agent")
    ask(server, "there-before")
    expect(page.locator(ROWS)).to_have_count(1)
    server.stop()
    server.start()
    ask(server, "while-away-1", "while-away-2")
    page.wait_for_selector("#live-badge .is-ok")
    gap = page.locator("tr.gap")
    expect(gap).to_contain_text(re.compile(r"Connection was lost for \d+ s; nothing is missing"))
    expect(page.locator(ROWS)).to_have_count(3)
    ask(server, "there-after")
    first(page, "there-after")
    ids = page.eval_on_selector_all(ROWS, "rows => rows.map(row => row.id)")
    assert len(ids) == len(set(ids))
    assert shown(page) == ["there-after", "while-away-2", "while-away-1", "there-before"]


def test_what_was_too_much_is_a_gap_that_can_be_filled(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    open_log(page, "?filter=call:log-gap")
    ask(console, "log-gap")
    expect(page.locator(ROWS)).to_have_count(1)
    # As if the socket had said so: that it does is tested in tests/registry/log/test_live.py.
    page.evaluate("htmx.trigger(document.body, 'log-message', {missed: 58})")
    gap = page.locator("tr.gap")
    expect(gap).to_contain_text("58 events not shown")
    ask(console, "log-gap", "log-gap")
    expect(page.locator(ROWS)).to_have_count(3)
    page.locator(ROWS).first.evaluate("row => row.remove()")  # the hole
    gap.get_by_text("Load").click()
    expect(page.locator("tr.gap")).to_have_count(0)
    expect(page.locator(ROWS)).to_have_count(3)


def test_rows_stand_still_under_the_pointer(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    open_log(page, "?filter=call:log-pointer")
    ask(console, "log-pointer")
    expect(page.locator(ROWS)).to_have_count(1)
    page.locator(ROWS).first.hover()
    expect(page.locator("#log-status")).to_contain_text("the pointer is on the rows")
    ask(console, "log-pointer")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert page.locator(ROWS).count() == 1
    page.get_by_role("heading", name="Live log").hover()
    expect(page.locator(ROWS)).to_have_count(2)


@pytest.mark.parametrize("typed", ["agnet:x"])
def test_a_wrong_filter_is_said_beside_it(console: Server, visit: Callable[..., Page], typed: str) -> None:
    page = visit(console, "viewer")
    open_log(page)
    page.get_by_role("searchbox", name="Filter the log").fill(typed)
    page.keyboard.press("Enter")
    expect(page.locator("#log-problem")).to_contain_text("agnet: is not known")
    expect(page.locator(ROWS).first).to_be_visible()
