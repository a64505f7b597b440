"""Searching the routing log: the live log's filters over all days, a page at a time, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg.errors
from django.db import OperationalError, connection, transaction

from registry.base.errors import Malformed
from registry.base.sql import compose
from registry.base.text import like
from registry.log.cursor import SELECT, TABLE, event_of
from registry.log.filters import EXACT, SEARCHED, Filter, Term
from registry.log.ids import first_id

SEARCH_SECONDS = 10  # then a search is given up: somebody who waits longer has asked for too much
MAX_CALL_EVENTS = 1000
# Columns whose values are all in one case: equality can use their index.
LOWER_CASE = {"agent", "channel", "digest", "kind", "outcome", "trace_id"}


class Range(NamedTuple):
    """A stretch of time, from `since` to before `until`; None = open. And the id that a page ended with."""

    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None


def search(wanted: Filter, within: Range, limit: int) -> list[dict[str, Any]]:
    """The newest events that meet a filter, without their bodies."""
    conditions, values = ["true"], []
    for term in wanted.terms:
        sql, more = condition(term)
        conditions.append(sql)
        values += more
    limits, bound = bounds(within)
    return read(
        f"{SELECT} WHERE {' AND '.join([*conditions, *limits])} ORDER BY id DESC LIMIT %s", [*values, *bound, limit]
    )


def events_of_call(call_id: str) -> list[dict[str, Any]]:
    """What belongs to a call, oldest first; the first thousand."""
    return read(f"{SELECT} WHERE call_id = %s AND call_id <> '' ORDER BY id LIMIT %s", [call_id, MAX_CALL_EVENTS])


def event_with_bodies(event_id: UUID) -> dict[str, Any] | None:
    """One event with the excerpts of its request and answer; None if there is none."""
    found = read(f"{SELECT} WHERE id = %s", [str(event_id)])
    if not found:
        return None
    with connection.cursor() as cursor:
        cursor.execute(compose("SELECT request, response FROM {table} WHERE id = %s", table=TABLE), [str(event_id)])
        request, response = cursor.fetchone()
    return {**found[0], "request": parsed(request), "response": parsed(response)}


# --- the statement ---------------------------------------------------------------------------------------------------


def condition(term: Term) -> tuple[str, list[Any]]:
    """A filter's condition as SQL, with its values."""
    sql, values = found_by(term)
    return (f"({sql}) IS NOT TRUE", values) if term.without else (sql, values)


def found_by(term: Term) -> tuple[str, list[Any]]:
    """What a condition looks for."""
    if not term.column:
        alternatives = " OR ".join(f'lower("{column}") LIKE %s' for column in SEARCHED)
        return f"({alternatives})", [like(str(term.value))] * len(SEARCHED)
    if isinstance(term.value, str):
        if term.column == "request_id" and (own := as_id(term.value)):
            return '("request_id" = %s OR (id = %s AND "request_id" = \'\'))', [term.value, own]
        if term.column in LOWER_CASE | EXACT:
            return f'"{term.column}" = %s', [term.value]
        return f'lower("{term.column}") = %s', [term.value]
    return f'"{term.column}" {term.sign or "="} %s', [term.value]


def bounds(within: Range, column: str = "id") -> tuple[list[str], list[Any]]:
    """A stretch of time as conditions on ids, with their values."""
    conditions, values = [], []
    for bound, sign in ((within.since, ">="), (within.until, "<")):
        if bound is not None:
            conditions.append(f"{column} {sign} %s")
            values.append(str(first_id(bound)))
    if within.before is not None:
        conditions.append(f"{column} < %s")
        values.append(str(within.before))
    return conditions, values


def as_id(text: str) -> str | None:
    """An event's id as it is shown, None if the text is none."""
    try:
        return text if text == str(UUID(text)) else None
    except ValueError:
        return None


def read(statement: str, values: Sequence[Any], *, walk: bool = False) -> list[dict[str, Any]]:
    """Run a statement that begins with SELECT, within SEARCH_SECONDS.

    `walk`: in the order of an index and only as far as needed, where Postgres believes that it must see everything.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Compiling a plan for each of thirty days takes seconds, what it then does milliseconds.
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true),"
                " set_config('enable_sort', %s, true)",
                [f"{SEARCH_SECONDS}s", "off" if walk else "on"],
            )
            cursor.execute(statement, values)
            return [event_of(row).event for row in cursor.fetchall()]
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            words = f"this search takes longer than {SEARCH_SECONDS} s: give `since` and `until`, or an agent or a call"
            raise Malformed(words) from error
        raise


def parsed(value: Any) -> Any:
    """A JSON column, which Django's connections give as text."""
    return orjson.loads(value) if isinstance(value, str) else value
