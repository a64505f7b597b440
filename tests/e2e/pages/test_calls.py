"""Calls in a browser: a call's page grows by itself, the list says what is new."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.server import Server

CALL = 'grows "by" it/self?#100%'


def begin(server: Server, call: str) -> str:
    """A call that has dialled; where its function is."""
    document = server.post("/sales", {"call": {"call_id": call, "from": "+12125550119", "to": "sip:sales@example.com"}})
    functions = document.ai["SWAIG"]["functions"]
    return server.path_of(next(entry["web_hook_url"] for entry in functions if entry["function"] == "get_pricing"))


def run(server: Server, path: str, call: str, product: str) -> None:
    server.post(path, {"function": "get_pricing", "call_id": call, "argument": {"parsed": [{"product": product}]}})


def test_a_call_grows_by_itself(console: Server, visit: Callable[..., Page]) -> None:
    path = begin(console, CALL)
    console.events(1, "call_id = %s", CALL)
    page = visit(console, "viewer")
    page.goto("/dashboard/calls/")
    page.wait_for_selector("#live-badge .is-ok")
    page.get_by_role("link", name="+12125550119").first.click()
    expect(page.locator("#call-id")).to_have_text(CALL)
    expect(page.locator("#call")).to_contain_text("Grows by itself")
    page.wait_for_selector("#live-badge .is-ok")
    expect(page.locator(".story tbody tr")).to_have_count(1)
    run(console, path, CALL, "pump")
    expect(page.locator(".story tbody tr")).to_have_count(2)
    expect(page.locator(".story tbody tr").last).to_contain_text('{"product":"pump"} → The price for pump is $99.99')
    expect(page.locator(".lanes rect.span").last).to_be_visible()


def test_the_list_says_what_is_new_and_refreshes_what_runs(console: Server, visit: Callable[..., Page]) -> None:
    path = begin(console, "runs-in-the-list")
    console.events(1, "call_id = 'runs-in-the-list'")
    page = visit(console, "viewer")
    page.goto("/dashboard/calls/?q=in-the-list")
    page.wait_for_selector("#live-badge .is-ok")
    row = page.locator("tbody tr")
    expect(row).to_contain_text("none")
    run(console, path, "runs-in-the-list", "pump")
    expect(row.locator("[id$=-functions]")).to_have_text("1")
    begin(console, "new-in-the-list")
    page.get_by_role("link", name="1 new call: show").click()
    expect(page.locator("tbody tr")).to_have_count(2)
