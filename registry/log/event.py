"""One row of the routing log before it is one: the only place that knows its keys.

A column more is a line here, one in the model and a migration. What most rows do not have is left out of their lines;
the writer fills in the model's default.
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

# Columns by their names in the database, two of which are words of Python's. A dictionary, because it becomes JSON:
# an object with as many fields costs 2 µs more. `models.RoutingEvent` says what each of them is.
Event = TypedDict(
    "Event",
    {
        "id": NotRequired[str],  # made by the recorder if nobody needed it before
        "replica": NotRequired[str],  # the recorder's
        "kind": str,
        "method": str,
        "path": str,
        "source": str,
        "route": str,
        "agent": str,
        "version": int | None,
        "call_id": str,
        "sip_user": str,
        "from": str,
        "to": str,
        "function": str,
        "status": int,
        "outcome": str,
        "detail": str,
        "steps": Sequence[Any],
        "microseconds": int,
        "request": NotRequired[Any],  # these two by the recorder, masked and cut
        "response": NotRequired[Any],
        "request_id": NotRequired[str],
        "trace_id": NotRequired[str],
        "channel": NotRequired[str],  # left out: voice
        "query": NotRequired[str],
        "via": NotRequired[str],
        "rule": NotRequired[str],
        "side": NotRequired[str],
        "digest": NotRequired[str],
        "replayable": NotRequired[bool],  # left out: if it has a digest
        "asked_twice": NotRequired[bool],
    },
)

# For rows that are no request's: `{**BLANK, "kind": …}`.
BLANK: Event = {
    "kind": "",
    "method": "",
    "path": "",
    "source": "",
    "route": "",
    "agent": "",
    "version": None,
    "call_id": "",
    "sip_user": "",
    "from": "",
    "to": "",
    "function": "",
    "status": 0,
    "outcome": "",
    "detail": "",
    "steps": (),
    "microseconds": 0,
}
