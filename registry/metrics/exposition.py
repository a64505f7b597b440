"""The numbers in the formats that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

import gzip
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.samples import Sample

from registry.log.minutes import BUCKETS, upper_bound
from registry.metrics.counters import Counters
from registry.metrics.files import Slot
from registry.metrics.totals import CHUNK, Reader, Totals, Worker

BOUNDS = [*(repr(upper_bound(bucket) / 1e6) for bucket in range(BUCKETS - 1)), "+Inf"]  # seconds
PAUSE_SECONDS = 0.0002  # in which the event loop has the interpreter for itself
GZIP_LEVEL = 1  # a tenth of the bytes already
SECOND = 1_000_000  # microseconds

Value = Callable[[Worker, Totals], float]
GAUGES: list[tuple[str, Value, str]] = [
    ("worker_start_time_seconds", lambda w, _: w.slots[Slot.STARTED] / SECOND, "When it began, in seconds since 1970."),
    ("spool_bytes", lambda w, _: w.slots[Slot.SPOOL_BYTES], "Events that it has not brought into the database yet."),
    ("table_revision", lambda w, _: w.slots[Slot.REVISION], "Revision of the routing table that it serves."),
    ("table_age_seconds", lambda w, _: age_of(w), "Time since its table was last known to be the newest."),
    ("table_behind", lambda w, t: t.newest - w.slots[Slot.REVISION], "Revisions behind the replica's newest."),
    ("live_viewers", lambda w, _: w.slots[Slot.VIEWERS], "Who watches the live log through it."),
]


class Requests(CounterMetricFamily):
    """Every request that the dispatcher has answered: many samples, made when they are written, with pauses.

    Writing them takes longer than a request may wait, and a collector of garbage that finds all of them at once too.
    """

    def __init__(self, totals: Totals):
        super().__init__("switchboard_requests", "Requests by agent, kind and outcome; no agent if they led to none.")
        self.totals = totals

    @property  # type: ignore[override]
    def samples(self) -> Iterator[Sample]:
        """One by one."""
        for number, ((agent, kind, outcome), value) in enumerate(self.totals.requests.items()):
            if number % CHUNK == 0:
                pause()
            yield Sample("switchboard_requests_total", {"agent": agent, "kind": kind, "outcome": outcome}, value)

    @samples.setter
    def samples(self, _none: list[Sample]) -> None:
        """There are none at first."""


class Collector:
    """All metrics of a run, in prometheus_client's own form."""

    def __init__(self, totals: Totals, about: dict[str, str]):
        self.totals = totals
        self.about = about

    def collect(self) -> Iterable[Metric]:
        """One family after the other."""
        yield InfoMetricFamily("switchboard", "What runs here.", self.about)
        yield Requests(self.totals)
        yield self.latencies()
        yield CounterMetricFamily(
            "switchboard_events_lost",
            "Events of the routing log that the disk had no room for.",
            self.totals.total(Slot.LOST),
        )
        yield CounterMetricFamily(
            "switchboard_events_quarantined",
            "Events of the routing log that the database refused; they are kept in the spool's folder.",
            self.totals.total(Slot.QUARANTINED),
        )
        yield from self.of_workers()

    def latencies(self) -> Metric:
        """From a request's first byte to just before its answer's."""
        family = HistogramMetricFamily(
            "switchboard_request_seconds",
            "Time from a request's first byte to just before its answer's, by kind.",
            labels=["kind"],
            unit="seconds",
        )
        for kind, histogram in sorted(self.totals.histograms.items()):
            *buckets, microseconds = histogram
            if any(buckets):
                family.add_metric([kind], list(zip(BOUNDS, accumulate(buckets), strict=True)), microseconds / SECOND)
        return family

    def of_workers(self) -> Iterable[Metric]:
        """How each worker is; of a dead one only that it is dead."""
        up = GaugeMetricFamily("switchboard_worker_up", "1 if the worker lives, 0 if it died.", labels=["worker"])
        about = InfoMetricFamily("switchboard_worker", "The worker's process.", labels=["worker"])
        alive = [worker for worker in self.totals.workers if worker.alive]
        for worker in self.totals.workers:
            up.add_metric([str(worker.number)], int(worker.alive))
        for worker in alive:
            about.add_metric([str(worker.number)], {"pid": str(worker.slots[Slot.PID])})
        yield up
        yield about
        for name, value, documentation in GAUGES:
            family = GaugeMetricFamily(f"switchboard_{name}", documentation, labels=["worker"])
            for worker in alive:
                family.add_metric([str(worker.number)], value(worker, self.totals))
            yield family


class Exposition:
    """Writes the metrics, one scrape after the other, in a thread of its own.

    `refresh`: brings this worker's own gauges up to date. `about`: labels of `switchboard_info`.
    """

    def __init__(self, counters: Counters, refresh: Callable[[], None], about: dict[str, str]):
        self.reader = Reader(counters)
        self.refresh = refresh
        self.about = about
        self.thread = ThreadPoolExecutor(1, "metrics")

    def write(self, accept: str, *, compress: bool) -> tuple[bytes, str]:
        """The body and its content type, in a format that `Accept` names, else the plain text."""
        self.refresh()
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        body = encode(Collector(self.reader.read(pause), self.about))
        return (gzip.compress(body, GZIP_LEVEL, mtime=0) if compress else body), content_type


def age_of(worker: Worker) -> float:
    """Seconds since the worker's table was known to be the newest."""
    return max(time.monotonic() - worker.slots[Slot.CURRENT_AT] / SECOND, 0)


def pause() -> None:
    """Let the event loop go on: it would have to ask for the interpreter for 5 ms, each time that it wants it."""
    time.sleep(PAUSE_SECONDS)
