"""What runs beside the requests of a worker, from the server's first moment to its last: listener, writer, keeper."""

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.utils import timezone

from agents.outbound.client import WebhookClient, WebhookLimits
from agents.python.launch import HostLimits
from agents.python.runner import Hosts
from agents.remote.client import RemoteLimits
from agents.remote.runner import Remotes
from config.names import replica_name, run_name
from registry.actions.inspection import whereabouts
from registry.base.checks import OK, Check
from registry.environment import environment
from registry.heartbeats import Heart
from registry.log.group_commit import GroupSync
from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.log.retention import LogKeeper
from registry.log.spool import Spool
from registry.log.tail import Live
from registry.log.writer import Writer
from registry.metrics.counters import Counters
from registry.metrics.exposition import Exposition
from registry.metrics.gauges import Gauges
from registry.routing.context import Context
from registry.routing.dispatcher import Dispatcher
from registry.routing.http import Http, Receive, Scope, Send
from registry.routing.probes import Probes
from registry.routing.public_url import PublicUrl
from registry.routing.strangers import Strangers
from registry.routing.table import Credentials, Tables
from registry.serving.listener import Listener
from registry.serving.resumer import Resumer
from registry.serving.runners import Runners
from registry.serving.snapshot import SnapshotFile, SnapshotKeeper, database_place

logger = logging.getLogger(__name__)
TABLE_SECONDS = 15  # how long a starting worker waits for its first routing table before it takes connections
STOP_SECONDS = 2  # for the spool, when requests have ended; with the database away it stays on disk for the next start


def host_limits() -> HostLimits:
    """What Python agents may take."""
    return HostLimits(whereabouts(), settings.AGENT_SECONDS, settings.AGENT_DOCUMENT_SECONDS, settings.AGENT_RUNNING)


def remote_limits() -> RemoteLimits:
    """What remote agents may take."""
    return RemoteLimits(allowed_hosts=tuple(settings.WEBHOOK_ALLOWED_HOSTS))


def http_settings() -> Http:
    """What a request's body may have, and what every answer says. Read once: a look-up takes half a microsecond."""
    return Http(settings.MAX_BODY_BYTES, https_only=settings.SWML_SSL_ENABLED)


App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Services:
    """A worker's parts, wired together."""

    def __init__(self) -> None:
        self.replica = replica_name()
        self.tables = Tables()
        self.spool = Spool(settings.SPOOL_DIR, f"{self.replica}-{os.getpid()}")
        self.writer = Writer(self.spool)
        heart = Heart(self.replica, timezone.now())
        snapshot = SnapshotFile(settings.SNAPSHOT_FILE, database_place(settings.DATABASES["default"]))
        self.runners = Runners({"python": Hosts(host_limits()), "remote": Remotes(remote_limits())})
        self.listener = Listener(self.tables, heart, lambda: self.spool.pending, self.trouble, snapshot, self.runners)
        self.keeper = SnapshotKeeper(snapshot, lambda: self.listener.served, lambda: self.listener.connected)
        self.log_keeper = LogKeeper()
        self.resumer = Resumer()
        self.live = Live()
        self.counters = Counters(settings.METRICS_DIR / run_name())
        self.gauges = Gauges(self.counters, self.listener, self.spool, self.writer, self.live.hub)
        about = {"version": settings.VERSION, "replica": self.replica}
        self.exposition = Exposition(self.counters, self.gauges.work, about)
        self.http = http_settings()
        self.probes = Probes(
            self.tables, self.http, self.checks, self.runners.starting, needs_database=settings.READY_NEEDS_DATABASE
        )
        masker = Masker(settings.MASKED_KEYS, environment().values())
        self.recorder = recorder = Recorder(self.spool, self.replica, masker)
        self.strangers = Strangers(recorder)
        self.sync = GroupSync(self.spool) if settings.LOG_FSYNC else None
        self.webhooks = WebhookClient(WebhookLimits(allowed_hosts=tuple(settings.WEBHOOK_ALLOWED_HOSTS)))
        password = settings.SWML_BASIC_AUTH_PASSWORD
        context = Context(
            recorder,
            PublicUrl(settings.PUBLIC_URL, settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES),
            self.webhooks,
            self.http,
            fleet=Credentials.of(settings.SWML_BASIC_AUTH_USER, password) if password else None,
            fleet_key=settings.SIGNALWIRE_SIGNING_KEY,
            strangers=self.strangers,
            sync=self.sync,
            count=self.counters.count,
        )
        self.dispatcher = Dispatcher(self.tables, context)

    def checks(self) -> dict[str, Check]:
        """What /ready tells besides: calls go on without the database, so its absence is said but is no reason."""
        trouble = self.sync_trouble() or self.lost()
        log = Check("waiting") if self.writer.last_error else Check("trouble", trouble) if trouble else OK
        checks = {
            "database": Check("away") if self.listener.last_error or self.listener.silent else OK,
            "log": log,
            "snapshot": Check("unwritten", self.keeper.problem) if self.keeper.problem else OK,
        }
        return {"table": Check("stale", stale), **checks} if (stale := self.listener.stale) else checks

    def trouble(self) -> str:
        """What the heartbeat tells of the log and the snapshot."""
        snapshot = f"snapshot: {self.keeper.problem}" if self.keeper.problem else ""
        return "; ".join(text for text in (self.writer.last_error, self.sync_trouble(), self.lost(), snapshot) if text)

    def lost(self) -> str:
        """How many events the disk had no room for."""
        return f"{self.spool.lost} events lost: the disk took no more" if self.spool.lost else ""

    def sync_trouble(self) -> str:
        """What is wrong with LOG_FSYNC."""
        sync = self.sync
        return f"not synced: {sync.problem} ({sync.failed} so far)" if sync and sync.problem else ""

    def start(self) -> None:
        """Start what runs agents, listener, writer and keeper. Called in the event loop that answers."""
        self.runners.start()
        self.listener.start()
        for part in (self.writer, self.keeper, self.log_keeper, self.resumer, self.live.tail, self.gauges):
            part.start()

    def stop(self) -> None:
        """Stop them, all at once and within STOP_SECONDS; what is still in the spool then waits there."""
        deadline = time.monotonic() + STOP_SECONDS
        others = (self.listener, self.keeper, self.log_keeper, self.resumer, self.live.tail, self.gauges)
        for part in others:
            part.stopping.set()
        self.writer.stop(deadline - time.monotonic())
        for part in others:
            part.stop(deadline - time.monotonic())
        if self.sync is not None:
            self.sync.close()
        if not self.writer.thread.is_alive():
            self.spool.close()
        if not self.gauges.thread.is_alive():
            self.counters.close()


class Background:
    """ASGI middleware: starts the services with the server's lifespan or, where there is none, at the first connection.

    `make_app` gets the services, which exist only in a process that really serves.
    """

    def __init__(self, make_app: Callable[[Services], App]):
        self.make_app = make_app
        self.app: App | None = None
        self.services: Services | None = None
        self.starting = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the lifespan."""
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        await (self.app or await self.start())(scope, receive, send)

    async def start(self) -> App:
        """Start the services and wait for the first routing table; without one, calls are refused with a 503."""
        with self.starting:
            if self.services is None:
                self.services = Services()
                self.services.start()
                self.app = self.make_app(self.services)
            app, listener = self.app, self.services.listener
        if not await asyncio.to_thread(listener.loaded.wait, TABLE_SECONDS):
            logger.error("No routing table yet: %s", listener.last_error or "the database is slow")
        # What is there now stays: the collector need not look at it again. Without this a body of a megabyte of empty
        # lists holds up all others for 200 ms, with it for 24.
        gc.collect()
        gc.freeze()
        assert app is not None
        return app

    @property
    def lane(self) -> Dispatcher | None:
        """Whoever answers without ASGI, once the application is there (config/protocol.py)."""
        return getattr(self.app, "lane", None)

    def announce_end(self) -> None:
        """Be out of the load balancer's rotation from now on; calls are answered until the end comes."""
        if self.services is not None:
            self.services.probes.draining = True

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """The server's start and stop."""
        await receive()
        await self.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.services is not None:
            self.services.probes.draining = True
            await self.services.webhooks.close()
            await self.services.runners.close()
            self.services.strangers.close()
            await asyncio.to_thread(self.services.stop)
        await send({"type": "lifespan.shutdown.complete"})
