#!/usr/bin/env python3
"""Makes the pictures of docs/tour.md from a real server, so that they show what there is.

    .venv/bin/python docs/tour/pictures.py [NAME …]          all of them, unless some are named

It needs no database: an embedded Postgres in a temporary folder, which is removed again, with the example fleet, an
agent whose author's server is away, and some calls. Needs chromium at /usr/bin/chromium, as the tests do.
"""

import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 800}
CALL = "7c1e9f04-5b1d-4c86-9b0e-2f6d5a1c3e90"
ASKED = [("/sales", "sales"), ("/support", "support"), ("/billing", "billing"), ("/main", "front-desk")]
STOCK = {
    "prompt": {"text": "You say what is in stock."},
    "functions": {
        "check_stock": {
            "description": "Ask the warehouse",
            "parameters": {"type": "object", "properties": {"product": {"type": "string"}}, "required": ["product"]},
            "handler": {"webhook": {"url": "https://warehouse.invalid/stock"}},
        }
    },
}


class Stop(NamedTuple):
    """A picture: its page, and what is done there first. `{event}` is an event that failed."""

    name: str
    path: str
    ready: str  # what must be seen before the picture is taken
    dark: bool = False
    first: Callable[[Any], None] = lambda page: None


def type_a_taken_route(page: Any) -> None:
    """Registering an agent where somebody answers already."""
    page.locator("[name=name]").fill("concierge")
    page.locator("[name=route]").fill("/sales")
    page.locator("[name=route]").blur()
    page.get_by_text("sales-agent").last.wait_for()


def say_more(page: Any) -> None:
    """An edit that is not saved yet, with the difference that callers would get."""
    page.locator("textarea:visible").first.fill("You are a sales representative for Acme Corp. Be brief.")
    page.locator(".code .add").first.wait_for()


def ask_for_a_price(page: Any) -> None:
    """A function that has run."""
    page.get_by_label("product").fill("Enterprise")
    page.get_by_role("button", name="Run get_pricing").click()
    page.get_by_text("The price for Enterprise is").first.wait_for()


STOPS = [
    Stop("overview", "/dashboard/overview/", "svg.spark"),
    Stop("agents", "/dashboard/agents/", "tbody tr"),
    Stop("register", "/dashboard/register/", "h1", first=type_a_taken_route),
    Stop("definition", "/dashboard/agents/sales-agent/definition/", ".editor", first=say_more),
    Stop("routing", "/dashboard/routing/?ask=sip%3Ahelp-desk%40example.com&from=%2B12125550148", ".steps li"),
    Stop("log", "/dashboard/log/{event}/", ".drawer .steps li", dark=True),
    Stop("call", f"/dashboard/calls/{CALL}/", ".lanes svg"),
    Stop(
        "test", "/dashboard/test/?tool=function&agent=sales-agent&function=get_pricing", "form", first=ask_for_a_price
    ),
]


def make_calls(server: Any) -> str:
    """What the pictures show: calls of an hour's five minutes, some of which fail. An event that failed."""
    chance = random.Random(7)  # noqa: S311 - the same pictures every time
    for number in range(40):
        path, name = chance.choice(ASKED)
        call = f"{chance.getrandbits(128):032x}"
        caller = f"+1212555{chance.randrange(100, 200):04}"
        document = {"call": {"call_id": call, "from": caller, "to": f"sip:{name}@example.com"}}
        server.post(path, document)
        if number % 3 == 0:
            server.post("/stock", {"call": {"call_id": call, "from": caller, "to": "sip:stock@example.com"}})
            ask(server, "/stock", "check_stock", call, {"product": "pump"})
    for name in ("helpdesk2", "helpdesk2", "sale"):
        server.post("/sip", {"call": {"call_id": "lost", "from": "+12125550148", "to": f"sip:{name}@example.com"}})
    facts = {"call_id": CALL, "from": "+12125550148", "to": "sip:sales@example.com"}
    server.post("/sales", {"call": facts})
    ask(server, "/sales", "get_pricing", CALL, {"product": "Enterprise"})
    server.post("/stock", {"call": facts})
    ask(server, "/stock", "check_stock", CALL, {"product": "pump"})
    return str(server.events(1, "outcome = 'error'")[-1]["id"])


def ask(server: Any, route: str, function: str, call: str, arguments: dict[str, str]) -> None:
    """Call a function as the platform does."""
    body = {"function": function, "call_id": call, "argument": {"parsed": [arguments]}}
    server.post(server.function_path(route, function, call), body)


def take(page: Any, stop: Stop, event: str, folder: Path) -> None:
    """One picture."""
    from playwright.sync_api import expect

    page.emulate_media(color_scheme="dark" if stop.dark else "light", reduced_motion="reduce")
    page.set_viewport_size(SIZE)
    page.goto(stop.path.format(event=event))
    page.locator(stop.ready).first.wait_for()
    page.locator("#live-word", has_text=re.compile("Live|Paused")).wait_for()
    stop.first(page)
    expect(page.locator(".htmx-request, .bone")).to_have_count(0)
    page.screenshot(path=str(folder / f"{stop.name}.png"))


def main() -> None:
    """Make them."""
    data = Path(tempfile.mkdtemp(prefix="switchboard-tour-"))
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data)}
    import django

    django.setup()

    from playwright.sync_api import sync_playwright

    from config.embedded.cluster import close_all
    from config.embedded.locks import STOP_SECONDS
    from tests.e2e.server import Server, database_url

    server = None
    try:
        server = Server(database_url("tour"), data / "serve", example=True)
        file = data / "stock.yaml"
        file.write_text(str(STOCK))
        server.command("register", "stock", "--route", "/stock", "--file", str(file))
        link = re.search(r"/dashboard/sign-in/link/\S+", server.printed)
        assert link is not None
        event = make_calls(server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless=new", "--no-sandbox"])
            page = browser.new_page(base_url=server.base)
            page.goto(link[0])
            page.get_by_role("button", name="Sign in").click()
            for stop in STOPS:
                if not sys.argv[1:] or stop.name in sys.argv[1:]:
                    take(page, stop, event, HERE)
                    print(f"docs/tour/{stop.name}.png")
            browser.close()
    finally:
        if server is not None:
            server.stop()
        close_all(wait=STOP_SECONDS)
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
