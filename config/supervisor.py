"""What `serve` is: opens the database, keeps the workers running, and leaves nothing behind.

Order: the socket (a taken port is told before anything is started), the embedded PostgreSQL if no DATABASE_URL is set,
migrations and the first initialisation, the workers, and when one is ready the banner. The workers also hold the
embedded server's lock, and the read end of a pipe that ends when this process does, so `kill -9` needs no care.
"""

import contextlib
import http
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from config.embedded.cluster import Cluster, open_cluster
from config.embedded.locks import STOP_SECONDS
from config.folders import have_folder
from config.listen_socket import ask_ready, base_url, listen
from config.names import replica_name
from config.prepare import PrepareError, close_connections, is_refusal, prepare, reason
from config.slots import LAST_RESORT_SECONDS, Slot, describe
from config.stop_signals import Stopped, StopSignals
from registry.metrics.runs import hold

logger = logging.getLogger(__name__)

EMBEDDED = "config.embedded"
WORKER = Path(__file__).with_name("worker.py")
WORKER_POOL = 8  # database connections of a worker, unless DATABASE_POOL says otherwise
TICK_SECONDS = 0.5  # of the main loop; a signal or a dead worker wakes it at once
STARTING_TICK_SECONDS = 0.05  # of the main loop until a worker is ready
SLOW_START_SECONDS = 5  # then it is said what is waited for
KEEPER_SECONDS = 2  # between two looks after the embedded PostgreSQL
PREPARE_SECONDS = 2  # between two attempts to reach a database that was away at the start
REFUSED_CODE = 3  # exit code of ours: the server of DATABASE_URL does not want us


class ServeError(Exception):
    """`serve` cannot go on; the message says why and what to do, the code is what it ends with."""

    def __init__(self, message: str, code: int = 1):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Options:
    """What `serve` was asked for."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    example: bool = True
    application: str = "config.asgi:application"


class Supervisor:
    """One replica."""

    def __init__(self, options: Options):
        self.options = options
        self.replica = replica_name()
        self.slots = [Slot(number) for number in range(1, options.workers + 1)]
        self.run_name = secrets.token_hex(8)  # of this life of the replica
        self.cluster: Cluster | None = None
        self.signals = StopSignals()
        self.prepared = False  # the database is migrated, and ours
        self.problem = ""  # why it is not, as it was said
        self.first = False  # this was the first start on this database
        self.answered = False  # a worker has answered something
        self.waiting_for = ""  # what was said of a slow start
        self.serving = ""  # what was said that is served: the snapshot
        self.ready = False  # the banner is printed
        self.due: dict[str, float] = {}  # when what is done now and then is done next

    def run(self) -> None:
        """Serve until a signal comes; raises ServeError, ListenError, ImproperlyConfigured."""
        self.listener = listen(self.options.host, self.options.port)
        have_folder("DATA_DIR", settings.DATA_DIR)
        with contextlib.suppress(OSError):  # a place for Python agents, so that somebody can put one there
            (settings.DATA_DIR / "agents").mkdir(mode=0o700, exist_ok=True)
        str(settings.SECRET_KEY)  # made now, or refused
        with contextlib.suppress(OSError):  # without it metrics may begin anew when all workers have died
            hold(settings.METRICS_DIR / self.run_name)
        self.life, self.life_end = os.pipe()
        with self.listener, self.signals.taken():
            try:
                self.open_database()
                self.watch()
            except Stopped:
                pass
            finally:
                self.stop()

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
                with self.signals.slow():
                    self.cluster = open_cluster(settings.DATA_DIR, settings.EMBEDDED_POSTGRES_OPTIONS)
            except OperationalError as error:
                raise ServeError(str(error)) from error
        patience = connection.settings_dict["OPTIONS"]
        if settings.SNAPSHOT_FILE.exists():  # then a silent server keeps nobody from being served
            patience["connect_timeout"] = settings.FIRST_CONNECT_SECONDS
        self.prepare()
        patience["connect_timeout"] = settings.DATABASE_CONNECT_SECONDS

    def prepare(self) -> None:
        """Migrate and initialise, if the database can be reached."""
        try:
            with self.signals.slow():
                self.first = prepare(example=self.options.example, say=say)
        except PrepareError as error:
            raise ServeError(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            if self.cluster is not None:
                raise ServeError(f"the embedded PostgreSQL failed: {reason(error)}") from error
            self.tell_problem(error)
        else:
            self.prepared = True
            if self.problem:
                say("the database is there")
        self.due["prepare"] = time.monotonic() + PREPARE_SECONDS

    def tell_problem(self, error: Exception) -> None:
        """Say why the database cannot be used and what that means, when it is something new; or end with it."""
        first, problem = not self.problem, f"the server of DATABASE_URL cannot be used: {reason(error)}"
        has_snapshot = settings.SNAPSHOT_FILE.exists()
        if first and not has_snapshot and is_refusal(error):
            raise ServeError(problem, REFUSED_CODE) from error
        if problem != self.problem:
            self.problem = problem
            say(problem)
        if first and has_snapshot:
            say(f"calls are answered from {settings.SNAPSHOT_FILE} if that is this database's; trying again")
        elif first:
            say("there is no snapshot of a routing table: calls get 503 until the database is there; trying again")

    # --- the workers -------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep everything running until we are asked to stop."""
        say(f"starting {len(self.slots)} worker{'s' if len(self.slots) > 1 else ''}")
        while not self.signals.asked:
            for slot in self.slots:
                self.tend(slot)
            if not self.ready:
                self.look_if_ready()
            if self.cluster is not None and self.is_due("keeper", KEEPER_SECONDS):
                self.keep_server(self.cluster)
            if not self.prepared and self.is_due("prepare", PREPARE_SECONDS):
                self.prepare()
            starting = not (self.ready or self.serving or self.waiting_for)
            self.signals.sleep(STARTING_TICK_SECONDS if starting else TICK_SECONDS)

    def tend(self, slot: Slot) -> None:
        """Start a slot's worker, again if it died."""
        now = time.monotonic()
        if slot.process is not None and (code := slot.process.poll()) is not None:
            slot.died(now, code)
            if slot.hopeless and not self.answered:
                raise ServeError(f"a worker {describe(code)} {slot.alike} times at its start: its error is above")
            soon = f"in {slot.pause:.0f} s" if slot.pause else "now"
            logger.error("worker %d %s; another one starts %s", slot.number, describe(code), soon)
        if slot.process is None and now >= slot.restart_at:
            slot.started = now
            try:
                slot.process = self.spawn()
            except OSError as error:  # no memory or no process number left: the other workers go on
                if not self.answered:
                    raise
                slot.died(now, 1)
                logger.error("worker %d cannot be started (%s); tried again in %.0f s", slot.number, error, slot.pause)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start a worker, in a process group of its own: Ctrl-C is for us alone."""
        command = [sys.executable, "-P", str(WORKER), "--application", self.options.application]
        command += ["--socket-fd", str(self.listener.fileno()), "--life-fd", str(self.life)]
        inherited = [self.listener.fileno(), self.life]
        environment = {**os.environ, "SWITCHBOARD_REPLICA": self.replica, "SWITCHBOARD_RUN": self.run_name}
        environment.setdefault("DATABASE_POOL", str(WORKER_POOL))
        if self.cluster is not None:
            environment |= {"DATABASE_URL": self.cluster.url(), "SWITCHBOARD_EMBEDDED": "1"}
            command += ["--lock-fd", str(self.cluster.lock_fd)]
            inherited.append(self.cluster.lock_fd)
        return subprocess.Popen(command, env=environment, pass_fds=inherited, process_group=0, stdin=subprocess.DEVNULL)

    def look_if_ready(self) -> None:
        """Announce that we serve, once a worker says so; else, after a while, what is being waited for."""
        if not any(slot.process for slot in self.slots):
            return
        with self.signals.slow():
            answer = ask_ready(self.listener)
        self.answered = self.answered or answer.status > 0
        if answer.status != http.HTTPStatus.OK:
            if self.is_due("slow start", SLOW_START_SECONDS) and str(answer) != self.waiting_for:
                self.waiting_for = str(answer)
                say(f"waiting for a worker to be ready: {answer}")
        elif answer.stale:
            if not self.serving:
                self.serving = answer.stale
                say(f"serving at {base_url(self.listener)} {answer.stale}, while the database is away")
        else:
            if not self.prepared:  # the database was away a moment ago
                self.prepare()
            self.ready = True
            print(self.banner(), flush=True)

    def banner(self) -> str:
        """What to do now."""
        from registry.installation import banner

        url = base_url(self.listener)
        try:
            with self.signals.slow():
                return banner(url, first=self.first)
        except (OperationalError, InterfaceError):
            return f"Switchboard is ready at {url} (its database is away)"
        finally:
            close_connections()

    def keep_server(self, cluster: Cluster) -> None:
        """See that the embedded server and its keeper are alive."""
        try:
            with self.signals.slow():
                cluster.keep()
        except OperationalError as error:
            logger.error("%s", error)

    # --- the end -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the workers, then the embedded server unless somebody else uses it; a second signal hurries."""
        asked = self.signals.asked
        self.announce_end(asked)
        self.listener.close()  # from now on a caller is refused, not kept waiting
        started = any(slot.process for slot in self.slots)
        opened = self.cluster is not None
        if started:
            say("stopping; once more stops at once")
        for slot in self.slots:
            if slot.process is not None:
                slot.process.terminate()
        os.close(self.life_end)
        end = time.monotonic() + settings.DRAIN_SECONDS + LAST_RESORT_SECONDS
        while running := [slot.process for slot in self.slots if slot.process and slot.process.poll() is None]:
            if time.monotonic() > end or self.signals.asked > asked:
                for process in running:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)  # with its children
                    process.wait()
            self.signals.sleep(STARTING_TICK_SECONDS)
        os.close(self.life)
        close_connections()
        if self.cluster is not None:
            with contextlib.suppress(Stopped):
                self.signals.interruptible = self.signals.asked <= asked  # its keeper needs nobody to wait for it
                if not self.cluster.close(wait=STOP_SECONDS):
                    say("PostgreSQL runs on: another process uses it")
            self.signals.interruptible = False
        if started or opened:
            say("stopped")

    def announce_end(self, asked: int) -> None:
        """Let load balancers notice that we leave, while calls are still taken; not for Ctrl-C, nor a second signal."""
        running = [slot.process for slot in self.slots if slot.process and slot.process.poll() is None]
        if self.signals.hurry or not running or not settings.DRAIN_NOTICE_SECONDS:
            return
        say(f"/ready is 503 now; stopping in {settings.DRAIN_NOTICE_SECONDS} s")
        for process in running:
            process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + settings.DRAIN_NOTICE_SECONDS
        while time.monotonic() < end and self.signals.asked == asked:
            self.signals.sleep(STARTING_TICK_SECONDS)


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(f"Switchboard: {text}", flush=True)
