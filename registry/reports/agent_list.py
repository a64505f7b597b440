"""The list of agents: which of them somebody wants to see, in what order, a page at a time.

Of every agent only its name and state are read; a page is the agents behind a position (its value and name), so it
stays right while others come and go. Orders by figures sort what one statement says of all agents, kept for seconds.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import connection
from django.db.models import Func, Q, TextField, Value
from django.utils import timezone

from agents.models import Agent
from registry.base.nearest import Names
from registry.base.sql import compose
from registry.base.text import is_storable
from registry.models import Route, SipMapping
from registry.reports.traffic import Standing, totals

PAGE = 50
KEPT_SECONDS = 5  # how old an order by figures may be
FIGURES = timedelta(hours=1)  # that shares of errors and latencies are of
# Words for a status that are no agent's state.
TROUBLE, DRAFT, TRASH = "trouble", "draft", "trash"
STATUSES = ("serving", "paused", "degraded", "failing", TROUBLE, DRAFT, TRASH)
MAX_TAGS = 40  # that are offered


@dataclass(frozen=True)
class Wanted:
    """Which agents, and in what order; empty = all but the trash, by name."""

    text: str = ""  # in names, titles, tags, routes and SIP names
    status: str = ""  # of STATUSES
    kind: str = ""
    tag: str = ""
    sort: str = "name"  # or one of SORTS
    descending: bool = False

    @property
    def filtered(self) -> bool:
        """Whether it leaves agents out."""
        return bool(self.text or self.status or self.kind or self.tag)


class Brief(NamedTuple):
    """As much of an agent as filters need."""

    name: str
    state: str
    kind: str
    drafted: bool


@dataclass(frozen=True)
class Page:
    """Some agents of all that are wanted. `before` and `after`: the positions of its ends; "" = there are no more."""

    names: list[str]
    first: int  # how many are before it
    total: int
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Listing:
    """A page, and how many there are of what somebody could filter by."""

    page: Page
    registered: int
    statuses: Mapping[str, int]
    kinds: Mapping[str, int]


def listing(wanted: Wanted, troubles: Mapping[str, Standing], *, after: str = "", before: str = "") -> Listing:
    """What the list shows. `troubles` from traffic.troubled; `after`, `before`: a position that a page ended with."""
    found = briefs(wanted)
    kinds = Counter(brief.kind for brief in found)
    of_kind = [brief for brief in found if wanted.kind in ("", brief.kind)]
    words = {brief.name: words_of(brief, troubles) for brief in of_kind}
    chosen = [name for name, known in words.items() if (wanted.status or "all") in known]
    statuses = Counter(word for known in words.values() for word in known)
    return Listing(page_of(chosen, wanted, after, before), statuses["all"], statuses, kinds)


def words_of(brief: Brief, troubles: Mapping[str, Standing]) -> frozenset[str]:
    """Every status by which an agent is found."""
    standing = troubles.get(brief.name, Standing.SERVING) if brief.state == Agent.State.SERVING else brief.state
    return words_for(str(standing), brief.drafted)


@lru_cache
def words_for(standing: str, drafted: bool) -> frozenset[str]:
    """The same by what decides it: ten thousand agents have a dozen answers."""
    if standing == Standing.TRASHED:
        return frozenset({TRASH})
    more = {TROUBLE: standing in (Standing.DEGRADED, Standing.FAILING), DRAFT: drafted}
    return frozenset({"all", standing, *(word for word, holds in more.items() if holds)})


def briefs(wanted: Wanted) -> list[Brief]:
    """All agents that have the text and the tag, those in the trash too."""
    if not is_storable(wanted.text + wanted.tag):
        return []
    agents = Agent.objects.all()
    if text := wanted.text:
        words = Func("tags", Value(" "), function="array_to_string", output_field=TextField())
        agents = agents.alias(words=words).filter(
            Q(name__has_text=text)
            | Q(title__has_text=text)
            | Q(words__has_text=text)
            | Q(pk__in=Route.objects.filter(path__has_text=text).values("agent"))
            | Q(pk__in=SipMapping.objects.filter(username__has_text=text).values("route__agent"))
        )
    if wanted.tag:
        agents = agents.filter(tags__contains=[wanted.tag])
    rows = agents.values_list("name", "state", "kind", "draft")
    return [Brief(name, state, kind, draft is not None) for name, state, kind, draft in rows]


def tags_in_use() -> list[tuple[str, int]]:
    """The tags of registered agents with their numbers, the usual ones first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tag, count(*) FROM agents_agent, unnest(tags) AS tag WHERE state <> 'trashed'
            GROUP BY tag ORDER BY count(*) DESC, tag LIMIT %s""",
            [MAX_TAGS],
        )
        return cursor.fetchall()  # type: ignore[no-any-return]


def known_names() -> list[str]:
    """The names of all registered agents."""
    return list(Agent.objects.exclude(state=Agent.State.TRASHED).values_list("name", flat=True))


def nearest_agent(text: str) -> str:
    """The registered agent whose name is most like a text; "" if none is near."""
    return Names(known_names()).nearest(text[:100])


# --- orders ----------------------------------------------------------------------------------------------------------

Values = dict[str, Any]  # by agent: what it is sorted by; those without a value come last, either way round


def error_shares() -> Values:
    """Failed of all requests of the last FIGURES, of agents that had any."""
    return pairs(
        """SELECT agent, sum(errors)::float / sum(count) FROM registry_agentminute WHERE minute >= %s
        GROUP BY agent HAVING sum(count) > 0""",
        [timezone.now() - FIGURES],
    )


def slowest() -> Values:
    """The latency in milliseconds that 95 % of the requests of the last FIGURES are below."""
    return {name: traffic.milliseconds(0.95) for name, traffic in totals(timezone.now() - FIGURES).items()}


def first_routes() -> Values:
    """The route at which each agent is."""
    return pairs(
        """SELECT DISTINCT ON (a.id) a.name, r.path
        FROM registry_route r JOIN agents_agent a ON a.id = r.agent_id ORDER BY a.id, r.id"""
    )


def hits() -> Values:
    """The minute of each agent's last request: one look into the index for each."""
    return pairs(
        """SELECT a.name, last.minute FROM agents_agent a, LATERAL
        (SELECT minute FROM registry_agentminute WHERE agent = a.name ORDER BY minute DESC LIMIT 1) last"""
    )


# When which agent, or something that leads to it, was changed; in braces: conditions.
CHANGES = """SELECT pgh_obj_id AS agent, pgh_created_at AS at, pgh_context_id AS context
    FROM agents_agentevent {of_agent}
    UNION ALL SELECT agent_id, pgh_created_at, pgh_context_id FROM registry_routeevent {of_route}
    UNION ALL SELECT r.agent_id, s.pgh_created_at, s.pgh_context_id
    FROM registry_sipmappingevent s JOIN registry_route r ON r.id = s.route_id {of_name}"""


def change_times() -> Values:
    """When each agent was changed last."""
    found = CHANGES.format(of_agent="", of_route="", of_name="")
    return pairs(
        compose(
            "SELECT a.name, max(c.at) FROM ({found}) c JOIN agents_agent a ON a.id = c.agent GROUP BY a.name",
            found=found,
        )
    )


def pairs(statement: str, values: Sequence[Any] = ()) -> Values:
    """The rows of a statement with two columns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return dict(cursor.fetchall())


# What agents can be sorted by besides their name: how it is read, and how it stands in an address.
SORTS: dict[str, tuple[Callable[[], Values], Callable[[str], Any]]] = {
    "route": (first_routes, str),
    "errors": (error_shares, float),
    "p95": (slowest, float),
    "last": (hits, datetime.fromisoformat),
    "changed": (change_times, datetime.fromisoformat),
}


def page_of(names: Iterable[str], wanted: Wanted, after: str, before: str) -> Page:
    """The page behind or before a position, else the first."""
    values: Values = {}
    if wanted.sort in SORTS:
        values = cache.get_or_set(f"listing-{wanted.sort}", SORTS[wanted.sort][0], KEPT_SECONDS) or {}
    ordered = in_order(names, values, descending=wanted.descending)
    order = Order(values, wanted)
    start = 0
    if after:
        start = next((place for place, name in enumerate(ordered) if order.is_behind(name, after)), len(ordered))
    elif before:
        end = next((place for place, name in enumerate(ordered) if not order.is_before(name, before)), len(ordered))
        start = max(end - PAGE, 0)
    shown = ordered[start : start + PAGE]
    return Page(
        shown,
        start,
        len(ordered),
        order.position(shown[0]) if shown and start else "",
        order.position(shown[-1]) if start + PAGE < len(ordered) else "",
    )


def in_order(names: Iterable[str], values: Values, *, descending: bool) -> list[str]:
    """Sorted by value, equal ones and those without a value by name; without any values by name alone."""
    if not values:
        return sorted(names, reverse=descending)
    by_name = sorted(names)
    known = [name for name in by_name if values.get(name) is not None]
    known.sort(key=values.__getitem__, reverse=descending)  # stable both ways
    return known + [name for name in by_name if values.get(name) is None]


class Order:
    """Compares agents with a position, which may be of one that is gone, or whose value is another by now."""

    def __init__(self, values: Values, wanted: Wanted):
        self.values, self.descending = values, wanted.descending
        self.read = SORTS[wanted.sort][1] if wanted.sort in SORTS else str

    def position(self, name: str) -> str:
        """Of an agent: its value and name."""
        value = self.values.get(name)
        text = value.isoformat() if isinstance(value, datetime) else "" if value is None else str(value)
        return f"{text}~{name}"

    def parse(self, position: str) -> tuple[Any, str]:
        """Value (None = without one) and name."""
        text, _, name = position.rpartition("~")
        try:
            return (self.read(text) if text else None), name
        except ValueError:
            return None, name

    def is_behind(self, name: str, position: str) -> bool:
        """Whether an agent comes after the position."""
        return self.compared(name, position) > 0

    def is_before(self, name: str, position: str) -> bool:
        """Whether an agent comes before the position."""
        return self.compared(name, position) < 0

    def compared(self, name: str, position: str) -> int:
        """1 behind, 0 at, -1 before the position."""
        there, other = self.parse(position)
        here = self.values.get(name)
        try:
            if here != there and None not in (here, there):
                return 1 if (here > there) != self.descending else -1
        except TypeError:  # a position of another order, or a time without a zone
            return 1
        if (here is None) != (there is None):
            return 1 if here is None else -1
        backwards = self.descending and not self.values
        return 0 if name == other else 1 if (name > other) != backwards else -1
