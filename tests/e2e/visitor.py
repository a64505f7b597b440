"""A browser behind a proxy, by HTTP alone: what the proxy adds, and what cookies and forms of the pages are."""

import http.client
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from tests.e2e.server import Server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Seen(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    cookies: list[str]  # as they were set
    text: str


class Visitor:
    """Follows nothing by itself. `cut`: what the proxy takes away at the beginning of paths."""

    def __init__(self, server: Server, cut: str = "", origin: str | None = None, **headers: str):
        self.server = server
        self.cut = cut
        self.origin = server.base if origin is None else origin
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, data: Mapping[str, str] | None = None, **headers: str) -> Seen:
        """One request; a POST if there is data. `headers` are the browser's, beside the proxy's."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if data is not None:
            sent = {"Origin": self.origin, **FORM, **sent}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            assert path.startswith(self.cut), f"{path} leaves {self.cut}"
            body = None if data is None else urlencode(data)
            connection.request("GET" if data is None else "POST", path[len(self.cut) :] or "/", body, sent)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            lines = response.getheaders()
        finally:
            connection.close()
        cookies = [value for name, value in lines if name.lower() == "set-cookie"]
        for cookie in cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Seen(response.status, {name.lower(): value for name, value in lines}, cookies, text)

    def send(self, path: str, data: Mapping[str, str], **headers: str) -> Seen:
        """Send the form of a page."""
        token = TOKEN.search(self.ask(path).text)
        return self.ask(path, {**data, "csrfmiddlewaretoken": token[1] if token else ""}, **headers)

    def sign_in(self, link: str) -> Seen:
        """By a link, as its page does it."""
        return self.send(link, {"next": ""})
