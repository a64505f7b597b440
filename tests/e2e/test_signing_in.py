"""From the link that a real `serve` prints to the admin, by HTTP alone; and scripts that watch with a token."""

import asyncio
import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.server import Server
from tests.e2e.watching import messages


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server(workers=2, example=True)


class Browser:
    """Keeps cookies, follows redirects, sends the forms of pages."""

    def __init__(self) -> None:
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def ask(self, url: str, **data: str) -> tuple[int, str, str]:
        """Status, final URL and text."""
        body = urllib.parse.urlencode(data).encode() if data else None
        request = urllib.request.Request(url, body, {"Origin": url.partition("/dashboard")[0]} if data else {})
        try:
            with self.opener.open(request, timeout=20) as response:
                return response.status, response.url, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.url or "", error.read().decode()

    def send(self, url: str, **data: str) -> tuple[int, str, str]:
        """Send a page's form."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.ask(url)[2])
        assert token
        return self.ask(url, csrfmiddlewaretoken=token[1], **data)


def test_the_link_of_the_first_start_leads_into_the_admin(server: Server) -> None:
    found = re.search(rf"{server.base}/dashboard/sign-in/link/\S+", server.printed)
    assert found, server.printed
    link = found[0]
    browser = Browser()
    assert browser.ask(f"{server.base}/admin/")[1].startswith(f"{server.base}/dashboard/sign-in/")
    assert "Sign in as admin" in browser.ask(link)[2]
    status, url, text = browser.send(link)
    assert (status, url) == (200, f"{server.base}/dashboard/password/")
    assert "Not now" in text
    status, url, text = browser.ask(f"{server.base}/dashboard/")
    assert (status, url) == (200, f"{server.base}/dashboard/overview/")
    assert "Agents" in text
    assert "sales-agent" in browser.ask(f"{server.base}/admin/agents/agent/")[2]
    assert Browser().ask(link)[0] == 410
    password = "a wholly unguessable one"
    assert (
        "Your password is set"
        in browser.send(f"{server.base}/dashboard/password/", new_password1=password, new_password2=password)[2]
    )
    again = Browser()
    sign_in = f"{server.base}/dashboard/sign-in/?next=/admin/registry/route/"
    status, url, _ = again.send(sign_in, username="admin", password=password, next="/admin/registry/route/")
    assert (status, url) == (200, f"{server.base}/admin/registry/route/")
    css = again.ask(f"{server.base}/static/css/base.css")
    assert (css[0], "@layer" in css[2]) == (200, True)


async def until_closed(viewer: ClientConnection) -> None:
    """Read on."""
    while True:
        await viewer.recv()


def test_a_script_watches_with_a_token_until_it_is_revoked(server: Server) -> None:
    made = json.loads(server.command("token", "create", "watching", "--scope", "read", "--json"))
    url = f"{server.base.replace('http', 'ws', 1)}/ws/events"

    async def watch() -> None:
        headers = {"Authorization": f"Bearer {made['token']}"}
        async with connect(url, additional_headers=headers) as viewer:
            await messages(viewer)
            await asyncio.to_thread(server.get, "/sales")
            assert (await messages(viewer))["events"][0]["agent"] == "sales-agent"
            await asyncio.to_thread(server.command, "token", "revoke", made["key"])
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(until_closed(viewer), 12)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 4401
            assert "is revoked since" in closed.value.rcvd.reason

    asyncio.run(watch())
