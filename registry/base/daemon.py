"""A thread that does its work again and again, also after failures, until it is told to stop."""

import logging
import threading

import psycopg
from django.db import Error, connections

logger = logging.getLogger(__name__)
BACKSTOP_SECONDS = 3  # whoever LISTENs looks by itself after so long: a notification can get lost
RETRY_SECONDS = (0.2, 0.5, 1, 2)  # pauses after the first failure, the second …; the last one stays


class Daemon:
    """Subclasses have `work`, called until `stop`, and `trouble`, a sentence for when the database is away.

    `last_error` is what went wrong the last time, "" if nothing did.
    """

    name = "daemon"
    trouble = "The database is away"
    pause_seconds = 0.0  # between two rounds that went well

    def __init__(self) -> None:
        self.last_error = ""
        self.failures = 0  # in a row
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self, seconds: float) -> None:
        """End, if that takes no longer than this; a round that is asked for after the stop is still done."""
        self.stopping.set()
        self.thread.join(max(seconds, 0))

    def recovered(self) -> None:
        """All is well: the next failure is the first one again. For rounds that never end, to be said in between."""
        self.failures = 0
        self.last_error = ""

    def work(self) -> None:
        """For subclasses: one round."""
        raise NotImplementedError

    def end(self) -> None:
        """For subclasses: what is done last of all."""

    def run(self) -> None:
        """Rounds until the stop, and one after it; after a failure a longer pause."""
        while True:
            ending = self.stopping.is_set()
            try:
                self.work()
                self.recovered()
            except (Error, psycopg.Error, OSError) as error:
                self.last_error = (str(error) or repr(error)).splitlines()[0]
                if self.failures == 0:
                    logger.warning("%s: %s", self.trouble, self.last_error)
                self.failures += 1
            except Exception as error:  # it must outlive its own bugs
                self.last_error = repr(error)
                logger.exception("The %s failed and tries again", self.name)
                self.failures += 1
            if self.failures:
                connections.close_all()
            if ending:
                break
            failed = min(self.failures, len(RETRY_SECONDS))
            self.stopping.wait(RETRY_SECONDS[failed - 1] if failed else self.pause_seconds)
        self.end()
        connections.close_all()
