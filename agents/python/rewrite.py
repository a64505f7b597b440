"""Puts the public addresses where a host has left a placeholder: it knows neither our URL nor our credentials."""

import re
from re import Match

from agents.python.switchboard_host.placeholders import HOST, PASSWORD, USER
from agents.wire import SUB_PATHS, VERSION_MARK, AgentRequest

UNKNOWN = HOST.encode()
BEHIND_SCHEME = rb"://(%b:%b@)?%b((?:/[^\"?#\\\s]*)?)(\?[^\"#\\\s]*)?" % (
    re.escape(USER.encode()),
    re.escape(PASSWORD.encode()),
    re.escape(UNKNOWN),
)
PLACEHOLDER = re.compile(b"http" + BEHIND_SCHEME)
OTHER_SCHEMES = re.compile(rb"(?:https|wss?)" + BEHIND_SCHEME)  # that an agent has put there itself
USERINFO = re.compile(rb"://[^/@]*@")


def with_our_addresses(text: bytes, request: AgentRequest, route: str, version: int) -> bytes:
    """A document, or an answer, with our URLs. `route`: that the host believes to be at.

    The agent's own URLs get its public URL with its credentials, those of other routes theirs. From the second version
    on, the URLs that a running call comes back to name it.
    """
    prefix = route.rstrip("/").encode()
    mark = f"{VERSION_MARK}={version}".encode() if version > 1 else b""

    def at(path: bytes) -> str | None:
        return request.urls.at(path.decode("latin-1").rstrip("/") or "/")

    def ours(found: Match[bytes]) -> bytes:
        userinfo, path, query = found.groups(default=b"")
        mine = path == prefix or path.startswith(prefix + b"/")
        rest = path[len(prefix) :] if mine else b""
        while prefix and (rest == prefix or rest.startswith(prefix + b"/")):
            rest = rest[len(prefix) :]  # who wrote it knew the SDK's `get_full_url` behind a proxy, without a route
        comes_back = rest.strip(b"/").decode("latin-1") in SUB_PATHS
        # Another agent may be inside our route, as all are inside the root; or be meant to be beside it, likewise.
        places = (path, rest) if mine and rest else (path,)
        other = next(filter(None, map(at, places)), None) if userinfo and not comes_back else None
        if mine and (other is None or not rest.strip(b"/")):
            if mark and comes_back:
                query = query + b"&" + mark if query else b"?" + mark
            place = request.urls.own if userinfo else USERINFO.sub(b"://", request.urls.own, count=1)
            return place + rest + query
        return (other.encode() if other else request.urls.base + path) + query

    def in_its_scheme(found: Match[bytes]) -> bytes:
        url = ours(found)
        return url.replace(b"http", b"ws", 1) if found[0].startswith(b"ws") else url

    text = PLACEHOLDER.sub(ours, text)
    return OTHER_SCHEMES.sub(in_its_scheme, text) if UNKNOWN in text else text
