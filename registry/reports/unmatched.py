"""SIP names that callers dialled and nobody has, and the registered name that each was probably meant to be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from registry.base.nearest import Names
from registry.log.ids import first_id, moment_of
from registry.models import SipMapping
from registry.routing.addresses import other_forms

MAX_EVENTS = 20_000  # newest ones that are counted: somebody who tries out names can make millions


@dataclass(frozen=True)
class Unmatched:
    """A dialled name that is nobody's. `nearest_name` and `nearest_route` are "" if none is near."""

    name: str  # as names are compared
    count: int  # requests
    last: datetime
    nearest_name: str = ""
    nearest_route: str = ""


def unmatched_names(since: datetime, limit: int) -> list[Unmatched]:
    """What was dialled since then and nobody has now, the most often dialled first. Tests are not counted.

    Of the newest MAX_EVENTS such requests: an index has them, however long the log is.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT sip_user, count(*), max(id::text)::uuid FROM
            (SELECT sip_user, id FROM registry_routingevent
             WHERE outcome IN ('fallback', 'not_found') AND id >= %s AND sip_user <> '' AND kind <> 'test'
             ORDER BY id DESC LIMIT %s) recent
            WHERE NOT EXISTS (SELECT FROM registry_sipmapping WHERE username = sip_user)
            GROUP BY sip_user ORDER BY count(*) DESC, sip_user LIMIT %s""",
            [str(first_id(since)), MAX_EVENTS, limit],
        )
        found = cursor.fetchall()
    near = nearest([name for name, _, _ in found]) if found else {}
    return [Unmatched(name, count, moment_of(last), *near.get(name, ("", ""))) for name, count, last in found]


def nearest(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The registered SIP name that is most like each of these, and its route; those without one are left out."""
    routes = dict(SipMapping.objects.values_list("username", "route__path"))
    known = Names(routes)
    # The same number with its + or without comes before whatever else is like it.
    found = {
        name: next((form for form in other_forms(name) if form in routes), "") or known.nearest(name) for name in names
    }
    return {name: (near, routes[near]) for name, near in found.items() if near}
