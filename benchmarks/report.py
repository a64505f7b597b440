"""The tables that fleet.py prints, and whether the goals are met."""

import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from load import generator

ROOT = Path(__file__).resolve().parent.parent
OURS, UNRECORDED, SDK, BARE = "Switchboard, recording", "Switchboard, not recording", "SDK", "bare ASGI"
PACKAGES = ("uvicorn", "uvloop", "httptools", "django", "psycopg", "signalwire-sdk", "fastapi")
WORKS = ("SWML", "SWAIG")
FEW = 100  # requests; their 99th percentile says nothing

GROWTH, AGENT_KB, TABLE_SECONDS, SERVED_MS = 1.10, 20, 6, 250  # the goals

Results = dict[str, Any]
Row = dict[str, Any]


def machine(agents_folder: Path, load_before: float) -> dict[str, str]:
    """What was measured, on what, with what."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    postgres = (agents_folder / "postgres" / "PG_VERSION").read_text().strip()
    return {
        "machine": f"{os.cpu_count()} cores, {found[1] if found else platform.machine()}",
        "load before": f"{load_before:.1f} processes, in the last minute",
        "versions": f"Python {platform.python_version()}, PostgreSQL {postgres}, {', '.join(versions)}",
        "code": commit.stdout.strip() or "unknown",
        "load by": generator(),
    }


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


def cost_table(rows: list[Row]) -> list[str]:
    """Requests."""
    lines = []
    for row in sorted(rows, key=lambda row: (row["agents"], WORKS.index(row["work"]))):  # servers as they took turns
        same = {"agents": row["agents"], "work": row["work"]}
        bare, sdk = find(rows, server=BARE, **same), find(rows, server=SDK, **same)
        few = sum(row["requests"]) < FEW * len(row["requests"])
        lines.append(
            [
                f"{row['agents']:,}",
                row["work"],
                row["server"],
                grouped(middle(row["rps"])),
                grouped(middle(row["cpu_us"])),
                shown(middle(row["postgres_us"]) if row["server"] == OURS else None),
                f"{middle(row['p50_ms']):.2f}",
                "-" if few else f"{middle(row['p99_ms']):.1f}",
                shown(ratio(row, bare), lambda value: f"{value:.2f}" if value < 10 else f"{value:.0f}"),
                shown(ratio(row, sdk), lambda value: f"{value:.2g}" if value < 1 else f"{value:.2f}"),
            ]
        )
    heads = ["agents", "work", "server", "req/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms", "CPU ÷ bare"]
    return table([*heads, "CPU ÷ SDK"], lines)


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


def goals(results: Results, most: int, least: int) -> list[str]:
    """Each goal, with what was measured."""
    found: list[tuple[str, float | None, float, str]] = []
    for work in WORKS:
        large, small = (find(results["cost"], agents=count, work=work, server=OURS) for count in (most, least))
        growth = ratio(large, small) if most > least else None
        found.append((f"{work}, recording: CPU at {most:,} agents to that at {least:,}", growth, GROWTH, " times"))
    row = find(results["start"], agents=most, server="Switchboard")
    found.append(
        (
            f"memory of a stored agent, of {most:,}",
            kb_per_agent(results["start"], row) if row else None,
            AGENT_KB,
            " kB",
        )
    )
    found.append((f"table of {most:,} agents loaded", middle(row["table_s"]) if row else None, TABLE_SECONDS, " s"))
    registered = find(results["register"], agents=most)
    served = percentile(registered["served"], 99) if registered else None
    found.append((f"registered → served by both workers, p99 at {most:,}", served, SERVED_MS, " ms"))
    return table(
        ["goal", "at most", "measured", ""],
        [
            [
                what,
                f"{limit:g}{unit}",
                "-" if value is None else f"{value:.3g}{unit}",
                "not measured" if value is None else "met" if value <= limit else "MISSED",
            ]
            for what, value, limit, unit in found
        ],
    )


def report(results: Results) -> str:
    """All of it."""
    lines = [f"{name}: {value}" for name, value in results["machine"].items()]
    counts = [row["agents"] for section in ("start", "cost", "register") for row in results[section]]
    if results["cost"]:
        lines += ["", "Requests (CPU of the server's processes per request; Postgres's beside it)", ""]
        lines += cost_table(results["cost"])
    if results["start"]:
        lines += ["", "Start (from the command to /ready, with the embedded Postgres) and memory (USS) once ready", ""]
        lines += start_table(results["start"])
    if results["register"]:
        lines += ["", "Registering beside two workers (milliseconds from the call of register())", ""]
        lines += register_table(results["register"])
    lines += ["", *results["notes"]] if results["notes"] else []
    return "\n".join([*lines, "", *goals(results, max(counts), min(counts)), ""])
