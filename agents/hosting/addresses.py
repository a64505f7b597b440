"""Puts the public addresses where a host has left a placeholder: it knows neither our URL nor our credentials."""

import re
from re import Match

from agents.hosting.switchboard_host.placeholders import HOST, PASSWORD, USER
from agents.wire import SUB_PATHS, VERSION_MARK, AgentRequest

PLACEHOLDER = re.compile(
    rb"http://(%b:%b@)?%b((?:/[^\"?#\\\s]*)?)(\?[^\"#\\\s]*)?"
    % (re.escape(USER.encode()), re.escape(PASSWORD.encode()), re.escape(HOST.encode()))
)


def with_our_addresses(text: bytes, request: AgentRequest, route: str, version: int) -> bytes:
    """A document, or an answer, with our URLs. `route`: that the host believes to be at.

    The agent's own URLs get its public URL with its credentials, those of other routes theirs. From the second version
    on, the URLs that a running call comes back to name it.
    """
    prefix = route.rstrip("/").encode()
    mark = f"{VERSION_MARK}={version}".encode() if version > 1 else b""

    def ours(found: Match[bytes]) -> bytes:
        userinfo, path, query = found.groups(default=b"")
        mine = path == prefix or path.startswith(prefix + b"/")
        rest = path[len(prefix) :] if mine else b""
        comes_back = rest.strip(b"/").decode("latin-1") in SUB_PATHS
        # Another agent may be inside our route, as all are inside the root.
        other = request.url_at(path.decode("latin-1").rstrip("/") or "/") if userinfo and not comes_back else None
        if mine and (other is None or not rest.strip(b"/")):
            if mark and comes_back:
                query = query + b"&" + mark if query else b"?" + mark
            place = request.url if userinfo else request.base + prefix
            return place + rest + query
        return (other.encode() if other else request.base + path) + query

    return PLACEHOLDER.sub(ours, text)
