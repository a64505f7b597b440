"""Calls as the pages show them: a line of the list, and the story of one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from dashboard.calls.timeline import clock, moment
from dashboard.code_lines import pretty
from dashboard.log.details import arguments
from dashboard.log.rows import name_of, rule_of
from registry.log.calls import FINE, is_running

LONG = 300  # characters of arguments and results that are shown in a row


class Line(NamedTuple):
    """A call in the list. `at`: the id of the event that it stands in the list by."""

    at: str
    call: dict[str, Any]
    chain: list[tuple[str, int | None]]
    running: bool

    @classmethod
    def of(cls, at: str, call: dict[str, Any]) -> "Line":
        """From what list_calls gives."""
        return cls(at, call, chain(call["events"]), is_running(call["events"]))

    @property
    def state(self) -> str:
        """A word that has a status."""
        if self.running:
            return "running"
        return self.call["outcome"] if self.call["outcome"] != "ok" else "ended"

    @property
    def lasted(self) -> str:
        """Minutes and seconds from the first event to the last."""
        return clock(self.call["seconds"])

    @property
    def dialled(self) -> str:
        """The name that was dialled."""
        return name_of(self.call["dialled"])


def chain(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    """The agents of a call in their order, each with its version."""
    found: dict[str, int | None] = {}
    for event in events:
        if event["agent"]:
            found[event["agent"]] = found.get(event["agent"]) or event["version"]
    return list(found.items())


class Happening(NamedTuple):
    """An event as the story tells it."""

    event: Mapping[str, Any]
    at: str
    what: str
    result: str


def story(events: list[dict[str, Any]], bodies: Mapping[str, tuple[Any, Any]]) -> list[Happening]:
    """What happened, in order; with arguments and results of those whose bodies are given."""
    begin = moment(events[0])
    return [
        Happening(
            event, clock((moment(event) - begin).total_seconds()), *words(event, *bodies.get(event["id"], (None, None)))
        )
        for event in events
    ]


def words(event: Mapping[str, Any], request: Any, response: Any) -> tuple[str, str]:
    """What an event was about, and what came of it."""
    if event["function"]:
        given = arguments(request)
        said = response.get("response") if isinstance(response, dict) else response
        failed = event["detail"] if event["outcome"] not in FINE else ""
        return "" if given is None else short(given), failed or ("" if said is None else short(said))
    if event["outcome"] not in FINE:
        return rule_of(event), event["detail"] if event["detail"] != rule_of(event) else ""
    if event["kind"] in ("swml", "sip") and event["agent"]:
        rule = rule_of(event)
        return f"{event['agent']} v{event['version']}" if event["version"] else event["agent"], rule
    if event["kind"] == "post_prompt":
        return "the call ended, its summary came", ""
    return rule_of(event), ""


def short(value: Any) -> str:
    """A value as text that fits into a row."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def summary_of(body: Any) -> str:
    """What the post-prompt says of the call (docs/contract.md, 2.4): parsed JSON, else its text; "" if nothing."""
    told = body.get("post_prompt_data") if isinstance(body, dict) else None
    if not isinstance(told, dict):
        return body if isinstance(body, str) else ""
    parsed = told.get("parsed")
    if isinstance(parsed, list) and parsed:
        return pretty(parsed[0] if len(parsed) == 1 else parsed)
    found = told.get("substituted") or told.get("raw") or ""
    return found if isinstance(found, str) else short(found)
