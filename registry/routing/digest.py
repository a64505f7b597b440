"""What the log keeps of an answer to compare it with others: a digest that says the same whenever the answer does.

Tokens and our own URLs do not count, for they are another call's or another host's; nor does the version that documents
of Python and remote agents write into their URLs. The digest is the agent's key's (`agents.tokens.Key.digest`).
"""

import re
from functools import lru_cache

from agents.wire import VERSION_MARK, Answer, Version
from registry.routing.agent_urls import agent_url
from registry.routing.public_url import MAX_REMEMBERED, Sender
from registry.routing.table import RouteEntry

OURS = b"\0"  # stands for a URL of ours meanwhile: no JSON text has one
SCHEMES = (b"https", b"http", b"wss", b"ws")
# Each begins with characters that are found quickly; then it is looked back.
TOKEN = re.compile(rb"token=(?<=[?&_]token=)[^&\"\\#\s]*")


def digest_of(answer: Answer, sender: Sender, route: RouteEntry, version: Version | None) -> str:
    """The digest of an answer that an agent gave at a route."""
    if answer.digest:
        return answer.digest
    body = answer.body
    if b"://" in body:  # of functions few have one
        mark = f"{VERSION_MARK}={version.number}".encode() if version is not None and version.by_mark else b""
        body = bare(body, agent_url(sender, route).encode(), sender.host.encode(), mark)
    return route.agent.key.digest(body)


def bare(text: bytes, own: bytes, host: bytes, mark: bytes = b"") -> bytes:
    """A text without tokens and our URLs. `own`: that of the agent; `host`: of all of ours; `mark`: of its version."""
    text = text.replace(own, OURS)
    if host in text:
        text = urls_at(host).sub(OURS, text)
        for scheme in SCHEMES:
            text = text.replace(scheme + OURS, b"")
    text = text.replace(OURS, b"")
    if b"token=" in text:
        text = TOKEN.sub(b"token=", text)
    if mark and mark in text:
        text = text.replace(b"?" + mark, b"").replace(b"&" + mark, b"")
    return text


@lru_cache(MAX_REMEMBERED)
def urls_at(host: bytes) -> re.Pattern[bytes]:
    """Finds what URLs at a host have behind their scheme: userinfo, if any, and the host."""
    return re.compile(rb"://(?:[^/@\s\"\\]*@)?" + re.escape(host) + rb"(?![\w:-]|\.\w)")
