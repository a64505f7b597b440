"""Calls: what the events with one call id say together."""

from datetime import datetime
from typing import Any

# Outcomes that are no failure of the call.
FINE = frozenset({"ok", "fallback", "redirect", "paused"})


def call_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """A call from its events, oldest first; there is at least one."""
    started, ended = events[0]["time"], events[-1]["time"]
    functions = [event for event in events if event["function"]]
    failed = [event["outcome"] for event in events if event["outcome"] not in FINE]
    return {
        "call_id": events[0]["call_id"],
        "started": started,
        "ended": ended,
        "seconds": (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds(),
        "caller": next((event["from"] for event in events if event["from"]), ""),
        "dialled": next((event["to"] for event in events if event["to"]), ""),
        "agents": list(dict.fromkeys(event["agent"] for event in events if event["agent"])),
        "functions_ok": sum(event["outcome"] in FINE for event in functions),
        "functions_failed": sum(event["outcome"] not in FINE for event in functions),
        "outcome": failed[-1] if failed else "ok",
        "events": events,
    }
