"""The test bench in a real browser."""

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.pages.test_every_page import check_with_axe
from tests.e2e.server import Server


def test_a_function_is_chosen_run_and_marked_as_a_test(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/test/")
    page.get_by_label("Agent", exact=True).fill("sales-agent")
    page.get_by_label("Agent", exact=True).press("Tab")
    page.get_by_label("product").fill("pump-of-a-test")
    assert page.url.startswith(f"{console.base}/dashboard/test/?tool=function&agent=sales-agent")
    page.get_by_role("button", name="Run get_pricing").click()
    expect(page.locator("#answer")).to_contain_text("The price for pump-of-a-test is $99.99")
    expect(page.get_by_label("product")).to_have_value("pump-of-a-test")
    check_with_axe(page)
    event = console.events(1, "kind = 'test' AND request::text LIKE '%%pump-of-a-test%%'")[0]
    assert (event["agent"], event["function"]) == ("sales-agent", "get_pricing")
    assert page.get_by_role("link", name="Its row in the log").get_attribute("href") == f"/dashboard/log/{event['id']}/"
    counted = console.query("SELECT sum(count) FROM registry_agentminute WHERE agent = 'sales-agent'")[0][0] or 0
    page.get_by_role("button", name="As JSON").click()
    expect(page.get_by_label("Arguments, JSON")).to_have_value(json.dumps({"product": "pump-of-a-test"}, indent=2))
    page.get_by_label("Arguments, JSON").fill("{")
    page.get_by_role("button", name="Run get_pricing").click()
    expect(page.get_by_text("This is no JSON")).to_be_visible()
    check_with_axe(page)
    assert (
        console.query("SELECT sum(count) FROM registry_agentminute WHERE agent = 'sales-agent'")[0][0] or 0
    ) == counted


def test_the_document_of_a_version(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/test/?tool=document&agent=support-agent")
    expect(page.locator("#document")).to_contain_text("You help the customers of Acme Corp")
    check_with_axe(page)
    page.get_by_label("Version").select_option("1")
    page.wait_for_url("**version=1**")
    page.reload()
    expect(page.get_by_role("heading", name="Document of support-agent v1")).to_be_visible()


def test_a_viewer_is_told_which_role_runs_functions(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto('/dashboard/test/?agent=sales-agent&function=get_pricing&arguments={"product": "pump"}')
    expect(page.get_by_label("product")).to_have_value("pump")
    expect(page.get_by_text("Running a function needs the role Operator or Admin.")).to_be_visible()
    expect(page.get_by_role("button", name="Run get_pricing")).to_have_count(0)
