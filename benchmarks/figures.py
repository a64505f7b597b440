"""The figures of a run, by name: written for guard.py, each with the bare figure that was measured beside it."""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import machine, yardstick

COUNTS = frozenset({"queries", "blocks", "bytes", "calls"})  # units that are the same on every machine


@dataclass(frozen=True)
class Figure:
    """A number. `bare`: what the same run needed for nothing, by which machines and days can be compared."""

    value: float
    unit: str
    bare: float | None = None
    more_is_better: bool = False
    judged: bool = True  # else it is told, but drifts too much from run to run to be held to it


class Figures:
    """What a script found."""

    def __init__(self, script: str):
        self.script = Path(script).name
        self.machine = machine()  # now: before the load of the run
        self.yardstick = yardstick()
        self.found: dict[str, Figure] = {}

    def add(
        self,
        name: str,
        value: float,
        bare: float | None,
        unit: str,
        *,
        more_is_better: bool = False,
        judged: bool = True,
    ) -> None:
        """Note one. Without a `bare` figure of its own it stands beside the yardstick, if it is of a clock."""
        beside = self.yardstick if bare is None and unit not in COUNTS else bare
        assert name not in self.found, name
        self.found[name] = Figure(rounded(value), unit, beside and rounded(beside), more_is_better, judged)

    def told(self) -> list[str]:
        """What stands above a table: when, where, and how fast that machine is by itself."""
        shown = {**self.machine, "bare figure": f"{self.yardstick:.0f} µs to read and write a captured body"}
        return [f"{name}: {value}" for name, value in shown.items()]

    def write(self, options: argparse.Namespace, rows: Any = None) -> None:
        """Into the file that was asked for, if one was; `rows`: all that was measured, for whoever wants to look."""
        if options.json:
            found = {name: asdict(figure) for name, figure in self.found.items()}
            run = {"script": self.script, "quick": options.quick, "machine": self.machine, "bare": self.yardstick}
            options.json.write_text(json.dumps({**run, "figures": found, "rows": rows}, indent=1, ensure_ascii=False))


def rounded(value: float) -> float:
    """A figure with the digits that can be worth something."""
    return float(f"{value:.5g}")
