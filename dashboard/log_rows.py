"""The rows of the live log, rendered once for all who see them: by the page and by its socket."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone

TEMPLATE = "parts/log_row.html"
KEPT = 2000  # rendered rows: what a dozen zones need of the newest, about 3 MB

rendered: OrderedDict[tuple[str, str], str] = OrderedDict()
lock = Lock()


def rows_of(events: Iterable[Mapping[str, Any]], zone: ZoneInfo | None) -> str:
    """The rows of these events, in their order."""
    with timezone.override(zone or ZoneInfo("UTC")):
        return "".join(row_of(event, zone) for event in events)


def row_of(event: Mapping[str, Any], zone: ZoneInfo | None) -> str:
    """One row; from memory if somebody has just been shown it."""
    key = (event["id"], zone.key if zone else "UTC")
    with lock:
        if key in rendered:
            rendered.move_to_end(key)
            return rendered[key]
    text = render_to_string(TEMPLATE, {"event": event})
    with lock:
        rendered[key] = text
        while len(rendered) > KEPT:
            rendered.popitem(last=False)
    return text
