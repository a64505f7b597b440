"""A real browser on a real `serve`. What goes wrong in a page's console fails the test that opened it."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.e2e.server import Server, database_url

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ACTION_SECONDS = 10
EXPECTED = re.compile(
    r"Failed to load resource|WebSocket connection to|Response Status Error Code (4\d\d|503)|"
    r"htmx:(sendError|sendAbort|afterRequest)|^\[object Event\]$"
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of this folder. As long as it runs, this thread has a running event loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with the example fleet; for tests that leave it as it is, but for what they themselves add."""
    server = Server(database_url("e2e_pages"), tmp_path_factory.mktemp("pages") / "data", example=True)
    yield server
    server.stop()


Key = tuple[str, str, str]


class Visitors:
    """People with their browsers. Each has a role, is signed in by a link, and is kept for the next test.

    So is a browser's context, for a new one loads and compiles everything anew: without its pages, and with what it
    remembers as it was after signing in.
    """

    def __init__(self, browser: Browser):
        self.browser = browser
        self.states: dict[Key, str] = {}
        self.contexts: list[BrowserContext] = []  # of the test that runs, and not for others
        self.lent: dict[Key, BrowserContext] = {}
        self.kept: dict[Key, BrowserContext] = {}
        self.complaints: list[str] = []

    def __call__(self, server: Server, role: str = "admin", name: str = "", **options: object) -> Page:
        """A new page of somebody with this role, or with it and of this name: who signs out is nobody's for the others.

        `options`: viewport, color_scheme … of the browser's context.
        """
        key = (server.base, role, name)  # not the database: the next server of its own has one of the same name
        if key not in self.states:
            self.states[key] = self.sign_in(server, role, name or f"{role}-of-a-test")
        context = self.kept.pop(key, None) if not options else None
        if context is None:
            state = json.loads(self.states[key])
            context = self.browser.new_context(storage_state=state, base_url=server.base, **options)  # type: ignore[arg-type]
            context.set_default_timeout(ACTION_SECONDS * 1000)
        if options or name or key in self.lent:
            self.contexts.append(context)
        else:
            self.lent[key] = context
        page = context.new_page()
        self.listen(page)
        return page

    def sign_in(self, server: Server, role: str, name: str) -> str:
        """By a link, as somebody new."""
        added = server.command("member", "add", name, "--role", role)
        link = next(word for word in added.split() if "/sign-in/link/" in word)
        context = self.browser.new_context(base_url=server.base)
        page = context.new_page()
        page.goto(urlsplit(link).path)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/dashboard/password/")
        state = json.dumps(context.storage_state())
        context.close()
        return state

    def leave(self) -> None:
        """The test has ended."""
        for context in self.contexts:
            context.close()
        for key, context in self.lent.items():
            cookies = json.loads(self.states[key])["cookies"]
            for page in context.pages:
                with contextlib.suppress(Error):  # its server may be gone, and a page of the browser's in its place
                    page.evaluate("localStorage.clear()")
                page.close()
            context.clear_cookies()
            context.add_cookies(cookies)
            self.kept[key] = context
        self.contexts.clear()
        self.lent.clear()

    def listen(self, page: Page) -> None:
        """Note what the console complains of: errors, and what the content security policy refuses."""
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning")
                and not self.expected(message.text)
                and self.complaints.append(f"{page.url}: {message.text}")
            ),
        )

    def expected(self, text: str) -> bool:
        """What a browser says of every answer that is an error, and of a server that is gone."""
        return bool(EXPECTED.search(text))


@pytest.fixture(scope="package")
def visitors(browser: Browser) -> Visitors:
    return Visitors(browser)


@pytest.fixture
def visit(visitors: Visitors) -> Iterator[Callable[..., Page]]:
    """`visit(server, "operator")`: a page of an Operator who is signed in; relative addresses lead to the server."""
    yield visitors
    visitors.leave()
    complaints, visitors.complaints = visitors.complaints, []
    assert not complaints


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers for tests that change or stop them; arguments as `Server`'s."""
    servers: list[Server] = []

    def make(**options: object) -> Server:
        number = len(servers)
        url = database_url(f"e2e_own_{number}")
        servers.append(Server(url, tmp_path / f"data-{number}", **{"example": True, "workers": 1, **options}))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        if server.process.poll() is None:
            server.stop()
