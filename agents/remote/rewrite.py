"""Replaces the addresses of a remote agent's server by ours, in whatever it answers, and makes sure that none is left.

One pattern finds all URLs in the bytes of an answer. Those that are the server's own (they carry its userinfo, or have
one of its origins) become ours: its callback paths, the agent itself, other agents that are registered here.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from agents.remote.places import Leaks, Place, userinfo_pattern
from agents.wire import SUB_PATHS, VERSION_MARK, AgentRequest

# Stands for our own URLs until the rest has been searched for leaks: our credentials may be the same as the server's.
MARK = secrets.token_hex(16).encode()
MARKED = re.compile(MARK + rb"(\d+);")
# Fields that hold callback URLs, in front of one.
SLOT = re.compile(rb'"(?:web_hook_url|post_prompt_url|debug_webhook_url)"\s*:\s*"\Z')
SLOT_BYTES = 64
SCHEME = re.compile(rb"(?:https?|wss?)\Z", re.IGNORECASE)  # in front of ://
SCHEME_BYTES = 5
HIDDEN = re.compile(rb"\\(?:/|u00[2-7])")  # escapes that JSON does not need; what they stand for would not be found
NO_USERINFO = rb"(?!)"

AgentAt = Callable[[str], str | None]  # the name of the agent that is registered for a path on the same server


def nobody_at(_path: str) -> None:
    """For servers with one agent."""


class Target(NamedTuple):
    """Where one of the server's own URLs leads."""

    kind: str  # own, agent, base; or nowhere
    agent: str = ""
    rest: str = ""  # of the path


class Rewritten(NamedTuple):
    """An answer in which marks stand for our URLs."""

    text: bytes
    targets: tuple[Target, ...]
    nowhere: tuple[str, ...]  # paths on the server that nobody serves
    leak: bool  # something is left that nobody may see

    def filled(self, request: AgentRequest) -> bytes:
        """With our URLs as whoever sent this request knows them."""
        urls = [self.url(target, request) for target in self.targets]
        return MARKED.sub(lambda match: urls[int(match[1])], self.text)

    def url(self, target: Target, request: AgentRequest) -> bytes:
        """What a URL begins with."""
        if target.kind == "own":
            return request.urls.own
        if target.kind == "agent":
            return (request.urls.of(target.agent) or "").encode() or request.urls.base
        return request.urls.base


class Rewriter:
    """Rewrites the answers of one version of an agent.

    `upstream`: `user:password` of its server; `places`: all of it; `paths`: the agent's on its endpoints, without a
    slash at the end; `number`: of the version, which documents name from the second on.
    """

    def __init__(self, upstream: str, places: Iterable[Place], paths: Iterable[str], number: int = 1):
        self.places = frozenset(places)
        self.paths = tuple(dict.fromkeys(paths))
        self.mark = f"{VERSION_MARK}={number}".encode() if number > 1 else b""
        userinfo = userinfo_pattern(upstream) if upstream else NO_USERINFO
        # It begins with what has no case, so that it is looked for quickly: 30 us in 14 kB instead of 150.
        self.urls = re.compile(
            rb"://(?:(" + userinfo + rb')@|[^\s"\\/?#@<>]*@)?'
            rb"(\[[0-9a-f:.]+\]|[\w.\-\x80-\xff]+)(?::(\d{1,5}))?"
            rb'(/[^\s"\\?#<>]*)?([?#][^\s"\\<>]*)?',
            re.IGNORECASE,
        )
        self.leaks = Leaks(upstream, self.places)

    def rewrite(self, text: bytes, agent_at: AgentAt = nobody_at, *, document: bool) -> Rewritten:
        """`text`: JSON as `readable` gives it. `document`: what nobody serves there gets our address all the same."""
        targets: list[Target] = []
        nowhere: list[str] = []

        pieces: list[bytes] = []
        done = 0
        for match in self.urls.finditer(text):
            scheme = SCHEME.search(text, max(done, match.start() - SCHEME_BYTES), match.start())
            if scheme is None:
                continue
            userinfo, host, port, raw_path, tail = match.groups()
            place = Place.of(scheme[0].decode(), host.decode(errors="replace"), int(port) if port else None)
            if userinfo is None and place not in self.places:
                continue
            start = scheme.start()
            path = (raw_path or b"").decode(errors="replace")
            in_slot = document and SLOT.search(text, max(0, start - SLOT_BYTES), start) is not None
            target = self.target(path, agent_at, in_slot=in_slot)
            if target.kind == "nowhere":
                nowhere.append(path or "/")
                target = Target("base", rest=path)
            tail = tail or b""
            if self.mark and target.kind == "own" and target.rest:
                tail = marked(tail, self.mark)
            pieces += [text[done:start], MARK, b"%d;" % len(targets), target.rest.encode(errors="replace"), tail]
            targets.append(target)
            done = match.end()
        result = b"".join([*pieces, text[done:]])
        return Rewritten(result, tuple(targets), tuple(nowhere), self.leaks.any_in(result))

    def target(self, path: str, agent_at: AgentAt, *, in_slot: bool) -> Target:
        """Where a path on the server leads.

        An AgentServer writes callback URLs without the route that it serves them at (docs/contract.md, 3.2): in the
        fields for those, and elsewhere if nobody else is there, whatever ends in a callback's sub-path is the agent's.
        """
        bare = unquote(path).rstrip("/")
        head, _, last = bare.rpartition("/")
        sub_path = f"/{last}/" if path.endswith("/") else f"/{last}"
        if bare in self.paths:
            return Target("own")
        if last in SUB_PATHS and (in_slot or head in self.paths):
            return Target("own", rest=sub_path)
        if bare and (name := agent_at(bare)):
            return Target("agent", name)
        if last in SUB_PATHS:
            name = agent_at(head) if head else None
            return Target("agent", name, sub_path) if name else Target("own", rest=sub_path)
        if not bare and (name := agent_at("")):
            return Target("agent", name)
        return Target("nowhere")


def marked(tail: bytes, mark: bytes) -> bytes:
    """A query (and fragment) with one more parameter."""
    query, hash_sign, fragment = tail.partition(b"#")
    return (query + b"&" if len(query) > 1 else b"?") + mark + hash_sign + fragment


def without(query: bytes, names: frozenset[bytes]) -> bytes:
    """A query without these parameters."""
    return b"&".join(pair for pair in query.split(b"&") if pair.partition(b"=")[0] not in names)


def readable(body: bytes) -> tuple[Any, bytes] | None:
    """The value of an answer, and its text without escapes that hide something; None if it is no JSON.

    Half surrogate pairs, which speech recognisers are known to send and agents repeat, are replaced.
    """
    try:
        value = orjson.loads(body)
    except ValueError:
        try:
            lenient = json.dumps(json.loads(body), ensure_ascii=False, allow_nan=False).encode(errors="replace")
            value = orjson.loads(lenient)
            body = orjson.dumps(value)
        except (ValueError, RecursionError):
            return None
    if HIDDEN.search(body):
        try:
            body = orjson.dumps(value)
        except orjson.JSONEncodeError:  # nested too deeply
            return None
    return value, body
