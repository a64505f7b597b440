"""What the log keeps of an answer to compare it with others: a digest that says the same whenever the answer does.

Tokens and our own URLs do not count, for they are another call's or another host's; nor does the version that documents
of Python and remote agents write into their URLs. The digest is the agent's key's (`agents.tokens.Key.digest`).
"""

import re
from functools import lru_cache

from agents.wire import VERSION_MARK, Answer
from registry.routing.agent_urls import agent_url
from registry.routing.public_url import MAX_REMEMBERED, Sender
from registry.routing.table import RouteEntry

SLASH = ord("/")
SCHEMES = (b"https", b"http", b"wss", b"ws")
PASSING = frozenset({b"__token", b"token", VERSION_MARK.encode()})  # parameters of our URLs that say nothing
URL = re.compile(rb'[^\s"\\<>]*')  # the rest of a URL, in a text of JSON


def digest_of(answer: Answer, sender: Sender, route: RouteEntry) -> str:
    """The digest of an answer that an agent gave at a route."""
    if answer.digest:
        return answer.digest
    body = answer.body
    if SLASH in body and b"://" in body:  # of functions few have one
        body = bare(body, agent_url(sender, route).encode(), sender.host.encode())
    return route.agent.key.digest(body)


def bare(text: bytes, own: bytes, host: bytes) -> bytes:
    """A JSON text without our URLs and their tokens. `own`: that of the agent; `host`: of all of them.

    Cut at what all URLs have, then only their beginnings and ends are looked at.
    """
    own = own.partition(b"://")[2]
    ours = url_at(host)
    first, *rest = text.split(b"://")
    pieces = [first]
    for piece in rest:
        begin = len(own) if piece.startswith(own) else found.end() if (found := ours.match(piece)) else 0
        if not begin:
            pieces += (b"://", piece)
            continue
        for scheme in SCHEMES:
            if pieces[-1].endswith(scheme):
                pieces[-1] = pieces[-1][: -len(scheme)]
                break
        end = URL.match(piece, begin).end()  # type: ignore[union-attr]  # it always matches
        path, _, query = piece[begin:end].partition(b"?")
        kept = [pair for pair in query.split(b"&") if pair.partition(b"=")[0] not in PASSING] if query else []
        pieces += (path, b"?" if kept else b"", b"&".join(kept), piece[end:])
    return b"".join(pieces)


@lru_cache(MAX_REMEMBERED)
def url_at(host: bytes) -> re.Pattern[bytes]:
    """Finds what a URL at a host has behind its scheme: userinfo, if any, and the host."""
    return re.compile(rb"(?:[^/@\s\"\\]*@)?" + re.escape(host) + rb"(?![\w:-]|\.\w)")
