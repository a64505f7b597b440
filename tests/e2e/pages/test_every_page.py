"""Every page in a real browser, in both themes and at both ends of the widths: nothing spills, axe finds nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.dashboard.places import PLACES
from tests.dashboard.test_places import address_of
from tests.e2e.pages.conftest import Visitors
from tests.e2e.server import Server

CALL = "call-in-the-browser"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # of what is well axe else tells every element, which takes as long as looking
}
WHOLE = [name for name, place in PLACES.items() if "GET" in place.methods and place.whole]


@pytest.fixture(scope="package")
def things(console: Server) -> dict[str, str]:
    """What the addresses of pages are about: a call with a function, a refused request, one that found nobody."""
    for path in ("/sales", "/support"):
        console.get(f"{path}?call_id={CALL}")
    console.post(console.function_path("/sales", "get_pricing", CALL), function_body("get_pricing", CALL))
    console.get("/sales", auth="u:wrong")
    console.get("/nobody-there")
    console.post("/sip", {"call": {"call_id": "lost", "to": "sip:helpdesk2@example.com"}})
    events = console.events(6)
    return {"agent": "sales-agent", "call": CALL, "event": events[0]["id"]}


def function_body(name: str, call: str) -> dict[str, Any]:
    return {"function": name, "call_id": call, "argument": {"parsed": [{"product": "pump"}]}}


def check_with_axe(page: Page) -> None:
    """No violation of WCAG 2.2 A and AA, nor of axe's best practices."""
    found = Axe().run(page, options=RULES).response["violations"]
    told = [(each["id"], each["help"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]
    assert not found, json.dumps(told, indent=1)


@pytest.fixture(scope="module")
def reader(console: Server, visitors: Visitors) -> Iterator[Page]:
    """The page of somebody who goes from one to the next: what all of them share is loaded and compiled once."""
    page = visitors(console, "admin", color_scheme="dark", reduced_motion="reduce")
    visitors.contexts.remove(page.context)  # it stays when a test has ended
    yield page
    page.context.close()


@pytest.mark.parametrize("name", WHOLE)
def test_a_page_in_both_themes_and_widths(
    name: str, reader: Page, visit: Callable[..., Page], things: dict[str, str]
) -> None:
    """It is loaded where there is little room, for there it scrolls to the chosen tab, and is widened then.

    `visit` sees after each that its console has complained of nothing.
    """
    page = reader
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 380, "height": 900})
    page.goto(address_of(name, PLACES[name], things))
    page.wait_for_selector("#live-badge .is-ok")
    expect(page.locator(".htmx-request, .bone")).to_have_count(0)  # wait_for_function would need eval
    for scheme, width in (("dark", 380), ("light", 1440)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        check_with_axe(page)
        for chosen in page.locator(":is(.tabs, .side) [aria-current]").all():
            box = chosen.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width, "the chosen tab is in sight"
        for room in (width, 1920 if width > 1000 else 640):
            page.set_viewport_size({"width": room, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= room
