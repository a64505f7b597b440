"""Search from anywhere: agents, routes, SIP names and calls, a few of each, what is exactly it first."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, OrderBy, Q
from django.db.models.functions import Length

from agents.models import Agent
from registry.base.text import is_storable
from registry.models import Route, SipMapping
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
    name = text.lower()
    trashed = Q(state=Agent.State.TRASHED)
    found = Agent.objects.filter(Q(name__has_text=text) | Q(title__has_text=text)).order_by(
        first(name=name), first(name__startswith=name), first(~trashed), "name"
    )
    return [
        Hit(
            "agent",
            agent.name,
            agent.name,
            "in the trash" if agent.state == Agent.State.TRASHED else agent.title,
            agent.name == name,
        )
        for agent in found.only("name", "title", "state")[:limit]
    ]


def routes(text: str, limit: int) -> list[Hit]:
    """By path."""
    found = Route.objects.filter(path__has_text=text).order_by(first(path=text), Length("path"), "path")
    rows = found.values_list("path", "agent__name")[:limit]
    return [Hit("route", path, name, name, path == text) for path, name in rows]


def sip_names(text: str, limit: int) -> list[Hit]:
    """By username; a whole address (sip:help-desk@example.com) is understood."""
    username = sip_username(text)
    if not username:
        return []
    found = SipMapping.objects.filter(username__has_text=username).order_by(
        first(username=username), first(username__startswith=username), "username"
    )
    rows = found.values_list("username", "route__agent__name", "route__path")[:limit]
    return [Hit("sip", name, agent, path, name == username) for name, agent, path in rows]


def first(*conditions: Q, **more: str) -> OrderBy:
    """Rows that meet the conditions before the others."""
    return ExpressionWrapper(Q(*conditions, **more), BooleanField()).desc()


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
    values: dict[str, str | int] = {"text": text, "limit": limit, "last": LAST, "scanned": SCANNED}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()  # type: ignore[no-any-return]
