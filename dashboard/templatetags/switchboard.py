"""Tags of the dashboard's templates: statuses, times, figures."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from agents.kinds import USUAL, kind_named
from dashboard import toasts, words
from dashboard.zones import moment_of
from registry.requests import public_path

LEAST = 0.05  # what has a digit after the point; less is no 0.0
register = template.Library()
register.simple_tag(public_path)
register.filter("kind_word", lambda kind: words.KINDS.get(kind, kind))


@register.simple_tag
def agent_kind(kind: str) -> SafeString:
    """How an agent answers, as icon and word."""
    name, word = words.agent_kind(kind)
    return format_html('<span class="agent-kind">{} {}</span>', drawn(name), word)


@register.filter
def is_here(word: str) -> bool:
    """Whether agents of a kind answer by themselves in any process: they cannot be in trouble."""
    return kind_named(word).here


@register.filter
def is_usual(word: str) -> bool:
    """Whether a kind is the one that need not be said."""
    return word == USUAL


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of Lucide's icons, 16 px and silent: a word stands beside it."""
    return drawn(name + "")  # a plain string, not the template's safe one


@lru_cache(maxsize=256)
def drawn(name: str) -> SafeString:
    """Drawn once: the library copies a tree of XML each time."""
    return mark_safe(lucide(name, size=16, **{"class": "icon", "aria_hidden": "true"}))  # noqa: S308 - the library's


@register.simple_tag
def status(word: str, label: str = "") -> SafeString:
    """A state as jack and word: `{% status agent.state %}`. The word decides the tone; `label` replaces its text."""
    tone, text = words.status_of(word)
    return format_html(
        '<span class="status is-{}"><i class="jack" aria-hidden="true"></i>{}</span>', tone, label or text
    )


@register.filter
def codes(values: Iterable[Any], attribute: str = "") -> SafeString:
    """Names in a sentence: each as code, with commas between them. `attribute`: where each value has its name."""
    names = (getattr(value, attribute) if attribute else value for value in values)
    return format_html_join(", ", "<code>{}</code>", ((name,) for name in names))


@register.filter
def clock(value: datetime | str | None) -> str:
    """The time of day to the millisecond, for logs: 10:41:58.214."""
    moment = moment_of(value)
    return "" if moment is None else timezone.localtime(moment).isoformat(timespec="milliseconds")[11:23]


@register.filter
def moment(value: datetime | str | None) -> SafeString | str:
    """When, as short as can be: 10:41 today, 12 Nov 10:41 this year, else with the year. In full as the title."""
    found = moment_of(value)
    if found is None:
        return ""
    local, today = timezone.localtime(found), timezone.localtime()
    form = "%H:%M" if local.date() == today.date() else "%-d %b %H:%M" if local.year == today.year else "%-d %b %Y"
    return stamped(local, local.strftime(form))


@register.filter
def field_time(value: datetime | None) -> str:
    """As a field of type datetime-local has it, in the zone of the page."""
    return "" if value is None else timezone.localtime(value).replace(tzinfo=None).isoformat(timespec="seconds")


@register.filter
def ago(value: datetime | str | None) -> SafeString | str:
    """How long ago, kept true by the page's script: 2 s, 5 min, 3 h, 12 days. "never" without a time."""
    found = moment_of(value)
    if found is None:
        return "never"
    seconds = (timezone.now() - found).total_seconds()
    return stamped(timezone.localtime(found), span(seconds), ago=True)


@register.filter
def span(seconds: float | None) -> str:
    """A stretch of time in its largest unit."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0)
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86400)} days"


def stamped(local: datetime, text: str, *, ago: bool = False) -> SafeString:
    """A `time` element with the whole truth as its title."""
    full = f"{local:%a %-d %b %Y, %H:%M:%S} {local.tzname()}"
    mark = SafeString(" data-ago") if ago else ""
    return format_html('<time datetime="{}" title="{}"{}>{}</time>', local.isoformat(), full, mark, text)


@register.filter
def figure(value: float | None) -> str:
    """A number with as many digits as say something: < 0.1, 0.9, 38, 5 000."""
    if value is None:
        return ""
    if 0 < value < LEAST:
        return "<\N{NO-BREAK SPACE}0.1"
    return (
        f"{value:.1f}"
        if 0 < value < 10 and not isinstance(value, int)
        else f"{value:,.0f}".replace(",", "\N{THIN SPACE}")
    )


@register.filter
def milliseconds(microseconds: float | None) -> str:
    """Microseconds as milliseconds."""
    return figure(None if microseconds is None else microseconds / 1000)


@register.filter
def percent(share: float | None) -> str:
    """A share (0 to 1) in percent: 1.8 %; "" for None."""
    return "" if share is None else f"{share * 100:.1f}\N{NO-BREAK SPACE}%"


@register.filter
def initials(name: str) -> str:
    """Of a user name: two letters."""
    parts = [part for part in name.replace("@", " ").replace(".", " ").replace("-", " ").split() if part]
    return ("".join(part[0] for part in parts[:2]) if len(parts) > 1 else name[:2]).upper()


@register.simple_tag(takes_context=True)
def toasts_to_show(context: template.Context) -> list[dict[str, Any]]:
    """See dashboard/toasts.py."""
    return toasts.toasts_of(context["request"])
