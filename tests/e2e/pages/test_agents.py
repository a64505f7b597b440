"""The list of agents in a browser: filters, acts on several with Undo, and cells that change by themselves."""

import re

from playwright.sync_api import expect

from tests.e2e.server import Server


def row(page, name: str):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_filter_pause_several_and_undo_an_unregistration(own_server, visit):
    page = visit(own_server(), "operator")
    page.goto("/dashboard/agents/")
    page.get_by_label("Filter by name").press_sequentially("agent")
    expect(page).to_have_url(re.compile(r"q=agent"))
    expect(page.get_by_text("1 to 3 of 3")).to_be_visible()
    expect(page.get_by_label("Filter by name")).to_be_focused()
    expect(page.get_by_role("button", name="Pause …")).to_be_hidden()

    page.get_by_label("Pick all on this page").check()
    expect(page.get_by_text("3 picked")).to_be_visible()
    page.get_by_label("Pick sales-agent").uncheck()
    expect(page.get_by_text("2 picked")).to_be_visible()
    page.get_by_role("button", name="Pause …").click()
    page.get_by_label("What callers hear").fill("Closed today.")
    page.get_by_role("button", name="Pause 2 agents").click()
    expect(page.get_by_text(re.compile("Paused 2 agents on 1/1 workers"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=agent"))
    expect(row(page, "billing-agent")).to_contain_text("Paused")
    page.get_by_role("link", name="Paused 2").click()
    expect(page).to_have_url(re.compile("status=paused"))
    expect(page.get_by_text("1 to 2 of 2")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("1 to 3 of 3")).to_be_visible()

    page.get_by_label("Pick sales-agent").check()
    page.get_by_label("Pick support-agent").check()
    page.get_by_role("button", name="Unregister …").click()
    expect(page.get_by_text("2 routes answer 404 from then on")).to_be_visible()
    page.get_by_role("button", name="Unregister 2 agents").click()
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(re.compile("Restored 2 agents"))).to_be_visible()
    expect(page.get_by_text("1 to 3 of 3")).to_be_visible()


def test_cells_change_when_a_call_arrives_and_rows_stay(console: Server, visit):
    page = visit(console, "viewer")
    page.goto("/dashboard/agents/?sort=-last")
    before = page.locator("tbody .main-link").all_inner_texts()
    last = before[-1]
    at = {"front-desk": "/main", "sales-agent": "/sales", "support-agent": "/support", "billing-agent": "/billing"}.get(
        last, f"/{last}"
    )
    hours = page.locator(f"#hours-{last}")
    had = hours.inner_html()
    expect(page.locator("#live-word")).to_have_text("Live")
    assert console.get(at).status == 200
    expect(hours.get_by_role("img")).to_be_visible()
    assert hours.inner_html() != had
    assert page.locator("tbody .main-link").all_inner_texts() == before


def test_a_registration_elsewhere_is_a_quiet_line(console: Server, visit, tmp_path):
    page = visit(console, "viewer")
    page.goto("/dashboard/agents/")
    rows = page.locator("tbody tr").count()
    expect(page.locator("#live-word")).to_have_text("Live")
    definition = tmp_path / "agent.yaml"
    definition.write_text("prompt: {text: Hello.}\n")
    console.command("register", "quiet-line", "--route", "/quiet-line", "--file", str(definition))
    expect(page.get_by_text("1 agent was registered or removed")).to_be_visible()
    assert page.locator("tbody tr").count() == rows
    page.get_by_role("link", name="reload the list").click()
    expect(page.get_by_role("link", name="quiet-line", exact=True)).to_be_visible()


def test_a_view_is_kept_in_this_browser_and_forgotten(console: Server, visit):
    page = visit(console, "viewer")
    page.goto("/dashboard/agents/?q=agent&sort=-route")
    page.get_by_role("button", name="Save this view").click()
    page.get_by_label("Name", exact=True).fill("Ours")
    page.get_by_role("button", name="Save", exact=True).click()
    views = page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Ours")).to_have_attribute("aria-current", "page")
    page.goto("/dashboard/agents/")
    views.get_by_role("link", name="Ours").click()
    expect(page).to_have_url(re.compile("q=agent&sort=-route"))
    page.get_by_role("button", name="Forget this view").click()
    expect(views.get_by_role("link", name="Ours")).to_have_count(0)


def test_search_walks_with_the_arrows(console: Server, visit):
    page = visit(console, "viewer")
    page.goto("/dashboard/overview/")
    expect(
        page.get_by_role("heading", name="Requests a minute").or_(page.get_by_text("No requests yet"))
    ).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("billing")
    expect(page.get_by_role("group", name="SIP names")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/dashboard/agents/billing-agent/"))
    expect(page.locator("#live-badge .is-ok")).to_be_visible()  # its scripts are there
    page.keyboard.press("/")
    page.keyboard.type("sip:help@example.com")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/dashboard/search/|/routing/"))
