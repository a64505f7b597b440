"""What an agent did lately, as figures with their sparklines."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from dashboard.charts import spark
from dashboard.templatetags.switchboard import figure, percent
from registry.reports.traffic import DEGRADED_SHARE, FAILING_SHARE, Traffic, last_hits, series, traffic_of

DAY, STEP = timedelta(hours=24), timedelta(minutes=30)
HOUR, MINUTE = timedelta(minutes=60), timedelta(minutes=1)


@dataclass(frozen=True)
class Figures:
    """Of the last 24 hours. Latencies in milliseconds; None without requests."""

    count: int
    error_share: float | None
    p50: float | None
    p95: float | None
    last: datetime | None  # the minute of the last request ever
    tone: str  # of the errors: "", warn or bad


def figures_of(name: str) -> Figures:
    """The numbers alone: two queries."""
    day = traffic_of([name], timezone.now() - DAY).get(name, Traffic())
    share = day.error_share or 0
    tone = "bad" if share >= FAILING_SHARE else "warn" if share >= DEGRADED_SHARE else ""
    return Figures(
        day.count, day.error_share, day.milliseconds(0.5), day.milliseconds(0.95), last_hits([name]).get(name), tone
    )


def charts_of(name: str, found: Figures) -> dict[str, SafeString]:
    """The sparklines: two queries."""
    now = timezone.now().replace(second=0, microsecond=0)
    steps = int(DAY / STEP)
    day = series(now + MINUTE - DAY, STEP, steps, [name])[name]
    hour = series(now + MINUTE - HOUR, MINUTE, int(HOUR / MINUTE), [name])[name]
    counts, shares = [step.count for step in day], [step.error_share for step in day]
    p95, p50 = [step.milliseconds(0.95) for step in day], [step.milliseconds(0.5) for step in day]
    highest = max((value for value in shares if value is not None), default=0.0)
    slowest = max((value for value in p95 if value is not None), default=0.0)
    last: list[Any] = [step.count for step in hour]
    return {
        "requests": spark(
            counts, f"Requests, last 24 hours: at most {max(counts)} in half an hour", tone="accent", tall=True
        ),
        "errors": spark(
            shares,
            f"Errors, last 24 hours: at most {percent(highest)} in half an hour",
            tone=found.tone,
            tall=True,
            top=DEGRADED_SHARE * 2,
            limit=DEGRADED_SHARE,
        ),
        "latency": spark(
            p95,
            f"Latency p50 to p95, last 24 hours: p95 at most {figure(slowest)} ms",
            lower=p50,
            tone="accent",
            tall=True,
        ),
        "last": spark(last, f"Requests a minute, last 60 minutes: {sum(last)} in all", tone="accent", tall=True),
    }
