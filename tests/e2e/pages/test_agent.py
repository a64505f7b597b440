"""An agent's page in a real browser, on a server that really answers."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.server import Server

DEFINITION = "prompt: {text: You take notes.}\n"


def test_pausing_unregistering_and_back_again(own_server: Callable[..., Server], visit: Callable[..., Page]) -> None:
    server = own_server()
    page = visit(server, "operator")
    page.goto("/dashboard/agents/sales-agent/")

    page.keyboard.press("p")
    page.get_by_label("Callers hear").fill("Our sales desk is closed until noon.")
    page.get_by_role("button", name="Pause sales-agent").click()
    expect(page.locator(".toast")).to_contain_text("paused for 15 minutes on 1/1 workers")
    expect(page.locator("#agent-facts")).to_contain_text("Paused")
    assert "Our sales desk is closed until noon." in server.get("/sales").text
    page.get_by_role("link", name="Document").click()
    expect(page.locator("#document-code")).to_contain_text("Our sales desk is closed until noon.")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#agent-facts")).to_contain_text("Serving")
    assert server.get("/sales").ai

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("link", name="Unregister").click()
    expect(page.locator(".effects")).to_contain_text("3 SIP names")
    page.get_by_role("button", name="Unregister sales-agent").click()
    expect(page.locator("#banner")).to_contain_text("in the trash")
    assert server.get("/sales").status == 404
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#agent-facts")).to_contain_text("Serving")
    assert server.get("/sales").ai


def test_credentials_are_shown_where_somebody_asks_for_them(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/agents/front-desk/")
    page.get_by_role("button", name="Reveal credentials").click()
    page.locator("#reveal").get_by_role("button", name="Reveal credentials").click()
    expect(page.locator("#shown-url")).to_contain_text("//u:p@")
    expect(page.locator("#shown-password")).to_have_text("p")
    assert page.url.endswith("/agents/front-desk/")


def test_a_viewer_sees_no_working_control(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/agents/front-desk/routing/")
    expect(page.get_by_role("button", name="Copy SWML URL")).to_be_visible()
    expect(page.locator("#reach td.num").first).not_to_have_text("")
    for name in ("Pause", "Reveal credentials", "More actions", "Switch off", "Make default", "Remove", "Add the"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.goto("/dashboard/agents/front-desk/unregister/")
    expect(page.locator("h1")).to_contain_text("This needs another role")


def test_the_first_request_turns_the_page_green(console: Server, visit: Callable[..., Page]) -> None:
    file = console.log.parent / "notes.yaml"
    file.write_text(DEFINITION)
    console.command("register", "note-taker", "--route", "/notes", "--file", str(file))
    page = visit(console, "operator")
    page.goto("/dashboard/agents/note-taker/")
    expect(page.locator("#waiting")).to_contain_text("Waiting for the first request")
    page.wait_for_selector("#live-badge .is-ok")
    assert console.get("/notes").status == 200
    expect(page.locator("#waiting")).to_contain_text("The first request has arrived")
    expect(page.locator("#latest tbody tr")).to_have_count(1)
    expect(page.locator("#figures")).to_contain_text("1")


def test_the_document_follows_its_form_and_its_address(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/agents/front-desk/document/")
    page.get_by_label("Caller").fill("+15550100")
    page.get_by_label("Caller").press("Enter")
    expect(page.locator("#rendered")).to_contain_text("as +15550100 gets it")
    page.wait_for_url("**from=%2B15550100**")
    page.reload()
    expect(page.get_by_label("Caller")).to_have_value("+15550100")
    line = page.locator("#document-code summary").first
    line.click()
    expect(page.locator("#document-code .l", has_text='"main"')).to_be_hidden()
