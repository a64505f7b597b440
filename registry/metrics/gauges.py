"""Says every two seconds how this worker is, for the worker that is scraped."""

from registry.base.daemon import Daemon
from registry.heartbeats import HEARTBEAT_SECONDS
from registry.log.live import Hub
from registry.log.spool import Spool
from registry.log.writer import Writer
from registry.metrics.counters import Counters
from registry.metrics.files import Slot
from registry.serving.listener import Listener


class Gauges(Daemon):
    """Writes this worker's gauges into its counters."""

    name = "gauges"
    trouble = "This worker's gauges are not kept up to date"
    pause_seconds = HEARTBEAT_SECONDS

    def __init__(self, counters: Counters, listener: Listener, spool: Spool, writer: Writer, hub: Hub):
        super().__init__()
        self.counters = counters
        self.listener = listener
        self.spool = spool
        self.writer = writer
        self.hub = hub

    def work(self) -> None:
        """Write them now; also for a scrape."""
        counters, table = self.counters, self.listener.tables.current
        slots = counters.slots
        slots[Slot.REVISION] = table.revision if table else 0
        if self.listener.polled_at is not None:
            slots[Slot.CURRENT_AT] = int(self.listener.polled_at * 1_000_000)
        slots[Slot.SPOOL_BYTES] = self.spool.pending
        slots[Slot.VIEWERS] = len(self.hub.viewers)
        slots[Slot.LOST] = counters.lost + self.spool.lost
        slots[Slot.QUARANTINED] = counters.quarantined + self.writer.quarantined
