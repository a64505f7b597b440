"""The tables of the comparison: what all of them share, and those of starts and registrations."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from figures import Figures

AGENT_KB, TABLE_SECONDS, SERVED_MS = 20, 6, 250  # the goals
Row = dict[str, Any]


class Goal(NamedTuple):
    """What is wanted, in words, and what was measured."""

    what: str
    bound: float
    unit: str
    value: float | None
    at_least: bool = False

    @property
    def limit(self) -> str:
        """How far it may go."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}{self.unit}"

    @property
    def verdict(self) -> str:
        """How a table says it."""
        if self.value is None:
            return "not measured"
        return "met" if (self.value >= self.bound if self.at_least else self.value <= self.bound) else "MISSED"


def middle(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: list[float], percent: int) -> float:
    """A percentile, interpolated between the two values beside it."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def ratio(above: Row | None, below: Row | None, key: str = "cpu_us") -> float | None:
    """The median of the rounds' ratios: within a round the machine is at its steadiest."""
    if not above or not below:
        return None
    return middle(one / other for one, other in zip(above[key], below[key], strict=True))


def find(rows: list[Row], **wanted: Any) -> Row | None:
    """The row that has all this."""
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None)


def grouped(number: float) -> str:
    """A number of some size, with three digits that count."""
    if number >= 1000:
        return f"{float(f'{number:.3g}'):,.0f}"
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table that can be read as it is: words to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in [heads, *rows]) for column in range(len(heads))]
    right = [all(not row[column] or not row[column][0].isalpha() for row in rows) for column in range(len(heads))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(cells, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    marks = [
        "-" * (width - 1) + ":" if to_the_right else "-" * width
        for width, to_the_right in zip(widths, right, strict=True)
    ]
    return [line(heads), line(marks), *map(line, rows)]


def shown(value: float | None, form: Callable[[float], str] = grouped) -> str:
    """A figure, or that there is none."""
    return "-" if value is None else form(value)


def start_table(rows: list[Row]) -> list[str]:
    """Starts and memory."""
    lines = []
    for row in rows:
        per_agent = kb_per_agent(rows, row)
        lines.append(
            [
                f"{row['agents']:,}",
                row["server"],
                f"{middle(row['start_s']):.1f}",
                shown(middle(row["table_s"]) if row["table_s"] else None, lambda value: f"{value:.2f}"),
                grouped(middle(row["bytes"]) / 1e6),
                grouped(middle(row["peak_bytes"]) / 1e6),
                shown(per_agent),
            ]
        )
    return table(["agents", "server", "start s", "table s", "memory MB", "peak RSS MB", "kB an agent"], lines)


def kb_per_agent(rows: list[Row], row: Row) -> float | None:
    """What an agent takes: the difference to the smallest fleet, through the difference in agents (kB = 1000 bytes)."""
    smallest = min((other for other in rows if other["server"] == row["server"]), key=lambda other: other["agents"])
    more = row["agents"] - smallest["agents"]
    return (middle(row["bytes"]) - middle(smallest["bytes"])) / more / 1000 if more else None


def register_table(rows: list[Row]) -> list[str]:
    """From registering to served."""
    lines = [
        [
            f"{row['agents']:,}",
            *[
                f"{percentile(row[key], percent):.0f}"
                for key in ("register", "served", "everywhere")
                for percent in (50, 99)
            ],
            f"{len(row['served'])} + {len(row['everywhere'])}",
        ]
        for row in rows
    ]
    heads = ["agents", "register() p50", "p99", "served by all p50", "p99", "wait=True p50", "p99", "registrations"]
    return table(heads, lines)


def start_goals(rows: list[Row], registered: list[Row], most: int) -> list[Goal]:
    """What is wanted of starts and registrations, and what was measured."""
    row, found = find(rows, agents=most, server="Switchboard"), find(registered, agents=most)
    served = percentile(found["served"], 99) if found else None
    return [
        Goal(f"memory of a stored agent, of {most:,}", AGENT_KB, " kB", kb_per_agent(rows, row) if row else None),
        Goal(f"table of {most:,} agents loaded", TABLE_SECONDS, " s", middle(row["table_s"]) if row else None),
        Goal(f"registered → served by both workers, p99 at {most:,}", SERVED_MS, " ms", served),
    ]


def note_starts(figures: Figures, rows: list[Row], registered: list[Row]) -> None:
    """For guard.py."""
    for row in rows:
        if row["server"] == "Switchboard":
            about = f"{row['agents']:,} agents"
            figures.add(f"start, {about}", middle(row["start_s"]), None, "s", judged=False)
            figures.add(f"table loaded, {about}", middle(row["table_s"]), None, "s", judged=False)
            figures.add(f"memory, {about}", middle(row["bytes"]), None, "bytes")
    for row in registered:
        for key in ("register", "served", "everywhere"):
            name = f"registering, {key}, {row['agents']:,} agents: p50"
            figures.add(name, percentile(row[key], 50), None, "ms", judged=False)
