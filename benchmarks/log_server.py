"""For the benchmarks of the routing log: `manage.py serve` on a folder of its own, and what its processes use."""

import http.client
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import sample
from processes import environment, free_port, new_data_folder, run, start, stop

from config.embedded.cluster import open_cluster

READY_SECONDS = 60
STOP_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")  # of a process's CPU time, a second


class Usage(NamedTuple):
    """CPU seconds that processes have used so far, and their memory."""

    cpu: float
    megabytes: float

    @classmethod
    def of(cls, pids: list[int]) -> "Usage":
        """Of these processes together; those that have ended count nothing. Shared pages count once for each."""
        cpu = megabytes = 0.0
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                rollup = Path(f"/proc/{pid}/statm").read_text().split()
            except OSError:
                continue
            cpu += sum(int(ticks) for ticks in fields[11:15]) / TICKS  # its own and its ended children's
            megabytes += int(rollup[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        return cls(cpu, megabytes)


class Server:
    """A replica with the embedded Postgres, both running; `serving` makes one."""

    def __init__(self, folder: Path, workers: int, settings: dict[str, str]):
        self.data_dir = new_data_folder(folder / "data")
        self.log = folder / "serve.log"
        self.port = free_port()
        self.environment = environment(DATA_DIR=self.data_dir, SECRET_KEY="the benchmark's", **settings)
        command = ["manage.py", "serve", "--port", self.port, "--workers", workers]
        self.process = start(command, self.environment, self.log)
        self.workers_wanted = workers
        self.url = ""

    def wait_until_ready(self) -> None:
        """Wait for the banner and every worker's heartbeat."""
        end = time.monotonic() + READY_SECONDS
        while "is ready at" not in self.log.read_text():
            self.check(end)
        self.url = open_cluster(self.data_dir).url()
        while len(self.workers()) < self.workers_wanted:
            self.check(end)

    def check(self, end: float) -> None:
        """Wait a moment, unless it is hopeless."""
        if self.process.poll() is not None or time.monotonic() > end:
            sys.exit(self.log.read_text())
        time.sleep(0.1)

    def workers(self) -> list[int]:
        """The workers' process ids."""
        return [row[0] for row in self.query("SELECT pid FROM registry_worker")]

    def postgres(self) -> list[int]:
        """The database server's process id and those of its running backends."""
        first = int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        return [first, *(int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask its database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def settings(self) -> str:
        """Of the database, what decides about its speed; and what it runs on."""
        names = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
        shown = ", ".join(f"{name} {self.query(f'SHOW {name}')[0][0]}" for name in names)
        return f"{shown}; Python {platform.python_version()}, {os.cpu_count()} cores"

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One request of a caller's; its answer must be a 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sample.HEADERS)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, (path, answer.status, text[:500])
            return text
        finally:
            connection.close()

    def command(self, *arguments: str) -> str:
        """Run a command of manage.py on the same database; what it prints."""
        return run(["manage.py", *arguments], self.environment)

    def stop(self) -> None:
        """End it and its database."""
        if self.url:
            open_cluster(self.data_dir).close()
        stop(self.process)
        end = time.monotonic() + STOP_SECONDS
        while (self.data_dir / "postgres" / "postmaster.pid").exists() and time.monotonic() < end:
            time.sleep(0.1)


@contextmanager
def serving(workers: int = 1, **settings: str) -> Iterator[Server]:
    """A server that is ready, with the example fleet; it and its folder are gone afterwards, also after Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="switchboard-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder), workers, settings)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


def verdict(met: bool) -> str:
    """How a table says it."""
    return "met" if met else "MISSED"
