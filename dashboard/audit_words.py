"""The audit's rows in words: what was done to what, and each field before and after."""

import json
from typing import Any, NamedTuple

from django.utils import timezone

from dashboard.zones import moment_of

MOST = 160  # characters of a value
WHATS = {
    "agent": "Agent",
    "route": "Route",
    "sip": "SIP name",
    "token": "API token",
    "member": "Member",
    "role": "Role",
}
FIELDS = {
    "live_version": "live version",
    "draft_version": "draft",
    "pause_message": "pause message",
    "is_active": "may sign in",
    "is_staff": "admin pages",
    "is_superuser": "superuser",
    "default": "takes unmatched names",
    "typed": "as typed",
}
ACTIONS = {
    "credentials_revealed": "credentials revealed",
    "mcp_token_issued": "MCP token made",
    "sign_in_link_made": "sign-in link made",
    "password_changed": "password changed",
}


TIMES = ("expires", "revoked", "trashed")
ENDS = ("created", "removed")


class Changed(NamedTuple):
    """A field of a row. None = there is none."""

    field: str
    before: str | None
    after: str | None


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `read_audit` with its words."""
    return {
        **row,
        "what_word": WHATS[row["what"]],
        "action_word": action_word(row),
        "differences": [] if row["action"] in ENDS else differences(row),
        "set": ", ".join(what_is_set(row)) if row["action"] in ENDS else "",
        "whose": f"token {row['token']}" if row["token"] else row["via"],
    }


def what_is_set(row: dict[str, Any]) -> list[str]:
    """What a new or removed thing is like: whatever says more than its name."""
    found = [(change.field, change.after or change.before) for change in differences(row)]
    return [f"{field} {text}" for field, text in found if text not in (None, "no", row["name"])]


def action_word(row: dict[str, Any]) -> str:
    """What was done."""
    if row["what"] == "role":
        return "given" if row["action"] == "created" else "taken away"
    return ACTIONS.get(row["action"], str(row["action"]))


def differences(row: dict[str, Any]) -> list[Changed]:
    """The fields that changed; secrets are named, never shown."""
    if row["what"] == "role":
        return []
    found = [
        Changed(FIELDS.get(field, field.replace("_", " ")), value(field, both["before"]), value(field, both["after"]))
        for field, both in row["changes"].items()
        if field != "name"
    ]
    return found + [Changed(word.strip(), None, "another one") for word in row["note"].split(",") if word.strip()]


def value(field: str, given: Any) -> str | None:
    """A value, short and readable."""
    if given is None or given in ("", []):
        return None
    if isinstance(given, bool):
        return "yes" if given else "no"
    if field.endswith("_version"):
        return f"v{given}"
    if field in TIMES:
        return time_of(given)
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def time_of(given: Any) -> str:
    """A moment in the page's zone, as the audit's JSON has it."""
    moment = moment_of(str(given))
    return "" if moment is None else timezone.localtime(moment).strftime("%-d %b %Y %H:%M")
