"""Asking who answers, mapping what nobody has, and taking it back, in a real browser."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.server import Server


def test_the_tester_explains_a_name_and_maps_an_unmatched_one(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/routing/")
    page.get_by_label("Who answers", exact=True).fill("sip:Help-Desk@example.com")
    page.keyboard.press("Enter")
    answer = page.locator("#answer")
    expect(answer).to_contain_text("support-agent answers, version 1")
    expect(answer).to_contain_text("SIP name help-desk is mapped to /support")
    assert "ask=sip%3AHelp-Desk%40example.com" in page.url
    page.get_by_label("Who answers", exact=True).fill("sip:help-desk9@example.com")
    page.keyboard.press("Enter")
    expect(answer).to_contain_text("Nobody answers: 404")
    page.get_by_role("button", name="Map help-desk9 to /support").click()
    expect(answer).to_contain_text("support-agent answers, version 1")
    asked = console.post("/sip", {"call": {"call_id": "c9", "to": "sip:help-desk9@example.com"}})
    assert asked.status == 200
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(answer).to_contain_text("Nobody answers: 404")
    page.go_back()
    expect(page.get_by_role("heading", name="Routing", level=1)).to_be_visible()


def test_a_name_is_unmapped_and_comes_back_by_undo(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "operator")
    page.goto("/dashboard/routing/?map=Spare-Name&to=/billing")
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("spare-name leads to /billing")
    page.locator("#q").fill("spare")
    row = page.locator("#list tbody tr")
    expect(row).to_have_count(1)
    assert "q=spare" in page.url
    row.get_by_role("link").first.click()
    expect(page.locator(".drawer")).to_contain_text("Calls to spare-name will reach nobody: 404.")
    page.get_by_role("button", name="Unmap").click()
    expect(page.locator("#toasts")).to_contain_text("spare-name is unmapped")
    expect(page.locator("#list")).to_contain_text("No SIP name")
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(page.locator("#list")).to_contain_text("Spare-Name → spare-name")
    page.locator("#toasts").get_by_role("button", name="Close").first.click()
    console.request("POST", "/sip", {"call": {"to": "spare-name"}})
    page.locator("#list tbody tr").get_by_role("link").first.click()
    page.get_by_role("button", name="Unmap").click()
    expect(page.locator("#list")).to_contain_text("No SIP name")


def test_secrets_do_not_go_into_the_address(console: Server, visit: Callable[..., Page]) -> None:
    page = visit(console, "viewer")
    page.goto("/dashboard/routing/")
    page.get_by_label("Who answers", exact=True).fill(
        f"{console.base.replace('//', '//u:hidden@')}/sales?__token=hidden"
    )
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("sales-agent answers")
    assert "hidden" not in page.url
    expect(page.get_by_role("button", name="Map")).to_have_count(0)
