"""What an open page says when its session ends, when the database is away, and when the server is gone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server, database_url
from tests.e2e.test_outage import Forwarder

SOON = 15_000  # milliseconds


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[Server, Forwarder]]:
    """A server whose database can be taken away."""
    forwarder = Forwarder(database_url("e2e_states"))
    server = Server(forwarder.url, tmp_path / "data", workers=1, example=True, DATABASE_SILENT_SECONDS="2")
    yield server, forwarder
    forwarder.back()
    server.stop()
    forwarder.refuse()


def test_a_session_that_ends_is_told_in_place_and_leads_back(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer", "somebody-who-leaves")
    page.goto("/dashboard/agents/?q=sales")
    expect(page.locator("#live-word")).to_have_text("Live")
    other = page.context.new_page()
    other.goto("/dashboard/overview/")
    other.locator("button[popovertarget=user]").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    note = page.locator("#session")
    expect(note).to_contain_text("You are signed out", timeout=SOON)
    expect(page.locator("#live-word")).to_have_text("Signed out")
    assert page.locator("h1").inner_text() == "Agents"  # what was there is still there
    href = note.get_by_role("link").get_attribute("href")
    assert href == "/dashboard/sign-in/?next=%2Fdashboard%2Fagents%2F%3Fq%3Dsales"
    page.locator("#search").fill("sales")
    expect(note).to_contain_text("You are signed out")
    expect(page.locator("#found")).to_be_empty()  # and no sign-in page inside it


def test_the_database_goes_and_comes_back_under_an_open_page(
    behind: tuple[Server, Forwarder], visit: Callable[..., Page]
) -> None:
    server, forwarder = behind
    page = visit(server, "admin")
    page.goto("/dashboard/agents/")
    expect(page.locator("#live-word")).to_have_text("Live")
    forwarder.refuse()
    expect(page.locator("#banner")).to_contain_text("The database is away", timeout=SOON)
    expect(page.locator("#live-word")).to_have_text("Database away")
    assert server.get("/sales").status == 200  # calls go on
    page.locator("#search").fill("sales")
    expect(page.locator("#found")).to_contain_text("The database is away", timeout=SOON)
    other = page.context.new_page()
    other.goto("/dashboard/routing/")
    expect(other.get_by_role("heading")).to_have_text("The database is away; calls go on")
    forwarder.back()
    expect(page.locator("#banner")).to_be_empty(timeout=SOON)
    expect(page.locator("#live-word")).to_have_text("Live")
    page.locator("#found").get_by_role("button", name="Try again").click()
    expect(page.locator("#found")).to_contain_text("sales-agent")
    expect(other.get_by_role("heading", name="Routing")).to_be_visible(timeout=SOON)  # it tries again by itself


def test_a_server_that_is_gone_is_told_and_the_page_goes_on_when_it_is_back(
    tmp_path: Path, visit: Callable[..., Page]
) -> None:
    url = database_url("e2e_gone")
    server = Server(url, tmp_path / "data", workers=1, example=True)
    page = visit(server, "admin")
    page.goto("/dashboard/agents/")
    expect(page.locator("#live-word")).to_have_text("Live")
    server.stop()
    expect(page.locator("#live-word")).to_have_text("Reconnecting")
    page.locator("#search").fill("sales")
    expect(page.locator("#found")).to_contain_text("The server cannot be reached")
    again = Server(url, tmp_path / "data", workers=1, port=server.port)
    expect(page.locator("#live-word")).to_have_text("Live", timeout=SOON)
    page.locator("#found").get_by_role("button", name="Try again").click()
    expect(page.locator("#found")).to_contain_text("sales-agent")
    again.stop()
