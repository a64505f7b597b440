"""Search from anywhere: agents, routes, SIP names and calls, a few of each, what is exactly it first."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from registry.base.text import is_storable, like
from registry.routing.addresses import sip_username

CALL_LETTERS = 4  # from so many on calls are looked for by the beginning of their id
SCANNED = 2000  # rows of the log that this may look at
LAST = "\U0010ffff"


@dataclass(frozen=True)
class Hit:
    """Something that was found. `agent`: to whom it leads; `more`: its title, or where it leads."""

    kind: str  # agent, route, sip or call
    name: str
    agent: str = ""
    more: str = ""
    exact: bool = False


def find(text: str, limit: int) -> list[Hit]:
    """At most `limit` of each kind; nothing for nothing."""
    text = text.strip()
    if not text or not is_storable(text):
        return []
    return [*agents(text, limit), *routes(text, limit), *sip_names(text, limit), *calls(text, limit)]


def only_one(hits: Iterable[Hit]) -> Hit | None:
    """The hit that was certainly meant: all that is exactly it belongs to one agent, or is one call."""
    exact = [hit for hit in hits if hit.exact]
    targets = {hit.agent or hit.name for hit in exact}
    return exact[0] if len(targets) == 1 else None


def agents(text: str, limit: int) -> list[Hit]:
    """By name or title, those in the trash too."""
    rows = read(
        """SELECT name, CASE WHEN state = 'trashed' THEN 'in the trash' ELSE title END FROM agents_agent
        WHERE name ILIKE %(like)s OR title ILIKE %(like)s
        ORDER BY name <> lower(%(text)s), NOT starts_with(name, lower(%(text)s)), state = 'trashed', name
        LIMIT %(limit)s""",
        text,
        limit,
    )
    return [Hit("agent", name, name, more, name == text.lower()) for name, more in rows]


def routes(text: str, limit: int) -> list[Hit]:
    """By path."""
    rows = read(
        """SELECT r.path, a.name FROM registry_route r JOIN agents_agent a ON a.id = r.agent_id
        WHERE r.path ILIKE %(like)s ORDER BY r.path <> %(text)s, length(r.path), r.path LIMIT %(limit)s""",
        text,
        limit,
    )
    return [Hit("route", path, name, name, path == text) for path, name in rows]


def sip_names(text: str, limit: int) -> list[Hit]:
    """By username; a whole address (sip:help-desk@example.com) is understood."""
    username = sip_username(text)
    if not username:
        return []
    rows = read(
        """SELECT s.username, a.name, r.path FROM registry_sipmapping s JOIN registry_route r ON r.id = s.route_id
        JOIN agents_agent a ON a.id = r.agent_id WHERE s.username ILIKE %(like)s
        ORDER BY s.username <> %(text)s, NOT starts_with(s.username, %(text)s), s.username LIMIT %(limit)s""",
        username,
        limit,
    )
    return [Hit("sip", name, agent, path, name == username) for name, agent, path in rows]


def calls(text: str, limit: int) -> list[Hit]:
    """By id, or its beginning: a range of the index."""
    if len(text) < CALL_LETTERS:
        return []
    rows = read(
        """SELECT DISTINCT call_id FROM
        (SELECT call_id FROM registry_routingevent WHERE call_id = %(text)s AND call_id <> ''
         UNION ALL (SELECT call_id FROM registry_routingevent
                    WHERE call_id > %(text)s AND call_id < %(text)s || %(last)s AND starts_with(call_id, %(text)s)
                    AND call_id <> '' LIMIT %(scanned)s)) found
        ORDER BY call_id LIMIT %(limit)s""",
        text,
        limit,
    )
    return [Hit("call", call, exact=call == text) for (call,) in rows]


def read(statement: str, text: str, limit: int) -> list[tuple[str, ...]]:
    """The rows of one of these statements."""
    values: dict[str, str | int] = {"text": text, "like": like(text), "limit": limit, "last": LAST, "scanned": SCANNED}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()  # type: ignore[no-any-return]
