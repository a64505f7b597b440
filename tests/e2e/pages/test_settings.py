"""Settings in a real browser: a token's life, a member's first sign-in, a fleet document with its plan."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.pages.test_every_page import check_with_axe
from tests.e2e.server import Server

DOCUMENT = """switchboard: 1
agents:
  hours-of-a-test:
    routes: {/hours-of-a-test: {}}
    definition: {prompt: {text: We are open from 9 to 5.}}
"""


def test_a_token_is_made_used_and_revoked(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "admin")
    page.goto("/dashboard/settings/")
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name", exact=True).fill("ci-of-a-test")
    page.get_by_role("radio", name="operate").check()
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#token").inner_text()
    check_with_axe(page)
    bearer = {"Authorization": f"Bearer {token}"}
    me = console.request("GET", "/api/v1/me", auth=None, headers=bearer)
    assert (me.status, me.json["level"]) == (200, "operate")
    assert token not in page.url
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("row", name="ci-of-a-test")).to_contain_text("Active")
    assert token not in page.content()
    page.get_by_role("link", name="Revoke ci-of-a-test").click()
    expect(page.get_by_role("heading", name="Revoke ci-of-a-test?")).to_be_visible()
    check_with_axe(page)
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("Its next request is refused.")).to_be_visible()
    expect(page.get_by_role("row", name="ci-of-a-test")).to_contain_text("Revoked")
    assert console.request("GET", "/api/v1/me", auth=None, headers=bearer).status == 401
    page.get_by_role("link", name="Active").click()
    expect(page.get_by_role("row", name="ci-of-a-test")).to_have_count(0)
    assert page.url.endswith("?state=active")


def test_a_member_is_added_given_another_role_and_that_undone(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "admin")
    page.goto("/dashboard/settings/members/")
    page.get_by_role("link", name="Add a member").click()
    page.get_by_label("User name").fill("nina-of-a-test")
    page.get_by_role("button", name="Add and show the link").click()
    link = page.locator("#link").inner_text()
    assert link.startswith(f"{console.base}/dashboard/sign-in/link/")
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("searchbox", name="Search user names").fill("nina-of")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Edit nina-of-a-test").click()
    check_with_axe(page)
    page.get_by_label("Role", exact=True).select_option("Operator")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("nina-of-a-test has Operator instead of Viewer.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name="nina-of-a-test")).to_contain_text("Viewer")


def test_a_document_is_planned_applied_and_found_in_the_audit(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/settings/apply/")
    page.get_by_label("or the document itself").fill(DOCUMENT.replace("definition:", "nothing:"))
    page.get_by_role("button", name="Make the plan").click()
    expect(page.get_by_role("alert")).to_contain_text("agents.hours-of-a-test.definition")
    check_with_axe(page)
    page.get_by_label("or the document itself").fill(DOCUMENT)
    page.get_by_role("button", name="Make the plan").click()
    expect(page.get_by_text("1 to add, 0 to change, 0 to remove")).to_be_visible()
    assert console.get("/hours-of-a-test").status == 404
    check_with_axe(page)
    page.get_by_role("button", name="Apply this plan").click()
    expect(page.get_by_text("Applied on 2/2 workers: 1 added.")).to_be_visible()
    assert "/dashboard/settings/audit/?request_id=" in page.url
    expect(page.get_by_role("row", name="/hours-of-a-test").first).to_be_visible()
    assert console.get("/hours-of-a-test").status == 200
    console.command("unregister", "/hours-of-a-test")
    page.goto("/dashboard/settings/trash/")
    page.get_by_role("button", name="Restore hours-of-a-test").click()
    expect(page.get_by_text("hours-of-a-test answers at /hours-of-a-test again on 2/2 workers.")).to_be_visible()
    console.command("unregister", "/hours-of-a-test")


def test_the_audit_is_searched_in_its_address(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/settings/audit/")
    page.get_by_label("Name has").fill("reception")
    page.get_by_label("Name has").press("Enter")
    page.wait_for_url("**/audit/?q=reception*")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.get_by_label("Name has").fill("nobody has this name")
    page.get_by_label("Name has").press("Enter")
    page.wait_for_url("**/audit/?q=nobody*")  # there is no row while the page changes, too
    expect(page.locator("#list tbody tr")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("row", name="reception")).to_be_visible()


def test_a_viewer_administers_nothing(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/settings/")
    expect(page.get_by_text("an Admin makes and revokes them")).to_be_visible()
    expect(page.get_by_role("link", name="New token")).to_have_count(0)
    page.goto("/dashboard/settings/members/")
    expect(page.get_by_role("heading", name="This needs another role")).to_be_visible()
    page.goto("/dashboard/settings/apply/")
    expect(page.get_by_text("Importing needs the role Operator or Admin")).to_be_visible()
