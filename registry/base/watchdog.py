"""Cuts off connections to a database that takes requests and never answers: a frozen server, a stuck disk.

Neither keepalives nor the server's own time-outs see that: its kernel acknowledges everything. A thread that waits for
such an answer would wait for ever, and what it does, hearing of changes or storing the log, would not be done again
even when the database is moved elsewhere.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import connection

logger = logging.getLogger(__name__)
TICK_SECONDS = 1.0


class Scissors:
    """A thread that looks after all waits of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waits: dict[int, tuple[float, str]] = {}  # descriptor of our own → when it is too late, and who waits
        self.thread: threading.Thread | None = None

    @contextmanager
    def watching(self, raw: "psycopg.Connection[object]", who: str, seconds: float | None = None) -> Iterator[None]:
        """Cut this connection off if what is done meanwhile takes longer; then that fails like any lost connection."""
        # Of our own: libpq closes its descriptor when it pleases, and the number may be somebody else's then.
        descriptor = os.dup(raw.fileno())
        late = time.monotonic() + (settings.DATABASE_SILENT_SECONDS if seconds is None else seconds)
        with self.lock:
            self.waits[descriptor] = late, who
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="scissors", daemon=True)
                self.thread.start()
        try:
            yield
        finally:
            with self.lock:
                del self.waits[descriptor]
            os.close(descriptor)

    def run(self) -> None:
        """Look once a second, as long as the process lives."""
        while True:
            time.sleep(TICK_SECONDS)
            self.cut()

    def cut(self) -> None:
        """Cut off whatever has been waiting for too long."""
        now = time.monotonic()
        with self.lock:
            for descriptor, (late, who) in self.waits.items():
                if now > late:
                    logger.warning("The database does not answer the %s: its connection is cut off", who)
                    self.waits[descriptor] = float("inf"), who
                    shut(descriptor)


def shut(descriptor: int) -> None:
    """Shut a socket for both sides: whoever waits for it sees its end."""
    with socket.socket(fileno=os.dup(descriptor)) as line:
        try:
            line.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("A connection that should be cut off is gone already")


scissors = Scissors()


@contextmanager
def watched(who: str, seconds: float | None = None) -> Iterator[None]:
    """The same for this thread's connection of Django's, which is opened for it."""
    connection.ensure_connection()
    with scissors.watching(connection.connection, who, seconds):
        yield
