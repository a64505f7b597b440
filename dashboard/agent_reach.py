"""What leads to an agent, and where callers come out when it no longer does."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from agents.models import Agent
from registry.events.reading import TABLE
from registry.events.searching import first_id
from registry.lookups import default_route
from registry.models import Route

RUNNING_MINUTES = 10  # a call of which nothing was heard for so long has ended
MAX_RUNNING = 1000  # that are counted


@dataclass(frozen=True)
class Effect:
    """What happens when routes are removed."""

    paths: list[str]
    names: list[str]  # SIP names that go with them
    to: Route | None  # that takes the calls to these names from then on; None = they are refused
    loses_default: bool  # one of them is the default route
    last: bool  # the agent has no other route: it goes into the trash
    running: int  # calls of which something was heard in the last RUNNING_MINUTES


def effect_of_removing(agent: Agent, routes: Collection[Route]) -> Effect:
    """What removing these routes of an agent does: three queries."""
    default = default_route()
    gone = {route.pk for route in routes}
    return Effect(
        paths=[route.path for route in routes],
        names=[mapping.username for route in routes for mapping in route.sip_mappings.all()],
        to=None if default is None or default.pk in gone else default,
        loses_default=default is not None and default.pk in gone,
        last=not agent.routes.exclude(pk__in=gone).exists(),
        running=running_calls(agent.name),
    )


def running_calls(name: str) -> int:
    """Calls of an agent that have been heard of lately and have not sent their summary; at most MAX_RUNNING."""
    since = str(first_id(timezone.now() - timedelta(minutes=RUNNING_MINUTES)))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) FROM (SELECT call_id FROM {TABLE} WHERE agent = %s AND id >= %s AND call_id <> ''
            AND kind <> 'test' GROUP BY call_id HAVING NOT bool_or(kind = 'post_prompt') LIMIT %s) running""",  # noqa: S608
            [name, since, MAX_RUNNING],
        )
        return int(cursor.fetchone()[0])


@dataclass
class Hit:
    """How often something was used, and when the last time."""

    count: int = 0
    last: datetime | None = None

    def add(self, count: int, last: datetime) -> None:
        """More of it."""
        self.count += count
        self.last = last if self.last is None else max(self.last, last)


@dataclass
class Hits:
    """By route and by SIP name."""

    routes: dict[str, Hit] = field(default_factory=dict)
    names: dict[str, Hit] = field(default_factory=dict)


def hits_of(name: str, since: datetime) -> Hits:
    """Requests to an agent from a moment on, tests left out: one query, which looks at each of them."""
    hits = Hits()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT route, sip_user, count(*), max(id::text) FROM {TABLE}
            WHERE agent = %s AND id >= %s AND kind <> 'test' GROUP BY route, sip_user""",  # noqa: S608
            [name, str(first_id(since))],
        )
        for route, username, count, last in cursor.fetchall():
            moment = datetime.fromtimestamp((UUID(last).int >> 80) / 1000, UTC)
            hits.routes.setdefault(route, Hit()).add(count, moment)
            if username:
                hits.names.setdefault(username, Hit()).add(count, moment)
    return hits
