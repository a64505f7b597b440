"""A plan in lines for people: + what comes, ~ what changes, - what goes."""

import json
from collections.abc import Iterator
from typing import Any

from registry.base.text import safe
from registry.fleet.plan import ABSENT, ADD, REMOVE, Difference, Plan, Step

MAX_VALUE = 60  # characters of a value
MAX_DIFFERENCES = 20  # of an agent; --json has them all
BEFORE = 15  # characters before the first one that differs


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan, its warnings and its totals."""
    for step in plan.steps:
        yield from step_lines(step)
    for warning in plan.warnings:
        yield f"  Warning: {safe(warning)}"
    yield totals_line(plan)


def step_lines(step: Step) -> Iterator[str]:
    """What becomes of one agent."""
    if step.action == ADD:
        names = f"; SIP names {', '.join(map(safe, step.sip))}" if step.sip else ""
        trash = " (out of the trash)" if step.restored else ""
        yield f"+ {step.agent}  {' '.join(step.routes)}{names}{trash}"
    elif step.action == REMOVE:
        names = f"; nobody has the SIP names {', '.join(map(safe, step.sip))} any more" if step.sip else ""
        yield f"- {step.agent}  {' '.join(step.routes)}{names}"
    elif len(step.differences) == 1:
        yield f"~ {step.agent}  {difference_line(step.differences[0])}"
    else:
        yield f"~ {step.agent}"
        for difference in step.differences[:MAX_DIFFERENCES]:
            yield f"    {difference_line(difference)}"
        if len(step.differences) > MAX_DIFFERENCES:
            yield f"    … and {len(step.differences) - MAX_DIFFERENCES} more: --json has them all"


def difference_line(difference: Difference) -> str:
    """One field."""
    path = safe(difference.path)
    if difference.before is ABSENT:
        return f"{path}: + {shortened(difference.after)}"
    if difference.after is ABSENT:
        return f"{path}: - {shortened(difference.before)}"
    one, other = whole(difference.before), whole(difference.after)
    start = max(0, same_beginning(one, other) - BEFORE) if max(len(one), len(other)) > MAX_VALUE else 0
    return f"{path}: {cut(one, start)} → {cut(other, start)}"


def totals_line(plan: Plan) -> str:
    """How many agents."""
    totals = plan.totals
    words = [f"{totals[ADD]} to add", f"{totals['change']} to change", f"{totals[REMOVE]} to remove"]
    words.append(f"{totals['unchanged']} unchanged")
    if plan.kept:
        words.append(f"{plan.kept} not in the document and kept (--remove removes them)")
    return f"Plan: {', '.join(words)}."


def same_beginning(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)


def shortened(value: Any) -> str:
    """A value in one short line."""
    return cut(whole(value), 0)


def whole(value: Any) -> str:
    """A value in one line."""
    return safe(json.dumps(value, ensure_ascii=False))


def cut(text: str, start: int) -> str:
    """A part of a text that is not too long."""
    end = start + MAX_VALUE
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"
