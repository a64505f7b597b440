"""Recent changes in sentences: the audit rows of one act told as one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from registry.audit import Search, read_audit

ROWS = 60  # audit rows that are read: an act leaves some
VERBS = {
    "created": "added", "changed": "changed", "removed": "removed", "credentials_revealed": "saw the credentials of",
    "mcp_token_issued": "issued an MCP token for", "password_changed": "changed the password of",
    "sign_in_link_made": "made a sign-in link for",
}  # fmt: skip
FOLDED = 3  # more agents than these with which the same was done in one moment are told as one


@dataclass(frozen=True)
class Told:
    """Who did what: `who` `verb` `thing` `tail`. `agent`: the thing is this agent, whose page there is."""

    time: datetime
    who: str
    verb: str
    thing: str
    tail: str = ""
    agent: str = ""


def recent_changes(limit: int) -> list[Told]:
    """The newest acts."""
    rows = read_audit(Search(), ROWS)
    groups = groupby(rows, key=lambda row: (row["time"], row["who"]))
    return [told for _, found in groups for told in acts_of(list(found))][:limit]


def acts_of(rows: list[dict[str, Any]]) -> list[Told]:
    """What was done in one moment: an act for each agent, one for everything else."""
    by_thing: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_thing.setdefault(subject(row), []).append(row)
    acts = [of_thing(found) for found in by_thing.values()]
    if len(acts) <= FOLDED:
        return acts
    first = {act.verb.partition(" ")[0]: act for act in reversed(acts)}
    return [replace(act, tail=f"{act.tail}, and others at once") for act in reversed(first.values())]


def subject(row: dict[str, Any]) -> tuple[str, str]:
    """What a row is about: an agent, or the thing itself."""
    return ("agent", row["agent"]) if row["agent"] else (row["what"], row["name"])


def of_thing(rows: list[dict[str, Any]]) -> Told:
    """The act that these rows of one thing tell of."""
    newest = rows[0]
    who = newest["who"] or "Somebody by SQL"
    if not newest["agent"]:
        word = {"role": "the role", "token": "the token", "sip": "the SIP name"}.get(newest["what"], "")
        verb = f"{VERBS.get(newest['action'], newest['action'].replace('_', ' '))} {word}".strip()
        return Told(newest["time"], who, verb, newest["name"])
    verb, tail = of_agent(rows)
    return Told(newest["time"], who, verb, newest["agent"], tail, newest["agent"])


def of_agent(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Verb and tail of what was done with an agent."""
    changes: dict[str, tuple[Any, Any]] = {}
    for row in reversed(rows):
        if row["what"] == "agent":
            changes |= {column: (change["before"], change["after"]) for column, change in row["changes"].items()}
    added, removed = things(rows, "created"), things(rows, "removed")
    if any(row["what"] == "agent" and row["action"] == "created" for row in rows):
        return "registered", reach(added, "at")
    if state := changes.get("state"):
        if state[1] == "trashed":
            return "unregistered", reach(removed, "from")
        if state[0] == "trashed":
            return "restored", reach(added, "at")
        return ("paused", "") if state[1] == "paused" else ("resumed", "")
    if "live_version" in changes:
        return f"published version {changes['live_version'][1]} of", ""
    if "draft_version" in changes:
        number = changes["draft_version"][1]
        return ("discarded the draft of", "") if number is None else (f"kept version {number} as the draft of", "")
    for column, verb in (("tags", "tagged"), ("title", "titled"), ("pause_message", "changed the pause message of")):
        if column in changes:
            return verb, ""
    return of_reach(rows, added, removed)


def of_reach(rows: list[dict[str, Any]], added: dict[str, list[str]], removed: dict[str, list[str]]) -> tuple[str, str]:
    """Verb and tail of what was done with what leads to an agent."""
    for name, verb, link in (("route", "route", "to"), ("sip", "SIP name", "to")):
        if added[name]:
            return f"added the {verb} {shown(added[name])} {link}", ""
        if removed[name]:
            return f"removed the {verb} {shown(removed[name])} from", ""
    for row in rows:
        if row["what"] == "route" and "default" in row["changes"]:
            default = row["changes"]["default"]["after"]
            return (f"made {row['name']} the default route, of" if default else "took the default route from"), ""
        if row["what"] == "route" and "enabled" in row["changes"]:
            return f"switched {row['name']} {'on' if row['changes']['enabled']['after'] else 'off'}, of", ""
    return VERBS.get(rows[0]["action"], "changed"), ""


def things(rows: Iterable[dict[str, Any]], action: str) -> dict[str, list[str]]:
    """Routes and SIP names that were added or removed."""
    found: dict[str, list[str]] = {"route": [], "sip": []}
    for row in rows:
        if row["what"] in found and row["action"] == action:
            found[row["what"]].append(row["name"])
    return found


def reach(found: dict[str, list[str]], word: str) -> str:
    """The routes that an agent got or lost, and how many names."""
    routes, names = sorted(found["route"]), len(found["sip"])
    text = f" {word} {shown(routes)}" if routes else ""
    return text + (f", {names} SIP name{'s' if names > 1 else ''}" if names else "")


def shown(names: list[str]) -> str:
    """The first of them, and how many more."""
    return min(names) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
