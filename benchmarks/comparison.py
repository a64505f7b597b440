"""What is measured of requests: an axis is a table, and a list of cases of which all but one thing is the same."""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from figures import Figures
from report import Goal, Row, grouped, middle, ratio, shown, table

OURS, UNRECORDED, SDK, BARE = "Switchboard", "Switchboard, log off", "SDK", "bare ASGI"
WORKS = ("SWML", "SWAIG")
CONNECTIONS = (1, 16, 256)
USUAL = 16
FEW = 100  # requests; their 99th percentile says nothing


class Case(NamedTuple):
    """Requests to one server. `half`: at half of what it can, for their latency; else as many as it takes."""

    server: str
    agents: int
    work: str
    body: str = "small"
    connections: int = USUAL
    half: bool = False

    @property
    def bare(self) -> "Case":
        """The same with a server that does nothing."""
        return self._replace(server=BARE, agents=1)


class Axis(NamedTuple):
    """A table. `columns` are the fields of a case that differ in it."""

    title: str
    columns: tuple[str, ...]
    servers: tuple[str, ...]
    bodies: tuple[str, ...] = ("small",)
    connections: tuple[int, ...] = (USUAL,)
    sizes: slice = slice(1)  # of the fleets; else the smallest
    half: bool = False

    def cases(self, sizes: list[int], peers: Iterable[int]) -> list[Case]:
        """What it needs; `peers` are the sizes at which the SDK is asked."""
        wanted = [(server, agents) for agents in sizes[self.sizes] for server in self.servers]
        there = [(server, agents) for server, agents in wanted if server != SDK or agents in peers]
        return [
            Case(server, agents, work, body, connections, self.half)
            for work, body, connections in itertools.product(WORKS, self.bodies, self.connections)
            for server, agents in (*there, (BARE, 1))
        ]


AXES = {
    "agents": Axis(
        "Agents: requests go round all of them, or 300 spread over the fleet",
        ("agents",), (OURS, UNRECORDED, SDK), sizes=slice(None),
    ),
    "bodies": Axis(
        "Bodies: small ones, and of the size and shape that the platform sends",
        ("body",), (OURS, SDK), bodies=("small", "captured"),
    ),
    "connections": Axis("Connections", ("connections",), (OURS, SDK), connections=CONNECTIONS),
    "log": Axis(
        "The log on and off, and what its events cost Postgres",
        ("body",), (OURS, UNRECORDED), bodies=("small", "captured"),
    ),
    "latency": Axis(
        "Latency at half load, from the moment when each request was due",
        ("agents",), (OURS, SDK), sizes=slice(None), half=True,
    ),
}  # fmt: skip
Rows = dict[Case, Row]


def order(case: Case) -> tuple[Any, ...]:
    """The order of a round: what is compared is measured at neighbouring moments, sizes of one server most of all."""
    servers = (BARE, OURS, UNRECORDED, SDK)
    return case.half, case.work, case.body, case.connections, servers.index(case.server), case.agents


def axis_table(axis: Axis, cases: list[Case], rows: Rows) -> list[str]:
    """One axis."""
    lines = []
    for case in cases:
        if row := rows.get(case):
            differing = [str(case.agents) if name == "agents" else str(getattr(case, name)) for name in axis.columns]
            if case.server == BARE and "agents" in axis.columns:
                differing = ["-"]
            lines.append([case.work, *differing, case.server, *(half_cells if axis.half else cells)(case, row, rows)])
    heads = HALF_HEADS if axis.half else HEADS
    return table(["work", *axis.columns, "server", *heads], lines)


HEADS = ("req/s", "CPU µs", "Postgres µs", "p50 ms", "p99 ms", "CPU ÷ bare", "SDK ÷ CPU")
HALF_HEADS = ("rate", "p50 ms", "p99 ms", "worst ms", "p99 ÷ bare")


def cells(case: Case, row: Row, rows: Rows) -> list[str]:
    """The columns of requests as many as it takes."""
    few = sum(row["requests"]) < FEW * len(row["requests"])
    sdk = rows.get(case._replace(server=SDK))
    return [
        grouped(middle(row["rps"])),
        grouped(middle(row["cpu_us"])),
        shown(middle(row["postgres_us"]) if case.server == OURS else None),
        f"{middle(row['p50_ms']):.2f}",
        "-" if few else f"{middle(row['p99_ms']):.1f}",
        shown(ratio(row, rows.get(case.bare)), lambda value: f"{value:.2f}" if value < 10 else f"{value:.0f}"),
        shown(ratio(sdk, row) if case.server != SDK else None, lambda value: f"{value:.3g}"),
    ]


def half_cells(case: Case, row: Row, rows: Rows) -> list[str]:
    """Those of latency."""
    bare = rows.get(case.bare)
    times = [f"{middle(row[key]):.2f}" for key in ("p50_ms", "p99_ms", "worst_ms")]
    return [grouped(middle(row["rate"])), *times, shown(ratio(row, bare, "p99_ms"), lambda value: f"{value:.2f}")]


# --- goals -----------------------------------------------------------------------------------------------------------

AT_MOST: dict[tuple[str, str, str], float] = {  # server, work, body: CPU as a multiple of bare ASGI's
    (OURS, "SWML", "small"): 1.3,
    (OURS, "SWAIG", "small"): 1.7,
    (OURS, "SWML", "captured"): 1.6,
    (OURS, "SWAIG", "captured"): 2.3,
    (UNRECORDED, "SWML", "small"): 0.7,
    (UNRECORDED, "SWAIG", "small"): 1.1,
}
LESS_THAN_SDK = {"SWML": 20, "SWAIG": 14}
POSTGRES_US = {"small": 60, "captured": 220}
GROWTH = 1.10  # CPU in the largest fleet to that in the smallest


def goals(sizes: list[int], rows: Rows) -> list[Goal]:
    """What is wanted, and what was measured."""
    found = []
    least, most = sizes[0], sizes[-1]
    for (server, work, body), limit in AT_MOST.items():
        case = Case(server, least, work, body)
        measured = ratio(rows.get(case), rows.get(case.bare))
        found.append(Goal(f"{server}, {work}, {body}: CPU to bare ASGI", limit, "", measured))
    for work, times in LESS_THAN_SDK.items():
        case = Case(OURS, least, work)
        measured = ratio(rows.get(case._replace(server=SDK)), rows.get(case))
        found.append(Goal(f"{work}: the SDK's CPU to ours", times, "", measured, at_least=True))
    for body, limit in POSTGRES_US.items():
        row = rows.get(Case(OURS, least, "SWAIG", body))
        found.append(Goal(f"Postgres, an event, {body}", limit, " µs", middle(row["postgres_us"]) if row else None))
    for work in WORKS:
        case = Case(OURS, most, work)
        growth = ratio(rows.get(case), rows.get(case._replace(agents=least))) if most > least else None
        found.append(Goal(f"{work}: CPU at {most:,} agents to that at {least:,}", GROWTH, "", growth))
    return found


def note(figures: Figures, rows: Rows) -> None:
    """For guard.py: what ours cost, beside the bare figure of the same run."""
    for case, row in rows.items():
        if case.server in (SDK, BARE):
            continue
        bare = rows.get(case.bare)
        about = (case.server, f"{case.agents:,} agents", case.work, case.body, f"{case.connections} connections")
        name = ", ".join(about)
        if case.half:
            figures.add(f"{name}: p99 at half load", *beside(row, bare, "p99_ms"), "ms", judged=False)
            continue
        figures.add(f"{name}: CPU", *beside(row, bare, "cpu_us"), "µs")
        figures.add(f"{name}: a second", *beside(row, bare, "rps"), "requests/s", more_is_better=True, judged=False)
        if case.server == OURS and bare:
            figures.add(f"{name}: CPU of Postgres", middle(row["postgres_us"]), middle(bare["cpu_us"]), "µs")


def beside(row: Row, bare: Row | None, key: str) -> tuple[float, float | None]:
    """A figure and a bare one: the median, and what is to it as the rounds' own ratios are in the middle."""
    value = middle(row[key])
    return value, value / found if (found := ratio(row, bare, key)) else None
