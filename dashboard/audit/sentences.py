"""A row of the audit as a sentence: of an agent that it is told about ("paused it"), or one that names the agent."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dashboard.audit.words import SOMEBODY, Difference, remarkable, secrets_of


class Phrase(NamedTuple):
    """What was done. `link` leads from it to the agent: published version 2| of|. Without one the agent comes next."""

    verb: str
    link: str = ""
    note: str = ""

    @property
    def of_it(self) -> str:
        """Where it is known which agent is meant."""
        return (self.verb if self.link else f"{self.verb} it") + (f": {self.note}" if self.note else "")

    @property
    def before_name(self) -> str:
        """Where the agent's name follows."""
        return self.verb + self.link


CHANGED = Phrase("changed")
STATES = {
    ("serving", "paused"): "paused",
    ("paused", "serving"): "resumed",
    ("trashed", "serving"): "restored",
    ("trashed", "paused"): "restored",
    ("serving", "trashed"): "unregistered",
    ("paused", "trashed"): "unregistered",
}
EVENTS = {
    "credentials_revealed": Phrase("looked at the credentials", " of"),
    "mcp_token_issued": Phrase("issued an MCP token", " for"),
    "password_changed": Phrase("changed the password", " of"),
    "sign_in_link_made": Phrase("made a sign-in link", " for"),
}
NOUNS = {"route": "the route", "sip": "the SIP name", "token": "the token"}
VERBS = {"created": "added", "removed": "removed", "changed": "changed"}
LINKS = {"created": " to", "removed": " from", "changed": " of"}


class ChangeLine(NamedTuple):
    """An audit row of an agent in words."""

    row: Mapping[str, Any]
    who: str
    did: str
    differences: list[Difference]


def line_of(row: Mapping[str, Any]) -> ChangeLine:
    """A row of registry.reports.audit.read_audit about an agent, its routes or its names."""
    did = " and ".join(phrase.of_it for phrase in phrases(row))
    return ChangeLine(row, row["who"] or SOMEBODY, did, remarkable(row))


def phrases(row: Mapping[str, Any]) -> list[Phrase]:
    """What somebody did, the most important first; one at least."""
    if row["action"] in EVENTS:
        return [EVENTS[row["action"]]]
    if row["what"] != "agent":
        return [of_reach(row, row["name"])]
    if row["action"] == "created":
        return [Phrase("registered")]
    return of_agent(row) or [CHANGED]


def of_agent(row: Mapping[str, Any]) -> list[Phrase]:
    """What somebody did to an agent itself."""
    changes = row["changes"]
    state, live, draft = changes.get("state"), changes.get("live_version"), changes.get("draft_version")
    done = []
    if state:
        word = STATES.get((state["before"], state["after"]), f"made {state['after']}")
        done.append(Phrase(word, note=row["note"]))
    if live and live["after"] is not None:
        done.append(Phrase(f"published version {live['after']}", " of"))
    elif draft and draft["after"] is not None:
        done.append(Phrase(f"kept version {draft['after']} as the draft", " of"))
    elif draft:
        done.append(Phrase("discarded the draft", " of"))
    done += [Phrase(verb) for column, verb in (("tags", "tagged"), ("title", "titled")) if column in changes]
    if "pause_message" in changes and not state:
        done.append(Phrase("changed the pause message", " of"))
    return done + [Phrase(f"changed the {secret}", " of") for secret in secrets_of(row)]


def of_reach(row: Mapping[str, Any], name: str) -> Phrase:
    """What somebody did to a route or a SIP name, or to several at once that `name` stands for."""
    changes, action = row["changes"], row["action"]
    if action == "changed" and "default" in changes:
        word = f"made {name} the default route" if changes["default"]["after"] else f"took the default from {name}"
        return Phrase(word, ", of")
    thing = f"{NOUNS.get(row['what'], row['what'])} {name}"
    if action == "changed" and "enabled" in changes:
        return Phrase(f"switched {thing} {'on' if changes['enabled']['after'] else 'off'}", ", of")
    return Phrase(f"{VERBS.get(action, action)} {thing}", LINKS.get(action, " of"))
