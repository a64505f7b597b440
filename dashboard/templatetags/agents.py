"""Cells of the list of agents, and jacks of the board."""

from collections.abc import Mapping

from django import template
from django.utils.safestring import SafeString

from dashboard.charts import spark
from dashboard.templatetags.switchboard import figure
from dashboard.words import status_of
from registry.reports.agent_health import AgentTrouble
from registry.reports.agent_rows import Row
from registry.reports.traffic import Standing

register = template.Library()


@register.simple_tag
def day_of(row: Row) -> SafeString | str:
    """The requests of the last 24 hours as a line."""
    total, peak = sum(row.hours), max(row.hours, default=0)
    if not total:
        return SafeString('<span class="quiet">no calls</span>')
    label = f"{total} requests in 24 hours, at most {peak} an hour"
    return spark([*row.hours], label, tone="bad" if row.standing is Standing.FAILING else "")


@register.simple_tag
def p95_of(row: Row) -> str:
    """The latency that 95 % of the last hour's requests are below, in milliseconds."""
    return figure(row.figures.milliseconds(0.95))


@register.filter
def trouble_of(ill: Mapping[str, AgentTrouble], row: Row) -> AgentTrouble | None:
    """What is wrong with an agent that should answer; `ill` by name."""
    return ill.get(row.name) if row.standing not in (Standing.PAUSED, Standing.TRASHED) else None


@register.simple_tag
def tone(word: str) -> str:
    """The tone of a state, for the class of what holds its jack."""
    return status_of(word)[0]
