"""From the sign-in link to the first call of a new agent, in a real browser."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.server import Server


def test_from_the_sign_in_link_to_the_first_call_in_six_clicks_and_one_form(
    own_server: Callable[..., Server], visitors: Callable[..., Page], visit: Callable[..., Page]
) -> None:
    server = own_server()
    context = visitors.browser.new_context(base_url=server.base)  # type: ignore[attr-defined]
    visitors.contexts.append(context)  # type: ignore[attr-defined]
    page = context.new_page()
    visitors.listen(page)  # type: ignore[attr-defined]
    clicks = 0

    def click(name: str, role: str = "button") -> None:
        nonlocal clicks
        clicks += 1
        page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]

    link = next(word for word in server.command("member", "link", "admin").split() if "/sign-in/link/" in word)
    page.goto(link[link.index("/dashboard/") :])
    click("Sign in")
    click("Not now", "link")
    page.wait_for_url("**/dashboard/overview/")
    click("Register agent", "link")
    page.get_by_label("Name", exact=True).fill("concierge")
    expect(page.get_by_label("Route", exact=True)).to_have_value("/concierge")
    expect(page.locator("#name-note")).to_contain_text("Free")
    expect(page.locator("#check")).to_contain_text("concierge answers with version 1")
    click("Register")
    page.wait_for_url("**/dashboard/register/concierge/done/")
    expect(page.locator("#first")).to_contain_text("Waiting for the first request")
    expect(page.locator("#live-badge .is-ok")).to_be_visible()
    assert server.get("/concierge").status == 200
    expect(page.locator("#first")).to_contain_text("The first request has arrived")
    expect(page.locator("#first")).to_contain_text("GET /concierge")
    assert clicks <= 6


def test_what_is_taken_is_named_while_one_types(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/register/")
    page.get_by_label("Name", exact=True).fill("lobby")
    page.get_by_label("Route", exact=True).fill("/sales")
    note = page.locator("#route-note")
    expect(note).to_contain_text("belongs to sales-agent")
    expect(page.get_by_label("Route", exact=True)).to_have_attribute("aria-invalid", "true")
    page.locator("#sip").fill("lobby-line\nHelp-Desk")
    expect(page.locator("#sip-note")).to_contain_text("help-desk belongs to support-agent at /support")
    page.get_by_role("button", name="Use help-desk-2").click()
    expect(page.locator("#sip")).to_have_value("lobby-line\nhelp-desk-2")
    page.get_by_role("button", name="Use /sales-2").click()
    expect(note).to_contain_text("Free")
    expect(page.locator("#result")).not_to_contain_text("to settle")
    page.get_by_label("Name", exact=True).fill("sales-agent")
    expect(page.locator("#name-note a")).to_have_attribute("href", "/dashboard/agents/sales-agent/")


def test_a_file_is_checked_like_what_is_pasted(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/register/")
    page.get_by_text("Import", exact=True).click()
    page.get_by_label("Or a file").set_input_files(
        {"name": "a.yaml", "mimeType": "text/yaml", "buffer": b"prompt: {text: Hello}\nnonsense: 1"}
    )
    expect(page.locator("#source-note")).to_contain_text("nonsense")
    page.get_by_label("Definition or SWML document").fill("prompt: {text: Hello}")
    expect(page.locator("#source-note")).to_contain_text("Valid")
