"""Agents of the SDK brought to Switchboard through the pages, unchanged: a Python class, and a server that runs."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.pages.test_every_page import check_with_axe
from tests.e2e.server import Server
from tests.e2e.test_adopting import SCRIPT, running

SHOP = """
from signalwire import AgentBase
from signalwire.core.function_result import FunctionResult


class Sales(AgentBase):
    def __init__(self, currency="euros"):
        super().__init__(name="Sales", route="/anything")
        self.currency = currency
        self.prompt_add_section("Role", "You sell pumps.")
        self.define_tool(
            name="get_price",
            description="What a pump costs",
            parameters={"size": {"type": "integer", "description": "in litres"}},
            handler=self.price,
        )

    def price(self, args, raw):
        return FunctionResult(f"It costs {args['size'] * 9} {self.currency}.")


class Broken(AgentBase):
    def __init__(self):
        raise RuntimeError("the price list is missing")


class Slow(Sales):
    def __init__(self):
        import time

        time.sleep(1)
        super().__init__()
"""


# While the browser waits for the next page Playwright does not look at this one.
NOTE_WHAT_IS_SAID = """
    const button = document.querySelector(".primary[form='register-form']");
    new MutationObserver(() => (sessionStorage.said = `${registering.textContent} ${button.disabled}`))
        .observe(registering, { childList: true });
"""


def test_a_python_class_is_registered_runs_and_is_reloaded(
    own_server: Callable[..., Server], visit: Callable[..., Page], tmp_path: Path
) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    file = folder / "shop.py"
    file.write_text(SHOP)
    server = own_server(example=False, AGENT_PATH=str(folder))
    page = visit(server, "admin")
    page.goto("/dashboard/register/?source=python")
    page.locator("#class").focus()
    expect(page.locator("#class-offers option")).to_have_count(3)
    page.locator("#class").fill("shop:Broken")
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#class-note")).to_contain_text("the price list is missing")
    page.locator("#class").fill("shop:Sales")
    page.locator("#arguments").fill("currency: crowns")
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#looked")).to_contain_text("get_price")
    page.get_by_label("Name", exact=True).fill("sales")
    expect(page.locator("#check")).to_contain_text("sales answers with version 1")
    expect(page.locator("#looked")).to_contain_text("get_price")
    check_with_axe(page)
    page.get_by_role("button", name="Register", exact=True).click()
    page.wait_for_url("**/done/")

    page.goto("/dashboard/agents/sales/functions/")
    page.get_by_role("link", name="Run get_price").click()
    page.locator('[name="arg.size"]').fill("4")
    page.get_by_role("button", name="Run get_price").click()
    expect(page.locator("#answer")).to_contain_text("It costs 36 crowns.")
    page.goto("/dashboard/agents/sales/document/")
    expect(page.locator("#document-code")).to_contain_text("You sell pumps.")
    expect(page.locator("#document-code")).to_contain_text("__token=***")

    page.goto("/dashboard/agents/sales/definition/")
    expect(page.locator("#live-badge .is-ok")).to_be_visible()
    check_with_axe(page)
    page.get_by_role("button", name="Reload", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Its code is the same")
    file.write_text(SHOP.replace("* 9", "* 11"))
    page.get_by_role("button", name="Reload", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Version 2 is live")
    page.goto("/dashboard/test/?agent=sales&function=get_price&arguments=%7B%22size%22%3A4%7D")
    page.get_by_role("button", name="Run get_price").click()
    expect(page.locator("#answer")).to_contain_text("It costs 44 crowns.")

    page.goto("/dashboard/agents/sales/definition/source/")
    page.locator("#arguments").fill("currency: pounds")
    check_with_axe(page)
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".toast")).to_contain_text("Version 3 is live")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Version 4 is live")
    page.goto("/dashboard/agents/sales/definition/")
    expect(page.get_by_label("Arguments")).to_contain_text("crowns")


def test_registering_says_that_it_takes_time_and_is_offered_to_those_who_may(
    own_server: Callable[..., Server], visit: Callable[..., Page], tmp_path: Path
) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP)
    server = own_server(example=False, AGENT_PATH=str(folder))
    page = visit(server, "admin")
    page.goto("/dashboard/register/?source=python")
    page.locator("#class").fill("shop:Slow")
    page.get_by_label("Name", exact=True).fill("slow")
    register = page.get_by_role("button", name="Register", exact=True)
    page.evaluate(NOTE_WHAT_IS_SAID)
    register.click()
    page.wait_for_url("**/done/")
    assert page.evaluate("sessionStorage.said") == "Building the agent … true"
    page.go_back()
    expect(register).to_be_enabled()
    expect(page.locator("#registering")).to_be_hidden()

    page = visit(server, "operator")
    page.goto("/dashboard/register/?source=python")
    register = page.get_by_role("button", name="Register", exact=True)
    expect(page.locator("#class-note")).to_contain_text("an Admin may register one")
    expect(register).to_be_hidden()
    page.get_by_label("Built here").check()
    expect(register).to_be_visible()


def test_a_running_server_is_adopted_asked_and_missed_when_it_is_gone(
    own_server: Callable[..., Server], visit: Callable[..., Page], tmp_path: Path
) -> None:
    server = own_server(example=False)
    page = visit(server, "admin")
    with running(SCRIPT) as url:
        page.goto("/dashboard/settings/adopt/")
        page.get_by_label("URL").fill(url)
        page.get_by_label("User").fill("up")
        page.get_by_label("Password").fill("stream-password")
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator("#there table")).to_be_visible()
        check_with_axe(page)
        page.get_by_role("button", name="Register the picked ones").click()
        expect(page.get_by_role("heading", name="Adopted from")).to_be_visible()
        check_with_axe(page)
        agent = page.locator(".main-link").first.inner_text()

        page.goto(f"/dashboard/agents/{agent}/document/")
        expect(page.locator("#document-code")).to_contain_text("sections")
        shown = page.locator("#document-code").inner_text()
        assert "stream-password" not in shown
        assert url not in shown
        page.goto(f"/dashboard/agents/{agent}/definition/")
        expect(page.locator(".endpoints")).to_contain_text("Answers")
        expect(page.locator("#live-badge .is-ok")).to_be_visible()
        check_with_axe(page)
        page.get_by_label("User").fill("up")
        page.get_by_label("Password").fill("a wrong one")
        page.get_by_role("button", name="Replace them").click()
        expect(page.locator("#server-note .is-bad")).to_be_visible()
        page.get_by_role("button", name="Look again").click()
        expect(page.locator(".toast")).to_contain_text("Its server says the same")

        page.goto("/dashboard/register/?source=remote")
        page.locator("#server_user").fill("up")
        page.locator("#server_password").fill("stream-password")
        page.locator("#url").fill(f"{url}/clinic/bonn")
        page.get_by_label("Name", exact=True).fill("bonn")
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator("#looked")).to_contain_text("find_slot")
        expect(page.locator("#check")).to_contain_text("bonn answers with version 1")
        expect(page.locator("#source-note .is-bad")).to_have_count(0)
        page.locator("#url").fill(f"{url}/nowhere")
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator("#url-note .is-bad")).to_be_visible()
    page.goto(f"/dashboard/agents/{agent}/document/")
    expect(page.locator("#rendered .is-bad").first).to_be_visible()
