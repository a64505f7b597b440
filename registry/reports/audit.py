"""Who changed what, when and through which door: the audit tables of all models, read as one, newest first.

Triggers write them (django-pghistory), so changes by SQL are there too, without a name. Rows cannot be changed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection

from agents.models import AgentVersion
from registry.base.contains import contains
from registry.base.sql import compose
from registry.base.text import like

# What is audited: its table, and how a row of it is named for people. `{e}` is the row.
AGENT_OF_ROUTE = "(SELECT name FROM agents_agent WHERE id = {e}.agent_id)"
AGENT_OF_NAME = """(SELECT name FROM agents_agent WHERE id =
    (SELECT r.agent_id FROM registry_routeevent r WHERE r.pgh_obj_id = {e}.route_id LIMIT 1))"""
FORMER = """(SELECT to_jsonb(b) FROM {table} b WHERE b.pgh_obj_id = e.pgh_obj_id AND b.pgh_id < e.pgh_id
    ORDER BY b.pgh_id DESC LIMIT 1)"""
# Ids are looked up once: a name for each row takes ten times as long.
ID = "(SELECT id FROM agents_agent WHERE name = %(agent)s)"
ROUTES_OF = "{e}.route_id IN (SELECT r.pgh_obj_id FROM registry_routeevent r WHERE r.agent_id = "
USER = "(SELECT username FROM auth_user WHERE id = {e}.user_id)"


class Source(NamedTuple):
    """One audit table. SQL: the agent concerned, the thing's name, the condition for one agent, the thing's id."""

    table: str
    agent: str
    name: str
    of_agent: str = "false"
    key: str = "{e}.pgh_obj_id"


SOURCES = {
    "agent": Source("agents_agentevent", "{e}.name", "{e}.name", "{e}.name = %(agent)s"),
    "route": Source("registry_routeevent", AGENT_OF_ROUTE, "{e}.path", f"{{e}}.agent_id = {ID}"),
    "sip": Source("registry_sipmappingevent", AGENT_OF_NAME, "{e}.username", f"{ROUTES_OF}{ID})"),
    "token": Source("registry_apitokenevent", "''", "{e}.name"),
    "member": Source("registry_memberevent", "''", "{e}.username"),
    "role": Source("registry_membershipevent", "''", f"coalesce({USER}, '')", key="NULL::bigint"),
}
# Columns that say nothing of their own, and references that are told by what they refer to.
SILENT = {"id", "created", "digest", "pgh_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pgh_context_id"}
VERSIONS = ("live_id", "draft_id")
MAX_ID = 2**63 - 1
JSON_COLUMNS = (6, 7, 8)  # of the statement: context, before, after
LABELS = {"insert": "created", "update": "changed", "delete": "removed"}


class Search(NamedTuple):
    """What somebody wants to see of the audit; empty = everything."""

    agent: str = ""
    who: str = ""
    what: str = ""  # a key of SOURCES
    text: str = ""  # in names
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Position(NamedTuple):
    """Where a page of the audit ended."""

    time: datetime
    what: str
    id: int

    def __str__(self) -> str:
        """For an address."""
        return f"{self.time.astimezone(UTC).isoformat()}~{self.what}-{self.id}"

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Position":
        """A page that ended with this row of `read_audit`."""
        return cls(row["time"], row["what"], int(row["id"].rpartition("-")[2]))

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """What an address says; None for what says nothing: then a page begins at the newest."""
        moment, _, row = text.partition("~")
        what, _, number = row.partition("-")
        if what not in SOURCES or not number.isascii() or not number.isdigit():
            return None
        try:
            time = datetime.fromisoformat(moment)
            time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return cls(time, what, min(int(number[:19]), MAX_ID))


def read_audit(search: Search, limit: int, after: Position | None = None) -> list[dict[str, Any]]:
    """The newest audit rows that meet the search, each with what was before and after."""
    kinds = [search.what] if search.what else list(SOURCES)
    values: dict[str, Any] = {**search._asdict(), "limit": limit, "pattern": like(search.text)}
    if after is not None:
        values |= {"at": after.time, "at_what": after.what, "at_id": after.id}
    union = " UNION ALL ".join(f"({part(kind, search, after)})" for kind in kinds)
    with connection.cursor() as cursor:
        cursor.execute(
            compose("SELECT * FROM ({union}) found ORDER BY at DESC, what DESC, id DESC LIMIT %(limit)s", union=union),
            values,
        )
        rows = [parsed(row) for row in cursor.fetchall()]
    numbers = version_numbers(row[index] for row in rows for index in JSON_COLUMNS[1:])
    return [entry_of(row, numbers) for row in rows]


def part(kind: str, search: Search, after: Position | None) -> str:
    """The statement for one table: the rows first, then what was before them."""
    source = SOURCES[kind]
    agent, name, of_agent, key = (text.format(e="e") for text in source[1:])
    conditions = ["true"]
    if search.agent:
        conditions.append(of_agent)
    if search.who:
        conditions.append("c.metadata ->> 'user' = %(who)s")
    if search.request_id:
        conditions.append("c.metadata ->> 'request_id' = %(request_id)s")
    if search.text:
        conditions.append(contains(name, "%(pattern)s"))
    if search.since:
        conditions.append("e.pgh_created_at >= %(since)s")
    if search.until:
        conditions.append("e.pgh_created_at < %(until)s")
    if after is not None:
        conditions.append(f"(e.pgh_created_at, '{kind}', e.pgh_id) < (%(at)s, %(at_what)s, %(at_id)s)")
    former = "NULL::jsonb" if kind == "role" else FORMER.format(table=source.table)
    group = "(SELECT g.name FROM auth_group g WHERE g.id = e.group_id)" if kind == "role" else "''"
    return compose(
        "SELECT e.pgh_created_at AS at, '{kind}' AS what, e.pgh_id AS id, e.pgh_label, {agent}, {name}, c.metadata,"
        " {former}, to_jsonb(e), {key}, {group}"
        " FROM {table} e LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id"
        " WHERE {conditions}"
        " ORDER BY e.pgh_created_at DESC, e.pgh_id DESC LIMIT %(limit)s",
        kind=kind,
        agent=agent,
        name=name,
        former=former,
        key=key,
        group=group,
        table=source.table,
        conditions=" AND ".join(conditions),
    )


def parsed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its JSON columns parsed: Django's connections give them as text."""
    return tuple(orjson.loads(value) if value and index in JSON_COLUMNS else value for index, value in enumerate(row))


def entry_of(row: tuple[Any, ...], numbers: dict[int, int]) -> dict[str, Any]:
    """A row for people and the API."""
    time, what, row_id, label, agent, name, context, former, present, _, group = row
    context = context or {}
    before = {} if label == "insert" or former is None else plain(former, numbers)
    after = {} if label == "delete" else plain(present, numbers)
    if label == "delete":
        before = plain(present, numbers)
    words = sorted({*before, *after}) if label in LABELS else []
    if label != "update":
        words = [word for word in words if not word.endswith("_id")]  # the name, the agent say it
    changes = {
        word: {"before": before.get(word), "after": after.get(word)}
        for word in words
        if before.get(word) != after.get(word)
    }
    return {
        "id": f"{what}-{row_id}",
        "time": time,
        "who": context.get("user", ""),
        "via": context.get("via", "sql"),
        "address": context.get("address", ""),
        "request_id": context.get("request_id", ""),
        "token": context.get("token", ""),
        "what": what,
        "name": f"{name}: {group}" if group else name,
        "person": name if group else "",
        "role": group or "",
        "agent": agent or "",
        "action": LABELS.get(label, label),
        "note": context.get("changed", ""),
        "changes": changes,
    }


def plain(found: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """The columns that say something, with versions by their number."""
    columns = {column: value for column, value in found.items() if column not in SILENT}
    for column in VERSIONS:
        if column in columns:
            value = columns.pop(column)
            columns[f"{column.removesuffix('_id')}_version"] = None if value is None else numbers.get(value)
    return columns


def version_numbers(rows: Iterable[dict[str, Any] | None]) -> dict[int, int]:
    """The numbers of the versions that these rows refer to, by id."""
    wanted = {row[column] for row in rows if row for column in VERSIONS if row.get(column) is not None}
    return dict(AgentVersion.objects.filter(pk__in=wanted).values_list("pk", "number")) if wanted else {}
