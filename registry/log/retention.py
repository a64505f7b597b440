"""Looks after the routing log: its partitions, its retention."""

from registry.base.daemon import Daemon
from registry.log import partitions


class LogKeeper(Daemon):
    """Makes tomorrow's partitions today and drops old ones; every worker tries, one at a time does it."""

    name = "log keeper"
    trouble = "The routing log's partitions are not looked after"
    pause_seconds = 3600

    def work(self) -> None:
        """Look, unless it is over."""
        if self.stopping.is_set() or not partitions.keep():
            return
        while not self.stopping.is_set() and partitions.forget_minutes():
            pass  # a transaction each: what is done is done
