"""The pages where PUBLIC_URL has a path, in a real browser: nothing that they ask for leaves it."""

import re
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.e2e.server import Server

PAGES = ("overview", "agents", "agents/sales-agent", "routing", "log", "calls", "test", "settings/tokens")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_pages_and_their_connection_stay_below_the_path_of_public_url(
    own_server: Callable[..., Server], visit: Callable[..., Page]
) -> None:
    port = free_port()
    server = own_server(port=port, PUBLIC_URL=f"http://127.0.0.1:{port}/voice")
    page = visit(server, "admin")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda opened: asked.append(opened.url))
    for name in PAGES:
        page.goto(f"/voice/dashboard/{name}/")
        expect(page.locator("#live-badge .is-ok")).to_be_visible()
    page.goto("/voice/dashboard/log/")
    expect(page.locator("#live-badge .is-ok")).to_be_visible()
    server.get("/sales")  # a row comes by the socket, with its links
    row = page.locator("#log-rows tr[id] .main-link").first
    expect(row).to_have_attribute("href", re.compile("^/voice/dashboard/log/"))
    row.click()
    expect(page.locator("#drawer.drawer")).to_be_visible()
    page.locator("#drawer-close").click()
    page.get_by_role("link", name="Agents").first.click()
    page.wait_for_url("**/voice/dashboard/agents/**")
    ours = [urlsplit(url).path for url in asked if urlsplit(url).port == port]
    assert any(path == "/voice/ws/page" for path in ours)
    assert any(path.startswith("/voice/static/") for path in ours)
    assert [path for path in ours if not path.startswith("/voice/")] == []
