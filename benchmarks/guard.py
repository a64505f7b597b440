#!/usr/bin/env python3
"""Says what became dearer: compares runs with those that were kept, and ends with 1 if anything did by over a tenth.

    .venv/bin/python benchmarks/fleet.py --json fleet.json
    .venv/bin/python benchmarks/guard.py fleet.json … [--kept FILE] [--share 0.1] [--all] [--keep] [--quick]

Machines differ and each one's speed drifts, so no two figures are compared, but what each is to the bare figure of its
own run: to the bare ASGI application's where that was asked, too, else to what the interpreter needs for a body. What
is counted (queries, blocks) needs no such figure. Figures that a clock made drift too much to be held to them: they are
told, and decide nothing.

`--keep` accepts the runs: they are kept in place of the last ones, with their dates and machines. A run that lacks what
the last one had is not: take all its sections, or take the figure out of the file.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import options
from figures import Figure, Figures
from machine import yardstick
from report import grouped, shown, table

KEPT = Path(__file__).with_name("kept.json")
SHARE = 0.1
WORSE, BETTER, DRIFTS, SAME, NEW, GONE = "DEARER", "cheaper", "drifts", "", "new", "not measured"
Run = dict[str, Any]
Kept = dict[str, Run]  # by script


class GuardError(Exception):
    """A run that cannot be compared or kept; the message says why."""


class Line(NamedTuple):
    """One figure, then and now. `change`: by what share it became dearer, None if that cannot be said."""

    name: str
    before: Figure | None
    after: Figure | None
    change: float | None
    verdict: str


def read(file: Path) -> Run:
    """A run as a script has written it."""
    try:
        run: Run = json.loads(file.read_text())
        {name: Figure(**found) for name, found in run["figures"].items()}
        return {key: run[key] for key in ("script", "quick", "machine", "bare", "figures")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GuardError(f"{file} is no file that a script has written with --json: {error!r}") from None


def read_kept(file: Path) -> Kept:
    """What was kept; nothing at first."""
    return json.loads(file.read_text()) if file.exists() else {}


def write_kept(file: Path, kept: Kept) -> None:
    """Keep it: a figure a line, so that a difference can be read."""
    lines = []
    for script, run in sorted(kept.items()):
        head = f' {text(script)}: {{"about": {text(run["about"])}, "figures": {{\n'
        figures = (f"   {text(name)}: {text(found)}" for name, found in run["figures"].items())
        lines.append(head + ",\n".join(figures) + "\n }}")
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def text(value: Any) -> str:
    """As JSON, in one line."""
    return json.dumps(value, ensure_ascii=False)


def cost(figure: Figure) -> float:
    """What can be compared of it: to its bare figure, and more is dearer."""
    beside = figure.value / figure.bare if figure.bare else figure.value
    return 1 / beside if figure.more_is_better and beside else beside


def compare(before: dict[str, Any], after: dict[str, Any], share: float) -> Iterator[Line]:
    """Each figure of either run."""
    for name in dict.fromkeys([*before, *after]):
        was, now = (Figure(**run[name]) if name in run else None for run in (before, after))
        if was is None or now is None:
            yield Line(name, was, now, None, NEW if was is None else GONE)
        elif (was.unit, was.more_is_better, was.bare is None) != (now.unit, now.more_is_better, now.bare is None):
            yield Line(name, was, now, None, NEW)  # another figure of the same name
        else:
            change = changed(cost(was), cost(now))
            beyond = WORSE if change > share else BETTER if change < -share / (1 + share) else SAME
            yield Line(name, was, now, change, beyond if now.judged or beyond == SAME else DRIFTS)


def changed(before: float, after: float) -> float:
    """By what share it became more; from nothing to something is all of it."""
    if before:
        return round(after / before - 1, 9)  # exactly a tenth is no more than a tenth
    return 1.0 if after else 0.0


def told(script: str, before: Run, after: Run, lines: list[Line], *, everything: bool) -> Iterator[str]:
    """The table of a script, dearest first; without `everything` only what changed."""
    now = after["machine"]
    yield f"{script}, {now['date']} on {now['machine']}, Python {now['python']}"
    if before:
        was, drift = before["about"]["machine"], after["bare"] / before["about"]["bare"] - 1
        yield f"beside {was['date']} on {was['machine']}, Python {was['python']}: the bare figure is {drift:+.0%}"
    else:
        yield "nothing was kept"
    rows = sorted((line for line in lines if everything or line.verdict != SAME), key=lambda line: -(line.change or 0))
    if rows:
        yield ""
        yield from table(["figure", "unit", "kept", "now", "to bare, kept", "now", "change", ""], [*map(cells, rows)])
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in (WORSE, BETTER, DRIFTS, NEW, GONE)}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    yield f"{len(lines)} figures{': ' + summary if summary else ', none of them changed'}"
    yield ""


def cells(line: Line) -> list[str]:
    """A row of the table."""
    both = (line.before, line.after)
    unit = next(figure.unit for figure in reversed(both) if figure)
    ratios = [shown(figure.value / figure.bare if figure and figure.bare else None, "{:.3g}".format) for figure in both]
    values = [shown(figure.value if figure else None, grouped) for figure in both]
    return [line.name, unit, *values, *ratios, shown(line.change, "{:+.0%}".format), line.verdict]


def keep(kept: Kept, run: Run) -> None:
    """Put a run in the place of the last one of its script; raises GuardError if it must not be."""
    script = run["script"]
    if run["quick"]:
        raise GuardError(f"{script} ran with --quick: its figures say nothing, and are not kept")
    if lacking := kept.get(script, {"figures": {}})["figures"].keys() - run["figures"].keys():
        raise GuardError(f"{script} did not measure {', '.join(sorted(lacking))}: take all sections, or edit the file")
    about = {"machine": run["machine"], "bare": run["bare"]}
    kept[script] = {"about": about, "figures": run["figures"]}


def guard(runs: list[Run], wanted: argparse.Namespace) -> bool:
    """Compare all, print, keep; whether nothing that counts became dearer."""
    kept, good = read_kept(wanted.kept), True
    for run in runs:
        before = kept.get(run["script"], {})
        lines = list(compare(before.get("figures", {}), run["figures"], wanted.share))
        print("\n".join(told(run["script"], before, run, lines, everything=wanted.all)))
        good &= not any(line.verdict == WORSE for line in lines)
    if wanted.keep:
        for run in runs:
            keep(kept, run)
        write_kept(wanted.kept, kept)
        print(f"kept in {wanted.kept}")
    return good or wanted.keep


def rehearse(wanted: argparse.Namespace) -> bool:
    """All of it with a run made up: kept, the same again, and one that became dearer, which must be seen."""
    figures = Figures(__file__)
    with tempfile.TemporaryDirectory() as folder:
        wanted.kept, file = Path(folder, "kept.json"), Path(folder, "run.json")
        seen = []
        for keep, factor in ((True, 1), (False, 1), (False, 1.5)):
            run = Figures("made_up.py")
            run.add("work", run.yardstick * 3 * factor, None, "µs")
            run.write(argparse.Namespace(json=file, quick=False))
            wanted.keep = keep
            seen.append(guard([read(file)], wanted))
    found = [yardstick() for _ in range(5)]
    figures.add("the bare figure's own spread", max(found) / statistics.median(found), None, "times", judged=False)
    figures.write(wanted)
    return seen == [True, True, False]


def main() -> None:
    """Compare what was named."""
    parser = options.parser(__doc__)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="files that scripts have written with --json")
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FILE")
    parser.add_argument("--share", type=float, default=SHARE, help="by which a figure may become dearer (0.1)")
    parser.add_argument("--all", action="store_true", help="show also what has not changed")
    parser.add_argument("--keep", action="store_true", help="accept: keep these runs in place of the last ones")
    wanted = options.read(parser)
    try:
        if wanted.quick:
            sys.exit(0 if rehearse(wanted) else 1)
        if not wanted.runs:
            parser.error("name a run: a file that a script has written with --json")
        sys.exit(0 if guard([read(file) for file in wanted.runs], wanted) else 1)
    except GuardError as error:
        sys.exit(f"guard.py: {error}")


if __name__ == "__main__":
    main()
