"""What the audit's things, fields and values are called: the one vocabulary of all pages that show it."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils import timezone

from dashboard.zones import moment_of

MOST = 160  # characters of a value
SOMEBODY = "Somebody by SQL"  # whoever has left no name
THINGS = {
    "agent": "Agent",
    "route": "Route",
    "sip": "SIP name",
    "token": "API token",
    "member": "Member",
    "role": "Role",
}
ACTIONS = {
    "credentials_revealed": "credentials revealed",
    "mcp_token_issued": "MCP token made",
    "sign_in_link_made": "sign-in link made",
    "password_changed": "password changed",
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
TIMES = ("expires", "revoked", "trashed", "paused_until")
NAMES = ("name", "path", "username", "kind")
USUAL = {"state": ("serving",), "source": ("auto", "manual"), "enabled": (True,), "is_active": (True,)}


class Difference(NamedTuple):
    """A field before and after. None = there is none. `version`: the number of the version that it is now."""

    field: str
    before: str | None
    after: str | None
    version: int | None = None


def differences(row: Mapping[str, Any]) -> list[Difference]:
    """The fields that changed; secrets are named, never shown."""
    if row["what"] == "role":
        return []
    found = [difference(field, both) for field, both in row["changes"].items() if field != "name"]
    return found + [Difference(word, None, "another one") for word in secrets_of(row)]


def remarkable(row: Mapping[str, Any]) -> list[Difference]:
    """Those that say more than a sentence does. A thing that is new, or gone, has all its fields: most are as usual."""
    if row["what"] == "role":
        return []
    return [difference(field, both) for field, both in row["changes"].items() if is_remarkable(row, field, both)]


def is_remarkable(row: Mapping[str, Any], field: str, both: Mapping[str, Any]) -> bool:
    """Whether a field of a row says something new."""
    if row["action"] == "changed":
        return field != "trashed"
    given = both["after"] if row["action"] == "created" else both["before"]
    return bool(given) and field not in NAMES and given not in (*USUAL.get(field, ()), row["name"])


def secrets_of(row: Mapping[str, Any]) -> list[str]:
    """The secrets that a row says have changed: one of its own is written for them, in which nothing else has."""
    if row["action"] != "changed" or row["changes"]:
        return []
    return [word.strip() for word in row["note"].split(",") if word.strip()]


def difference(field: str, both: Mapping[str, Any]) -> Difference:
    """A field of a row in words."""
    after = both["after"]
    version = after if field.endswith("_version") and isinstance(after, int) else None
    word = FIELDS.get(field, field.replace("_", " "))
    return Difference(word, value(field, both["before"]), value(field, after), version)


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
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        text = ", ".join(given)
    else:
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def time_of(given: Any) -> str:
    """A moment in the page's zone, as the audit's JSON has it."""
    moment = moment_of(str(given))
    return "" if moment is None else timezone.localtime(moment).strftime("%-d %b %Y %H:%M")


def action_word(row: Mapping[str, Any]) -> str:
    """What was done, as a table says it."""
    if row["what"] == "role":
        return "given" if row["action"] == "created" else "taken away"
    return ACTIONS.get(row["action"], str(row["action"]))
