"""What somebody is told after an act, on the next page that they see: the fact, and how to undo it."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from registry.actions.transaction import Change

UNDO_SECONDS = 30
SECONDS = 10


def say(
    request: HttpRequest, text: str, *, tone: str = "ok", undo: str = "", fields: dict[str, str] | None = None
) -> None:
    """Tell it. `undo`: the address that takes it back, by a POST with these fields."""
    extra = {"tone": tone, "undo": undo, "fields": fields or {}}
    messages.add_message(request, messages.INFO, text, extra_tags=json.dumps(extra))


def everywhere(change: Change) -> str:
    """How far a change has come, for the end of a toast's sentence: "on 3/3 workers"."""
    told = change.everywhere
    return f" on {told.reached}/{told.live} workers" if told and told.live else ""


def toasts_of(request: HttpRequest) -> list[dict[str, Any]]:
    """What is to be told now; it is told once."""
    found = []
    for message in messages.get_messages(request):
        try:
            extra = json.loads(message.extra_tags or "")
        except ValueError:
            extra = {}
        undo = extra.get("undo", "")
        found.append({"tone": "ok", "fields": {}, **extra, "text": message.message, "undo": undo})
        found[-1]["seconds"] = UNDO_SECONDS if undo else 0 if extra.get("tone") == "bad" else SECONDS
    return found
