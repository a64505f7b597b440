"""Which request is meant: `X-Request-ID`, and the traces of W3C, read the same way for agents and for pages.

https://www.w3.org/TR/trace-context/ (Recommendation of 23 November 2021)
"""

import random
import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import NamedTuple
from uuid import UUID

from registry.log.ids import uuid7

REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}\Z")
# Of a later version all is read as of version 00, and what follows is not ours (section 4).
TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z"
)
STATE = re.compile(r"[\t\x20-\x7e]+\Z")
MAX_STATE = 512  # characters, which is what everybody must be able to pass on (3.3.1.5)
SAMPLED = 1  # the one flag of version 00; others are to be sent as 0

current: ContextVar[str] = ContextVar("request_id", default="")  # of the page or operation that is being answered


class Marks(NamedTuple):
    """What a request says of itself; "" where it says nothing, or nothing that can be understood."""

    request_id: str = ""
    trace_id: str = ""  # 32 hexadecimal digits
    flags: int = 0
    state: str = ""  # tracestate, as it came

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Marks":
        """Read the headers of a request, whose names are in lower case."""
        found: dict[bytes, list[str]] = {b"x-request-id": [], b"traceparent": [], b"tracestate": []}
        for name, value in headers:
            if name in found:
                found[name].append(value.decode("latin-1").strip())
        ids, parents, states = found.values()
        request_id = accepted(ids[-1]) if ids else ""
        parent = parsed(parents[0]) if len(parents) == 1 else None  # of two, nobody knows which is right
        if parent is None:
            return cls(request_id)
        return cls(request_id, *parent, bounded(",".join(states)))

    def headers(self, request_id: str) -> dict[str, str]:
        """The headers for a request that we send because of this one."""
        sent = {"X-Request-ID": request_id}
        if self.trace_id:
            span = random.getrandbits(64) or 1
            sent["traceparent"] = f"00-{self.trace_id}-{span:016x}-{self.flags:02x}"
            if self.state:
                sent["tracestate"] = self.state
        return sent


NO_MARKS = Marks()


def accepted(text: str) -> str:
    """A request id that somebody gave, "" if it is not one that we would write into a log."""
    return text if REQUEST_ID.match(text) else ""


def new_id() -> str:
    """A request id of our own: a UUIDv7, as the routing log's."""
    return str(UUID(uuid7()))


def parsed(traceparent: str) -> tuple[str, int] | None:
    """Trace id and flags, None if the header is not valid (3.2 and 4)."""
    found = TRACEPARENT.match(traceparent)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"] is not None):
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return found["trace"], int(found["flags"], 16) & SAMPLED


def bounded(state: str) -> str:
    """A tracestate of bounded length: of a longer one whole members go, from its end (3.3.1.5)."""
    if not STATE.match(state):
        return ""
    if len(state) <= MAX_STATE:
        return state
    return state[: MAX_STATE + 1].rpartition(",")[0]
