"""The overview: how the fleet is doing, and what needs attention."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString

from agents.models import Agent
from dashboard.agent_health import agents_in_trouble, present_troubles
from dashboard.attention import attention
from dashboard.audit.acts import recent_acts
from dashboard.charts import spark
from dashboard.shell import page_for, show, steps_of_replicas
from dashboard.templatetags.switchboard import figure, percent
from registry.log.filters import Filter
from registry.log.search import Range, search
from registry.models import Route
from registry.policy import Deed
from registry.rehearsal.stage import stage_of
from registry.reports.activity import anything_yet, busiest, calls_by_minute, calls_now
from registry.reports.traffic import DEGRADED_SHARE, STANDING_MINUTES, Standing, Traffic, fleet_minutes
from registry.requests import principal_of, public_base

MINUTES = 60  # of the charts
KEPT_SECONDS = 2  # how old the figures may be: pages ask together, every two seconds
SLOW_SECONDS = 15  # how old what is counted over the whole hour may be
BOARD = 60  # agents
EVENTS, CHANGES = 10, 8  # rows


@dataclass(frozen=True)
class Figure:
    """A key figure with its chart."""

    name: str
    value: str
    more: str
    chart: SafeString
    warns: bool = False


@dataclass(frozen=True)
class Place:
    """An agent on the board."""

    name: str
    standing: str
    calls: int


@page_for(Deed.SEE)
def overview(request: HttpRequest) -> HttpResponse:
    """The page without its figures, which it asks for when it is there; or a part. Only what is shown is read."""
    replicas = steps_of_replicas()
    stage = stage_of(request)
    table = stage.tables.current if stage else None
    troubles = present_troubles()
    items, more = attention(principal_of(request), troubles, agents_in_trouble(), replicas["replicas"], table)
    context: dict[str, Any] = {
        **replicas,
        "registered": Agent.objects.exclude(state=Agent.State.TRASHED).count(),
        "items": items,
        "more": more,
        "board": lambda: board(troubles),
        "events": lambda: search(Filter(), Range(), EVENTS),
        "changes": lambda: recent_acts(CHANGES),
    }
    return show(request, "pages/overview.html", context, parts={"now"})


@page_for(Deed.SEE)
def figures(request: HttpRequest) -> HttpResponse:
    """The key figures with their charts, or how to make the first request."""
    context: dict[str, Any] = {}
    if anything_yet():
        context["figures"] = kept("overview-figures", key_figures)
    else:
        route = Route.objects.select_related("agent").filter(enabled=True).first()
        context |= {"route": route, "address": f"{public_base(request)}{route.path}" if route else ""}
    return show(request, "pages/overview/figures.html", context, parts={"figures"})


def board(troubles: dict[str, Standing]) -> list[Place]:
    """The agents in trouble, then the busiest, then others by name."""
    calls = kept("calls-now", calls_now)
    busy = kept("busiest", lambda: busiest(timezone.now() - timedelta(minutes=MINUTES), BOARD), SLOW_SECONDS)
    ahead = list(dict.fromkeys([*sorted(troubles), *sorted(calls, key=lambda name: -calls[name]), *busy]))[: 2 * BOARD]
    registered = Agent.objects.exclude(state=Agent.State.TRASHED)
    states = dict(registered.filter(name__in=ahead).values_list("name", "state"))
    if len(states) < BOARD:
        states |= dict(registered.order_by("name").values_list("name", "state")[:BOARD])
    names = [name for name in dict.fromkeys([*ahead, *states]) if name in states][:BOARD]
    return [
        Place(
            name,
            troubles.get(name, Standing.SERVING) if states[name] == Agent.State.SERVING else states[name],
            calls.get(name, 0),
        )
        for name in names
    ]


def kept(key: str, read: Callable[[], Any], seconds: float = KEPT_SECONDS) -> Any:
    """What was read at most so many seconds ago."""
    found = cache.get(key)
    if found is None:
        found = read()
        cache.set(key, found, seconds)
    return found


# --- the figures -----------------------------------------------------------------------------------------------------


def key_figures() -> list[Figure]:
    """Requests a minute, active calls, errors and latency of the last hour."""
    now = timezone.now()
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    minutes = fleet_minutes(since, MINUTES)
    lately, hour = added(minutes[-STANDING_MINUTES:]), added(minutes)
    return [
        requests_figure(minutes, now),
        calls_figure(since),
        errors_figure(minutes, lately, hour),
        latency_figure(minutes, hour),
    ]


def requests_figure(minutes: list[Traffic], now: datetime) -> Figure:
    """The last 60 seconds: this minute, and of the one before it what has not gone by."""
    counts = [float(minute.count) for minute in minutes]
    counts[-1] += counts[-2] * (1 - (now.second + now.microsecond / 1e6) / 60)
    rate, total = round(counts[-1]), int(sum(minute.count for minute in minutes))
    label = (
        f"Requests a minute, last {MINUTES} minutes: {whole(min(counts))} to {whole(max(counts))}, now {whole(rate)}"
    )
    return Figure("Requests a minute", whole(rate), f"{whole(total)} in the last hour", drawn(counts, label))


def calls_figure(since: datetime) -> Figure:
    """Calls of which something was heard lately, and not their end."""
    counts = list(kept("calls-by-minute", lambda: calls_by_minute(since, MINUTES), SLOW_SECONDS))
    now = sum(kept("calls-now", calls_now).values())
    counts[-1] = float(now)
    peak = max(count for count in counts if count is not None)
    label = f"Active calls, last {MINUTES} minutes: at most {whole(peak)}, now {now}"
    return Figure("Active calls", whole(now), f"at most {whole(peak)} in the last hour", drawn(counts, label))


def errors_figure(minutes: list[Traffic], lately: Traffic, hour: Traffic) -> Figure:
    """The share of requests that failed on our side; warns from the share on that makes an agent Degraded."""
    warns = (lately.error_share or 0) >= DEGRADED_SHARE
    value = percent(hour.error_share) or "none"
    more = f"{percent(lately.error_share)} in the last {STANDING_MINUTES} min" if lately.count else "of no requests"
    shares = [minute.error_share for minute in minutes]
    label = f"Share of errors, last {MINUTES} minutes: {value} of {hour.count} requests"
    chart = spark(shares, label, tone="warn" if warns else "accent", tall=True, top=0.02, limit=DEGRADED_SHARE)
    return Figure("Errors", value, more, chart, warns)


def latency_figure(minutes: list[Traffic], hour: Traffic) -> Figure:
    """The latency that 95 % of the requests are below; the band begins at what half of them are."""
    upper = [minute.milliseconds(0.95) for minute in minutes]
    lower = [minute.milliseconds(0.5) for minute in minutes]
    p50, p95 = figure(hour.milliseconds(0.5)), figure(hour.milliseconds(0.95))
    label = f"Latency p50 to p95, last {MINUTES} minutes: {p50 or 'none'} to {p95 or 'none'} ms"
    chart = spark(upper, label, lower=lower, tone="accent", tall=True)
    return Figure("p95", f"{p95} ms" if p95 else "none", f"p50 {p50} ms, last hour" if p50 else "of no requests", chart)


def whole(number: float) -> str:
    """A count, its thousands apart."""
    return f"{number:,.0f}".replace(",", "\N{THIN SPACE}")


def drawn(counts: list[Any], label: str) -> SafeString:
    """A tall line."""
    return spark(counts, label, tone="accent", tall=True)


def added(minutes: list[Traffic]) -> Traffic:
    """Their sum."""
    total = Traffic()
    for minute in minutes:
        total.add(minute.count, minute.errors, minute.latencies)
    return total


urlpatterns = [
    path("overview/", overview, name="overview"),
    path("overview/figures/", figures, name="overview-figures"),
]
