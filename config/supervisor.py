"""What `serve` is: opens the database, keeps the workers running, and leaves nothing behind.

Order: the socket (a taken port is told before anything is started), the embedded PostgreSQL if no DATABASE_URL is set,
migrations and the first initialisation, the workers, and when one is ready the banner. The workers also hold the
embedded server's lock, and the read end of a pipe that ends when this process does, so `kill -9` needs no care.
"""

import contextlib
import http.client
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from config.embedded.cluster import Cluster, open_cluster
from config.embedded.locks import STOP_SECONDS
from config.preparing import PrepareError, close_connections, prepare

logger = logging.getLogger(__name__)

EMBEDDED = "config.embedded"
WORKER = Path(__file__).with_name("worker.py")
WORKER_POOL = 8  # database connections of a worker, unless DATABASE_POOL says otherwise
TICK_SECONDS = 0.5  # of the main loop; a signal or a dead worker wakes it at once
STARTING_TICK_SECONDS = 0.05  # of the main loop until a worker is ready
PROBE_SECONDS = 1  # /ready asks nobody; a worker that died with the question would leave us waiting


class ServeError(Exception):
    """`serve` cannot go on; the message says why and what to do."""


class Stopped(BaseException):
    """A signal asked to stop while something slow was under way."""


@dataclass(frozen=True)
class Options:
    """What `serve` was asked for."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    example: bool = True
    application: str = "config.asgi:application"


@dataclass
class Slot:
    """The place of one worker: a process, or the time at which there will be one again."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    restart_at: float = 0
    pause: float = 0

    def died(self, now: float) -> None:
        """Its process is gone: 1, 2, 4 … seconds until the next one, if it did not live long."""
        lived = now - self.started
        self.process = None
        doubled = min(self.pause * 2 or 1, settings.RESTART_SECONDS)
        self.pause = 0 if lived >= settings.RESTART_LIVED_SECONDS else doubled
        self.restart_at = now + self.pause


class Supervisor:
    """One replica."""

    def __init__(self, options: Options):
        self.options = options
        self.replica = os.environ.get("SWITCHBOARD_REPLICA") or f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self.slots = [Slot(number) for number in range(1, options.workers + 1)]
        self.cluster: Cluster | None = None
        self.asked = 0  # how often we were asked to stop
        self.interruptible = False
        self.prepared = False  # the database is migrated, and ours
        self.first = False  # this was the first start on this database
        self.ready = False
        self.due: dict[str, float] = {}  # when what is done now and then is done next

    def run(self) -> None:
        """Serve until a signal comes; raises ServeError."""
        self.listener = listen(self.options.host, self.options.port)
        self.life, self.life_end = os.pipe()
        self.wake, self.waker = socket.socketpair()
        with self.listener, self.wake, self.waker, self.signals():
            try:
                self.open_database()
                self.watch()
            except Stopped:
                pass
            finally:
                self.stop()

    # --- signals -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take the signals that stop us, and the one that tells of a dead child; put the old ways back after."""
        self.wake.setblocking(False)
        self.waker.setblocking(False)
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # it is, under nohup
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self.on_signal) for number in numbers}
        fd = signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note a request to stop; break off what is slow."""
        if number == signal.SIGCHLD:
            return
        self.asked += 1
        if self.interruptible:
            self.interruptible = False
            raise Stopped

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """Something that a signal breaks off."""
        self.interruptible = True
        try:
            if self.asked:
                raise Stopped
            yield
        finally:
            self.interruptible = False

    def sleep(self, seconds: float) -> None:
        """Sleep until a signal comes, or a child dies."""
        select.select([self.wake], [], [], max(seconds, 0))
        with contextlib.suppress(BlockingIOError):
            self.wake.recv(4096)

    def is_due(self, what: str, every: float) -> bool:
        """Whether it is time to do something again."""
        now = time.monotonic()
        if now < self.due.setdefault(what, now + every):
            return False
        self.due[what] = now + every
        return True

    # --- the database ------------------------------------------------------------------------------------------------

    def open_database(self) -> None:
        """Start the embedded server, if it is ours to start, and prepare the database."""
        if settings.DATABASES["default"]["ENGINE"] == EMBEDDED:
            say(f"starting PostgreSQL in {settings.DATA_DIR / 'postgres'}")
            try:
                with self.slow():
                    self.cluster = open_cluster(settings.DATA_DIR, settings.EMBEDDED_POSTGRES_OPTIONS)
            except OperationalError as error:
                raise ServeError(str(error)) from error
        patience = connection.settings_dict["OPTIONS"]
        if settings.SNAPSHOT_FILE.exists():  # then a silent server keeps nobody from being served
            patience["connect_timeout"] = settings.FIRST_CONNECT_SECONDS
        try:
            self.prepare()
        except (OperationalError, InterfaceError) as error:
            if self.cluster is not None:
                raise ServeError(f"the embedded PostgreSQL failed: {error}") from error
            say(f"the server of DATABASE_URL cannot be used: {str(error).strip()}")
            say(f"going on with the last known routing table; trying again every {settings.PREPARE_SECONDS} s")
        finally:
            patience["connect_timeout"] = settings.DATABASE_CONNECT_SECONDS

    def prepare(self) -> None:
        """Migrate and initialise."""
        try:
            with self.slow():
                self.first = prepare(example=self.options.example, say=say)
        except PrepareError as error:
            raise ServeError(str(error)) from error
        self.prepared = True

    # --- the workers -------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep everything running until we are asked to stop."""
        say(f"starting {len(self.slots)} worker{'s' if len(self.slots) > 1 else ''}")
        while not self.asked:
            for slot in self.slots:
                self.tend(slot)
            if not self.ready:
                self.look_if_ready()
            if self.cluster is not None and self.is_due("keeper", settings.KEEPER_SECONDS):
                self.keep_server(self.cluster)
            if not self.prepared and self.is_due("prepare", settings.PREPARE_SECONDS):
                with contextlib.suppress(OperationalError, InterfaceError):
                    self.prepare()
                    say("the database is back")
                    print(self.banner(), flush=True)
            self.sleep(TICK_SECONDS if self.ready else STARTING_TICK_SECONDS)

    def tend(self, slot: Slot) -> None:
        """Start a slot's worker, again if it died."""
        now = time.monotonic()
        if slot.process is not None and (code := slot.process.poll()) is not None:
            slot.died(now)
            if not self.ready:
                raise ServeError(f"a worker {describe(code)} before it was ready: its error is above")
            soon = f"in {slot.pause:.0f} s" if slot.pause else "now"
            logger.error("worker %d %s; another one starts %s", slot.number, describe(code), soon)
        if slot.process is None and now >= slot.restart_at:
            slot.started = now
            slot.process = self.spawn()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start a worker, in a process group of its own: Ctrl-C is for us alone."""
        command = [sys.executable, "-P", str(WORKER), "--application", self.options.application]
        command += ["--socket-fd", str(self.listener.fileno()), "--life-fd", str(self.life)]
        inherited = [self.listener.fileno(), self.life]
        environment = {**os.environ, "SWITCHBOARD_REPLICA": self.replica}
        environment.setdefault("DATABASE_POOL", str(WORKER_POOL))
        if self.cluster is not None:
            environment["DATABASE_URL"] = self.cluster.url()
            command += ["--lock-fd", str(self.cluster.lock_fd)]
            inherited.append(self.cluster.lock_fd)
        return subprocess.Popen(command, env=environment, pass_fds=inherited, process_group=0, stdin=subprocess.DEVNULL)

    def look_if_ready(self) -> None:
        """Announce that we serve, once a worker says so; else, after a while, what is being waited for."""
        if not any(slot.process for slot in self.slots):
            return
        with self.slow():
            status, said = ask_ready(self.listener)
        if status == http.HTTPStatus.OK:
            self.ready = True
            print(self.banner(), flush=True)
        elif self.is_due("slow start", settings.SLOW_START_SECONDS):
            say(f"waiting for a worker to be ready: {said}")

    def banner(self) -> str:
        """What to do now."""
        from registry.installation import banner

        url = base_url(self.listener)
        try:
            with self.slow():
                return banner(url, first=self.first)
        except (OperationalError, InterfaceError):
            return f"Switchboard is ready at {url} (its database is away)"
        finally:
            close_connections()

    def keep_server(self, cluster: Cluster) -> None:
        """See that the embedded server and its keeper are alive."""
        try:
            with self.slow():
                cluster.keep()
        except OperationalError as error:
            logger.error("%s", error)

    # --- the end -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the workers, then the embedded server unless somebody else uses it; a second signal hurries."""
        asked = self.asked
        self.listener.close()  # from now on a caller is refused, not kept waiting
        if any(slot.process for slot in self.slots):
            say("stopping; once more stops at once")
        for slot in self.slots:
            if slot.process is not None:
                slot.process.terminate()
        os.close(self.life_end)
        end = time.monotonic() + settings.DRAIN_SECONDS + settings.LAST_RESORT_SECONDS
        while running := [slot.process for slot in self.slots if slot.process and slot.process.poll() is None]:
            if time.monotonic() > end or self.asked > asked:
                for process in running:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)  # with its children
                    process.wait()
            self.sleep(STARTING_TICK_SECONDS)
        os.close(self.life)
        close_connections()
        if self.cluster is not None:
            with contextlib.suppress(Stopped):
                self.interruptible = self.asked <= asked  # its keeper needs nobody to wait for it
                if not self.cluster.close(wait=STOP_SECONDS):
                    say("PostgreSQL runs on: another process uses it")
            self.interruptible = False
        say("stopped")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(f"Switchboard: {text}", flush=True)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; raises ServeError with what to do."""
    try:
        if not 0 <= port <= 65535:
            raise OSError("a port is a number up to 65535")
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=settings.BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise ServeError(f"cannot listen on {host}:{port}: {why}. Choose another with --host and --port.") from error


def local_address(listener: socket.socket) -> tuple[str, int]:
    """An address at which the socket can be reached from here."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - it is replaced


def base_url(listener: socket.socket) -> str:
    """The socket's address for a browser."""
    host, port = local_address(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ask_ready(listener: socket.socket) -> tuple[int, str]:
    """Status and text of /ready; 0 if nobody answers yet."""
    connection = http.client.HTTPConnection(*local_address(listener), timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, "it does not answer yet"
    finally:
        connection.close()


def describe(code: int) -> str:
    """A process's end in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
