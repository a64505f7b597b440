"""Calls: what the events with one call id say together, and the list of them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from registry.base.sql import compose
from registry.base.text import like
from registry.log.cursor import COLUMNS, TABLE
from registry.log.search import MAX_CALL_EVENTS, Range, bounds, parsed, read

# Outcomes that are no failure of the call.
FINE = frozenset({"ok", "fallback", "redirect", "paused"})
RUNNING_SECONDS = 90  # a call of which nothing was heard for so long is taken for over: its last word may never come
MAX_NEW = 100  # calls that are counted
STORY_EVENTS = 200  # of a call that are told with what was asked and answered
E_COLUMNS = ", ".join(f'e."{column}"' for column in COLUMNS)


class Wanted(NamedTuple):
    """Which calls. `agent`: it took part; `text`: in the call id, caller or dialled; `outcome`: "", ok or failed."""

    agent: str = ""
    text: str = ""
    outcome: str = ""


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


def is_running(events: Sequence[dict[str, Any]]) -> bool:
    """Whether a call goes on, as far as its events say: it was heard of lately, and its post-prompt has not come."""
    silent = timezone.now() - datetime.fromisoformat(events[-1]["time"])
    return silent < timedelta(seconds=RUNNING_SECONDS) and not any(map(is_end, events))


def is_end(event: dict[str, Any]) -> bool:
    """Whether the platform says with it that the call is over."""
    return event["kind"] == "post_prompt" and event["outcome"] in FINE


def list_calls(wanted: Wanted, within: Range, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """The newest calls, each with the id of the event that it stands in the list by: a page goes on before that.

    That is the call's first event, or with `agent` the first that this agent answered.
    """
    first = firsts(wanted, within, limit)
    events = events_of_calls([call_id for _, call_id in first])
    return [(event_id, call_of(events[call_id])) for event_id, call_id in first if call_id in events]


def count_calls(wanted: Wanted, after: UUID) -> int:
    """How many calls are newer than the one that stands in the list by this event; MAX_NEW: at least so many."""
    return len(firsts(wanted, Range(), MAX_NEW, after))


def calls_at(event_ids: Collection[UUID]) -> list[tuple[str, dict[str, Any]]]:
    """The calls that these events stand for."""
    with connection.cursor() as cursor:
        cursor.execute(CALLS_AT, [list(event_ids)])
        found = cursor.fetchall()
    events = events_of_calls([call_id for _, call_id in found])
    return [(str(event_id), call_of(events[call_id])) for event_id, call_id in found if call_id in events]


def bodies_of(event_ids: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Request and answer of these events, by id."""
    with connection.cursor() as cursor:
        cursor.execute(BODIES, [list(event_ids)])
        return {str(event_id): (parsed(request), parsed(response)) for event_id, request, response in cursor}


# --- the statements --------------------------------------------------------------------------------------------------


SELECT_EVENTS = compose("SELECT e.batch, e.id, {columns} FROM {table} e", columns=E_COLUMNS, table=TABLE)
CALLS_AT = compose("SELECT id, call_id FROM {table} WHERE id = ANY(%s) AND call_id <> ''", table=TABLE)
BODIES = compose("SELECT id, request, response FROM {table} WHERE id = ANY(%s::uuid[])", table=TABLE)
TEXT = '(lower({0}.call_id) LIKE %s OR lower({0}."from") LIKE %s OR lower({0}."to") LIKE %s)'


def firsts(wanted: Wanted, within: Range, limit: int, after: UUID | None = None) -> list[tuple[str, str]]:
    """Event and call id of the newest calls: walks back event by event, and keeps those with none before in the call.

    With a million events and eight in a call, a page takes some 10 ms, as the days before are only looked at by index.
    """
    meets, values = same_anchor("e", wanted)
    earlier, more = same_anchor("f", wanted)
    conditions = ["e.call_id <> ''", *meets]
    conditions.append(f"({in_call(*earlier, 'f.id < e.id')}) IS NULL")
    values = [*values, *more]
    if wanted.agent and wanted.text:
        conditions.append(f"({in_call(TEXT.format('f'))}) IS NOT NULL")
        values += [like(wanted.text.casefold())] * 3
    if wanted.outcome:
        failed = in_call("f.outcome <> ALL(%s)")
        conditions.append(f"({failed}) IS {'' if wanted.outcome == 'ok' else 'NOT '}NULL")
        values.append(sorted(FINE))
    limits, bound = bounds(within, "e.id")
    if after is not None:
        limits, bound = [*limits, "e.id > %s"], [*bound, str(after)]
    statement = f"{SELECT_EVENTS} WHERE {' AND '.join([*conditions, *limits])} ORDER BY e.id DESC LIMIT %s"
    return [(event["id"], event["call_id"]) for event in read(statement, [*values, *bound, limit], walk=True)]


def same_anchor(alias: str, wanted: Wanted) -> tuple[list[str], list[Any]]:
    """What an event must meet for a call to stand in the list by it."""
    if wanted.agent:
        return [f"{alias}.agent = %s"], [wanted.agent]
    if wanted.text:
        return [TEXT.format(alias)], [like(wanted.text.casefold())] * 3
    return [], []


def in_call(*conditions: str) -> str:
    """Whether there is an event `f` of the same call as `e`: true or null.

    Not EXISTS, which Postgres makes a join of the whole log: 10 s with a million events, where this takes 30 ms.
    """
    where = " AND ".join(["f.call_id = e.call_id AND f.call_id <> ''", *conditions])
    return compose("SELECT true FROM {table} f WHERE {where} LIMIT 1", table=TABLE, where=where)


def events_of_calls(call_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The events of each call, oldest first; the first thousand of each."""
    found: dict[str, list[dict[str, Any]]] = {}
    if not call_ids:
        return found
    of_each = f"{SELECT_EVENTS} WHERE e.call_id = wanted.call AND e.call_id <> '' ORDER BY e.id LIMIT %s"
    statement = compose(
        "SELECT e.* FROM unnest(%s::text[]) wanted(call) CROSS JOIN LATERAL ({of_each}) e ORDER BY e.id",
        of_each=of_each,
    )
    for event in read(statement, [list(dict.fromkeys(call_ids)), MAX_CALL_EVENTS]):
        found.setdefault(event["call_id"], []).append(event)
    return found
