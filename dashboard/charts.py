"""Charts that the server draws: SVG without a style or script of its own; the style sheet gives the lines their ink."""

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

Values = Sequence[float | None]
WIDTH, HEIGHT = 88, 20
TALL_WIDTH, TALL_HEIGHT = 240, 40
ROOM = 3  # above the highest value and below the lowest


def spark(
    values: Values,
    label: str,
    *,
    lower: Values | None = None,
    tone: str = "",
    tall: bool = False,
    top: float | None = None,
    limit: float | None = None,
) -> SafeString:
    """A sparkline. `label`: the sentence that says the same. `lower`: a second line; between them is a band.

    `tone`: "", accent, warn or bad. `top`: the value at the upper edge, at least. None among the values is a gap.
    """
    width, height = (TALL_WIDTH, TALL_HEIGHT) if tall else (WIDTH, HEIGHT)
    known = [value for value in [*values, *(lower or []), limit, top] if value is not None]
    highest = max(known, default=0) or 1
    paths = [f'<path class="base" d="M0 {height - 0.5}H{width}"/>']
    if limit is not None:
        paths.append(f'<path class="limit" d="M0 {y_of(limit, highest, height)}H{width}"/>')
    if lower is not None:
        paths += [band(values, lower, highest, width, height)]
        paths += [f'<path class="thin" d="{line(lower, highest, width, height)}"/>']
    paths.append(f'<path d="{line(values, highest, width, height)}"/>')
    classes = " ".join(["spark", *(["tall"] if tall else []), *([f"is-{tone}"] if tone else [])])
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        classes,
        width,
        height,
        label,
        mark_safe("".join(paths)),  # noqa: S308 - numbers of ours alone
    )


def line(values: Values, highest: float, width: int, height: int) -> str:
    """The path through the values, interrupted where there are none. A lone value is a short dash."""
    step = width / max(len(values) - 1, 1)
    parts: list[str] = []
    drawing = False
    for index, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        point = f"{index * step:.1f},{y_of(value, highest, height)}"
        parts.append(point if drawing else f"M{point}")
        if not drawing and (index + 1 == len(values) or values[index + 1] is None):
            parts.append(f"h{min(step, 2):.1f}")
        drawing = True
    return " ".join(parts)


def band(upper: Values, lower: Values, highest: float, width: int, height: int) -> str:
    """The area between two lines, where both have values."""
    step = width / max(len(upper) - 1, 1)
    areas: list[str] = []
    run: list[tuple[float, float, float]] = []
    for index in range(len(upper) + 1):
        above, below = (upper[index], lower[index]) if index < len(upper) else (None, None)
        if above is not None and below is not None:
            run.append((index * step, above, below))
            continue
        if len(run) > 1:
            there = " ".join(f"{x:.1f},{y_of(high, highest, height)}" for x, high, _ in run)
            back = " ".join(f"{x:.1f},{y_of(low, highest, height)}" for x, _, low in reversed(run))
            areas.append(f"M{there} L{back}Z")
        run = []
    return f'<path class="band" d="{" ".join(areas)}"/>' if areas else ""


def y_of(value: float, highest: float, height: int) -> str:
    """Where a value is drawn."""
    return f"{height - ROOM / 2 - (height - 1.5 * ROOM) * min(value / highest, 1):.1f}"
