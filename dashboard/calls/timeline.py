"""A call on one axis: what was routed, served, run, handed on and failed, as lanes that the server draws in percent."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dashboard.words import status_of
from registry.log.calls import FINE

Event = Mapping[str, Any]
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds between ticks
MOST_TICKS = 8
LEFT, WIDTH = 1.0, 96.0  # percent of the drawing that the axis takes
LEAST = 0.5  # percent: what is shorter could not be seen
LETTER = 0.75  # percent that a letter takes, about
DOCUMENTS = ("swml", "sip")


class Item(NamedTuple):
    """Something in a lane, at `start` seconds of the call. `end`: it lasts; `id`: of its event."""

    id: str
    start: float
    label: str
    end: float | None = None
    bad: bool = False


class Lane(NamedTuple):
    """What is of one sort, oldest first."""

    name: str
    items: list[Item]


class Timeline(NamedTuple):
    """A call drawn. `seconds`: how long it has been; `running`: then the last moment is now."""

    lanes: list[Lane]
    seconds: float
    step: int
    running: bool

    @property
    def length(self) -> float:
        """Seconds that the axis shows: up to the tick after the end."""
        return (int(self.seconds / self.step) + 1) * self.step

    @property
    def sentence(self) -> str:
        """What the drawing says, for who does not see it."""
        counted = ", ".join(f"{lane.name.lower()} {len(lane.items)}" for lane in self.lanes)
        return f"Time since the call began, 0:00 to {clock(self.seconds)}{', now' if self.running else ''}: {counted}"

    def x(self, seconds: float) -> float:
        """Where a moment is, in percent."""
        return LEFT + WIDTH * min(max(seconds / self.length, 0), 1)


def timeline(events: Sequence[Event], *, now: datetime | None = None) -> Timeline:
    """The timeline of a call's events, oldest first, at least one. `now`: it goes on."""
    start = moment(events[0])
    end = max(now, moment(events[-1])) if now else moment(events[-1])
    seconds = (end - start).total_seconds()
    step = next((step for step in STEPS if seconds / step < MOST_TICKS), STEPS[-1])

    def at(event: Event) -> float:
        return (moment(event) - start).total_seconds()

    lanes = [
        Lane("Routing", [Item(e["id"], at(e), e["agent"] or e["path"], bad=not e["agent"]) for e in routed(events)]),
        Lane("SWML", documents(events, at, seconds)),
        Lane("Functions", [function(e, at(e)) for e in events if e["function"]]),
        Lane(
            "Handoffs", [Item(b["id"], at(b), f"{a['agent']} → {b['agent']}", bad=False) for a, b in handoffs(events)]
        ),
        Lane("Errors", [Item(e["id"], at(e), what_failed(e), bad=True) for e in events if e["outcome"] not in FINE]),
    ]
    return Timeline(lanes, seconds, step, running=now is not None)


def moment(event: Event) -> datetime:
    """When it was."""
    return datetime.fromisoformat(event["time"])


def routed(events: Sequence[Event]) -> list[Event]:
    """Where an agent was looked for: documents, and what found nobody."""
    return [event for event in events if event["kind"] in DOCUMENTS or not event["agent"]]


def documents(events: Sequence[Event], at: Callable[[Event], float], seconds: float) -> list[Item]:
    """Whose document the call runs on, from when until when."""
    served = [event for event in events if event["kind"] in DOCUMENTS and event["agent"]]
    kept = [event for before, event in pairwise([None, *served]) if event and not (before and same(before, event))]
    ends = [*(at(event) for event in kept), seconds][1:]
    return [
        Item(event["id"], at(event), named(event), end, bad=event["outcome"] not in FINE)
        for event, end in zip(kept, ends, strict=True)
    ]


def same(one: Event, other: Event) -> bool:
    """Whether two documents are of one agent and version."""
    return (one["agent"], one["version"]) == (other["agent"], other["version"])


def named(event: Event) -> str:
    """Agent and version."""
    return f"{event['agent']} v{event['version']}" if event["version"] else event["agent"]


def function(event: Event, at: float) -> Item:
    """A function as long as it took; it is logged when it has answered."""
    took = event["microseconds"] / 1e6
    return Item(event["id"], max(at - took, 0), event["function"], at, bad=event["outcome"] not in FINE)


def handoffs(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Where another agent than before answers."""
    answered = [event for event in events if event["agent"] and event["kind"] != "post_prompt"]
    return [(one, other) for one, other in pairwise(answered) if one["agent"] != other["agent"]]


def what_failed(event: Event) -> str:
    """A failure in few words."""
    return (
        f"{event['function']}: {status_of(event['outcome'])[1]}"
        if event["function"]
        else status_of(event["outcome"])[1]
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, from an hour on hours too."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


# --- drawing ---------------------------------------------------------------------------------------------------------


def axis(drawn: Timeline) -> SafeString:
    """The ticks' times, and now."""
    parts = []
    ticks = range(0, int(drawn.length) + 1, drawn.step)
    for number, second in enumerate(ticks):
        if drawn.running and abs(drawn.x(second) - drawn.x(drawn.seconds)) < 6:  # "now" stands there
            continue
        name = "opt" if number % 2 else ""
        if second < drawn.length:
            parts.append(
                format_html('<text class="{}" x="{}%" y="22">{}</text>', name, pc(drawn.x(second)), clock(second))
            )
    if drawn.running:
        parts.append(format_html('<text x="{}%" y="22" dx="-12">now</text>', pc(drawn.x(drawn.seconds))))
    return format_html('<svg class="axis" role="img" aria-label="{}">{}</svg>', drawn.sentence, joined(parts))


def lane(drawn: Timeline, one: Lane, *, last: bool = False) -> SafeString:
    """A lane's items, each a link to its row. For the eye and the pointer alone: the table below says the same."""
    ticks = range(0, int(drawn.length) + 1, drawn.step)
    parts = [
        format_html('<line class="tick" x1="{0}%" x2="{0}%" y1="0" y2="36"/>', pc(drawn.x(second))) for second in ticks
    ]
    free = 0.0  # percent from which on there is room for words
    for number, item in enumerate(one.items):
        following = drawn.x(one.items[number + 1].start) if number + 1 < len(one.items) else 100.0
        drawing, free = shape(drawn, item, free, following)
        parts.append(drawing)
    if drawn.running:
        parts.append(
            format_html('<line class="now-line" x1="{0}%" x2="{0}%" y1="0" y2="36"/>', pc(drawn.x(drawn.seconds)))
        )
    return format_html('<svg class="{}" aria-hidden="true">{}</svg>', "last" if last else "", joined(parts))


def shape(drawn: Timeline, item: Item, free: float, following: float) -> tuple[SafeString, float]:
    """An item, and from where on there is room again. Its words are left out where they would run into others."""
    x, tone = drawn.x(item.start), "is-bad" if item.bad else ""
    if item.end is None:
        drawing = format_html('<circle class="dot full {}" cx="{}%" cy="18" r="4"/>', tone, pc(x))
        begin = x + 1
    else:
        width = max(drawn.x(item.end) - x, LEAST)
        drawing = format_html(
            '<rect class="span {}" x="{}%" y="11" width="{}%" height="14" rx="2"/>', tone, pc(x), pc(width)
        )
        inside = width > len(item.label) * LETTER + 2
        begin = x + 0.8 if inside else x + width + 0.4
    end = begin + len(item.label) * LETTER
    words = SafeString("")
    if begin >= free and end <= min(following, 100) + (0 if item.end is None else 0.1):
        words = format_html('<text class="opt" x="{}%" y="22">{}</text>', pc(begin), item.label)
        free = end
    title = f"{clock(item.start)} {item.label}"
    return (
        format_html('<a href="#e-{}" tabindex="-1"><title>{}</title>{}{}</a>', item.id, title, drawing, words),
        max(free, begin),
    )


def pc(value: float) -> str:
    """Percent as SVG has it."""
    return f"{value:.2f}"


def joined(parts: Sequence[SafeString]) -> SafeString:
    """One after the other."""
    return mark_safe("".join(parts))  # noqa: S308 - each is made by format_html
