"""What the audit says of an agent, in words: who did what, and what was before and after."""

from collections.abc import Mapping
from typing import Any, NamedTuple

STATES = {
    ("serving", "paused"): "paused it",
    ("paused", "serving"): "resumed it",
    ("trashed", "serving"): "restored it",
    ("serving", "trashed"): "unregistered it",
    ("paused", "trashed"): "unregistered it",
}
EVENTS = {
    "credentials_revealed": "looked at the credentials",
    "mcp_token_issued": "issued a token for MCP",
}
THINGS = {"route": "the route", "sip": "the SIP name", "agent": "it"}
VERBS = {"created": "added", "removed": "removed", "changed": "changed"}
LABELS = {
    "live_version": "Live version",
    "draft_version": "Draft",
    "pause_message": "Callers hear",
    "paused_until": "Paused until",
    "typed": "As typed",
    "state": "State",
}
NAMES = ("name", "path", "username", "kind")
USUAL = ("serving", "auto", "manual", True)
VERSION_FIELDS = ("live_version", "draft_version")


class Difference(NamedTuple):
    """A field before and after. `version`: whether its values are numbers of versions."""

    label: str
    before: str
    after: str
    version: bool


class Told(NamedTuple):
    """An audit row in words."""

    row: Mapping[str, Any]
    who: str
    did: str
    differences: list[Difference]


def told(row: Mapping[str, Any]) -> Told:
    """A row of registry.audit.read_audit about an agent, its routes or its names."""
    changes = row["changes"]
    shown = [
        Difference(LABELS.get(field, field.replace("_", " ").capitalize()),
                   text(change["before"]), text(change["after"]), field in VERSION_FIELDS)
        for field, change in changes.items()
        if not is_noise(row, field)
    ]  # fmt: skip
    return Told(row, row["who"] or "Somebody, by SQL,", sentence(row), shown)


def is_noise(row: Mapping[str, Any], field: str) -> bool:
    """Whether the sentence says it already, or it is as usual: a thing that is new, or gone, has all its fields."""
    if row["action"] == "changed":
        return field == "trashed"
    change = row["changes"][field]
    value = change["after"] if row["action"] == "created" else change["before"]
    return field in NAMES or value in USUAL or not value


def sentence(row: Mapping[str, Any]) -> str:
    """What somebody did."""
    changes, what = row["changes"], row["what"]
    if row["action"] in EVENTS:
        return EVENTS[row["action"]]
    if what != "agent":
        return of_reach(row)
    if row["action"] == "created":
        return "registered it"
    done = []
    state = changes.get("state")
    if state:
        done.append(STATES.get((state["before"], state["after"]), f"made it {state['after']}"))
    live, draft = changes.get("live_version"), changes.get("draft_version")
    if live and live["after"] is not None:
        done.append(f"published version {live['after']}")
    elif draft:
        done.append(f"saved a draft, version {draft['after']}" if draft["after"] else "discarded the draft")
    named = [word for word in ("title", "tags") if word in changes]
    if row["note"] and state:
        done[-1] += f": {row['note']}"
    elif row["note"]:
        named.append(row["note"])
    if named:
        done.append(f"changed {' and '.join(named)}")
    return " and ".join(done) or "changed it"


def of_reach(row: Mapping[str, Any]) -> str:
    """What somebody did to a route or a name."""
    changes, thing = row["changes"], f"{THINGS.get(row['what'], row['what'])} {row['name']}"
    if row["action"] == "changed" and "enabled" in changes:
        return f"switched {thing} {'on' if changes['enabled']['after'] else 'off'}"
    if row["action"] == "changed" and "default" in changes:
        return f"made {thing} {'the default' if changes['default']['after'] else 'no longer the default'}"
    return f"{VERBS.get(row['action'], row['action'])} {thing}"


def text(value: Any) -> str:
    """A value of the audit for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
