"""Recent acts in sentences: the audit rows of one told as one."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from dashboard.audit.sentences import CHANGED, EVENTS, NOUNS, VERBS, Phrase, of_reach, phrases
from dashboard.audit.words import SOMEBODY
from registry.reports.audit import Search, read_audit

ROWS = 60  # audit rows that are read: an act leaves some
FOLDED = 3  # more agents than these with which the same was done in one moment are told as one
TAILS = {"registered": ("created", "at"), "restored": ("created", "at"), "unregistered": ("removed", "from")}


@dataclass(frozen=True)
class ActLine:
    """Who did what: `who` `verb` `thing` `tail`. `agent`: the thing is this agent, whose page there is."""

    time: datetime
    who: str
    verb: str
    thing: str
    tail: str = ""
    agent: str = ""


def recent_acts(limit: int) -> list[ActLine]:
    """The newest acts."""
    rows = read_audit(Search(), ROWS)
    groups = groupby(rows, key=lambda row: (row["time"], row["who"]))
    return [told for _, found in groups for told in acts_of(list(found))][:limit]


def acts_of(rows: list[dict[str, Any]]) -> list[ActLine]:
    """What was done in one moment: an act for each agent, one for everything else."""
    by_thing: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_thing.setdefault(subject(row), []).append(row)
    by_verb: dict[str, list[ActLine]] = {}
    for act in [of_thing(found) for found in by_thing.values()]:
        by_verb.setdefault(act.verb.partition(" ")[0], []).append(act)
    return [act for acts in by_verb.values() for act in folded(acts)]


def folded(acts: list[ActLine]) -> list[ActLine]:
    """The same done with many things: told of the first of them."""
    if len(acts) <= FOLDED:
        return acts
    return [replace(acts[0], tail=f"{acts[0].tail}, and others at once")]


def subject(row: dict[str, Any]) -> tuple[str, str]:
    """What a row is about: an agent, or the thing itself."""
    return ("agent", row["agent"]) if row["agent"] else (row["what"], row["name"])


def of_thing(rows: list[dict[str, Any]]) -> ActLine:
    """The act that these rows of one thing tell of."""
    newest = rows[0]
    time, who, name, action = newest["time"], newest["who"] or SOMEBODY, newest["name"], newest["action"]
    if newest["agent"]:
        phrase, tail = of_agent(rows)
        return ActLine(time, who, phrase.before_name, newest["agent"], tail, newest["agent"])
    if newest["what"] == "role":
        did = "gave" if action == "created" else "took"
        return ActLine(time, who, did, newest["person"], f" the role {newest['role']}")
    if action in EVENTS:
        return ActLine(time, who, EVENTS[action].before_name, name)
    return ActLine(time, who, f"{VERBS.get(action, action)} {NOUNS.get(newest['what'], '')}".strip(), name)


def of_agent(rows: list[dict[str, Any]]) -> tuple[Phrase, str]:
    """What was done with an agent, and the tail that follows its name."""
    itself = [row for row in rows if row["what"] == "agent"]
    phrase = phrases(as_one(itself))[0] if itself else CHANGED
    if phrase.verb in TAILS:
        action, word = TAILS[phrase.verb]
        return phrase, reach(names_of(rows, "route", action), names_of(rows, "sip", action), word)
    return phrase if phrase != CHANGED else with_its_reach(rows), ""


def as_one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of one agent as if they were one: each field as it was first and is at last."""
    changes: dict[str, dict[str, Any]] = {}
    for row in reversed(rows):
        for field, both in row["changes"].items():
            changes[field] = {"before": changes.get(field, both)["before"], "after": both["after"]}
    created = any(row["action"] == "created" for row in rows)
    return {**rows[0], "changes": changes, **({"action": "created"} if created else {})}


def with_its_reach(rows: list[dict[str, Any]]) -> Phrase:
    """What was done with what leads to an agent."""
    for what in ("route", "sip"):
        for action in ("created", "removed"):
            if names := names_of(rows, what, action):
                return of_reach({"what": what, "action": action, "changes": {}}, shown(names))
    telling = [row for row in rows if row["what"] == "route" and {"default", "enabled"} & row["changes"].keys()]
    return phrases((telling or rows)[0])[0]


def names_of(rows: list[dict[str, Any]], what: str, action: str) -> list[str]:
    """The routes or SIP names that were added or removed."""
    return [row["name"] for row in rows if row["what"] == what and row["action"] == action]


def reach(routes: list[str], names: list[str], word: str) -> str:
    """The routes that an agent got or lost, and how many names."""
    text = f" {word} {shown(routes)}" if routes else ""
    return text + (f", {len(names)} SIP name{'s' if len(names) > 1 else ''}" if names else "")


def shown(names: list[str]) -> str:
    """The first of them, and how many more."""
    return min(names) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
