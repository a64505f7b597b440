"""The rows of the live log, rendered once for all who see them: by the page and by its socket."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import cache
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import get_template
from django.urls import set_script_prefix
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from registry.log.calls import FINE

TEMPLATE = "parts/log/row.html"
KEPT = 2000  # rendered rows: what a dozen zones need of the newest, about 3 MB

rendered: OrderedDict[tuple[str, str], str] = OrderedDict()
lock = Lock()
template = cache(get_template)


def rows_of(events: Iterable[Mapping[str, Any]], zone: ZoneInfo | None) -> SafeString:
    """The rows of these events, in their order."""
    # The thread of a socket does not know where links begin, as a page's does.
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    with timezone.override(zone or ZoneInfo("UTC")):
        return mark_safe("".join(row_of(event, zone) for event in events))  # noqa: S308 - templates' output


def row_of(event: Mapping[str, Any], zone: ZoneInfo | None) -> str:
    """One row; from memory if somebody has just been shown it."""
    key = (event["id"], zone.key if zone else "UTC")
    with lock:
        if key in rendered:
            rendered.move_to_end(key)
            return rendered[key]
    context = {"event": event, "rule": rule_of(event), "dialled": name_of(event["to"])}
    text = template(TEMPLATE).render(context).strip()  # or a page that is open for days keeps what is between its rows
    with lock:
        rendered[key] = text
        while len(rendered) > KEPT:
            rendered.popitem(last=False)
    return text


def rule_of(event: Mapping[str, Any]) -> str:
    """Why it went where it went: the step that failed, else the one that decided before a version was chosen."""
    steps = event["steps"]
    if event["outcome"] not in FINE:
        failed = [step["detail"] for step in steps if not step["ok"]]
        return str(failed[-1] if failed else event["detail"])
    won = [step["detail"] for step in steps if step["ok"] and step["rule"] not in ("version", "route")]
    return str(won[-1] if won else steps[0]["detail"] if steps else "")


def name_of(address: str) -> str:
    """What was dialled, without scheme and host: sip:help-desk@example.com is help-desk."""
    return address.removeprefix("sip:").removeprefix("sips:").partition("@")[0]
