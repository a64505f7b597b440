"""What needs somebody's attention: each with one action. The most urgent first, and of every sort some."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from dashboard.agent_health import DOWN
from dashboard.words import KINDS, STATUSES
from registry.heartbeats import Replica
from registry.policy import Deed, Principal
from registry.reports.activity import expiring_tokens, failures
from registry.reports.agent_health import AgentTrouble
from registry.reports.traffic import STANDING_MINUTES, Standing, totals
from registry.reports.unmatched import Unmatched, unmatched_names
from registry.routing.table import RoutingTable

MOST = 8  # rows
OF_EACH = 3  # rows of one sort, as long as there are others
UNMATCHED_SINCE = timedelta(hours=24)
UNMATCHED_KEPT = 10  # seconds
TOKENS_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Item:
    """A problem. `state` is a word of dashboard/words.py; `key` tells it from all others."""

    key: str
    state: str
    what: str
    text: str
    action: str
    url: str
    agent: str = ""
    since: datetime | None = None
    until: datetime | None = None


def attention(
    principal: Principal,
    troubles: dict[str, Standing],
    ill: dict[str, AgentTrouble],
    replicas: list[Replica],
    table: RoutingTable | None,
) -> tuple[list[Item], int]:
    """The rows to show, and how many there are besides. An agent that is `ill` has one row, which says why."""
    troubles = {name: found for name, found in troubles.items() if name not in ill}
    sorts = [
        broken(table),
        unwell(ill, down=True),
        failing(troubles, Standing.FAILING),
        [behind(replica) for replica in replicas if replica.state != "in_step"],
        [unmatched(found, principal) for found in unmatched_lately()],
        unwell(ill, down=False),
        failing(troubles, Standing.DEGRADED),
        tokens() if principal.may(Deed.ADMINISTER) else [],
    ]
    first = [item for found in sorts for item in found[:OF_EACH]]
    rest = [item for found in sorts for item in found[OF_EACH:]]
    order = {item.key: place for place, item in enumerate(item for found in sorts for item in found)}
    chosen = sorted([*first, *rest][:MOST], key=lambda item: order[item.key])
    return chosen, len(order) - len(chosen)


def broken(table: RoutingTable | None) -> list[Item]:
    """Agents whose definition this process cannot serve."""
    entries = table.agents.values() if table else ()
    return [
        Item(
            f"broken-{entry.agent.name}",
            "broken",
            entry.agent.name,
            f"{entry.agent.problem}.",
            "Open its versions",
            reverse("dashboard:agent-versions", args=[entry.agent.name]),
            entry.agent.name,
        )
        for entry in entries
        if entry.agent.problem
    ]


def unwell(ill: dict[str, AgentTrouble], *, down: bool) -> list[Item]:
    """Python and remote agents that cannot be asked, or only in part; the ones that were first are."""
    chosen = sorted((found.since, name) for name, found in ill.items() if (found.state == DOWN) is down)
    items = []
    for since, name in chosen:
        found = ill[name]
        where = "" if found.workers == found.of else f" On {found.workers} of {found.of} workers."
        text = f"{'Down' if down else 'Shaky'}: {found.detail.rstrip('.')}.{where}"
        page = reverse("dashboard:agent", args=[name])
        items.append(Item(f"ill-{name}", found.state, name, text, "Open it", page, name, since=since))
    return items


def failing(troubles: dict[str, Standing], standing: Standing) -> list[Item]:
    """Agents of this standing, those with the most errors first."""
    names = [name for name, found in troubles.items() if found is standing]
    if not names:
        return []
    since = timezone.now() - timedelta(minutes=STANDING_MINUTES)
    figures = totals(since, names)
    names = sorted((name for name in names if name in figures), key=lambda name: (-figures[name].errors, name))
    why = failures(names[:MOST], since)
    items = []
    for name in names:
        found, reason = figures[name], ""
        if name in why:
            what = why[name].function or KINDS.get(why[name].kind, why[name].kind)
            outcome = STATUSES.get(why[name].outcome, ("", "Error"))[1].lower()
            reason = f" Most often {what}: {outcome}."
        text = f"{found.errors} of {found.count} requests failed on our side in the last {STANDING_MINUTES} min."
        log = reverse("dashboard:agent-log", args=[name])
        items.append(Item(f"agent-{name}", standing.value, name, text + reason, "Open its log", log, name))
    return items


def behind(replica: Replica) -> Item:
    """A replica that serves what was before, or is not heard of."""
    text = f"Serves revision {replica.revision}, not the newest."
    if replica.state == "silent":
        text = "Nothing is heard of it; it may serve what was before."
    if replica.last_error:
        text += f" Last error: {replica.last_error.splitlines()[0][:120]}"
    page = reverse("dashboard:settings-replicas")
    return Item(f"replica-{replica.name}", replica.state, replica.name, text, "Open replicas", page, since=replica.seen)


def unmatched_lately() -> list[Unmatched]:
    """Names that were dialled and nobody has; kept for seconds, for every open page asks for them."""

    def read() -> list[Unmatched]:
        return unmatched_names(timezone.now() - UNMATCHED_SINCE, MOST)

    return cache.get_or_set("unmatched", read, UNMATCHED_KEPT) or []


def unmatched(found: Unmatched, principal: Principal) -> Item:
    """A dialled name that nobody has, with the action that gives it to whom it was probably meant for."""
    calls = "1 request" if found.count == 1 else f"{found.count} requests"
    near = f" Nearest name: {found.nearest_name}." if found.nearest_name else " No name is near."
    page = reverse("dashboard:routing")
    action = "Open routing"
    if principal.may(Deed.CHANGE):
        query = {"map": found.name} | ({"to": found.nearest_route} if found.nearest_route else {})
        page, action = (
            f"{page}?{urlencode(query)}",
            f"Map to {found.nearest_route}" if found.nearest_route else "Map it",
        )
    text = f"{calls} in 24 hours found no agent of this name.{near}"
    return Item(f"name-{found.name}", "unmatched", found.name, text, action, page, since=found.last)


def tokens() -> list[Item]:
    """Tokens that will not be good for long."""
    page = reverse("dashboard:settings-tokens")
    return [
        Item(
            f"token-{token.key}",
            "expiring",
            token.name,
            f"The token {token.key} stops working.",
            "Open tokens",
            page,
            until=token.expires,
        )
        for token in expiring_tokens(TOKENS_WITHIN, MOST)
    ]
