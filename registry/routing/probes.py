"""/health and /ready for load balancers (docs/contract.md, 1.1), answered without the database."""

import time
from collections.abc import Callable

import orjson

from registry.base.checks import OK, Check
from registry.routing.http import Http, Receive, Scope, Send, respond
from registry.routing.table import Tables

PATHS = frozenset({"/health", "/ready"})
STARTING_SECONDS = 15  # that agents have to be built; then a replica without them is better than none
NO_AGENTS = b'{"status":"ok","agents":0,"routes":[]}'


class Probes:
    """Liveness: this process answers. Readiness: its routing table is loaded, the agents that it has when it starts can
    be asked, and it is not about to stop.

    Without the database it is degraded: it answers calls, so it is 200 unless it `needs_database`.
    """

    def __init__(
        self,
        tables: Tables,
        http: Http,
        checks: Callable[[], dict[str, Check]],
        starting: Callable[[], str] = str,
        *,
        needs_database: bool = False,
    ):
        self.tables = tables
        self.json_headers = http.json_headers
        self.needs_database = needs_database
        self.checks = checks  # by the name of a part
        self.starting = starting  # what is not there yet, "" = all is
        self.loaded_at: float | None = None  # when the table was first seen here; monotonic
        self.started = False  # and all is there that a start waits for
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe."""
        head = scope["method"] == "HEAD"
        if not head and scope["method"] != "GET":
            headers = [*self.json_headers, (b"allow", b"GET, HEAD")]
            await respond(send, 405, b'{"detail":"Method Not Allowed"}', headers)
        elif scope["path"] == "/health":
            table = self.tables.current
            await respond(send, 200, table.health if table else NO_AGENTS, self.json_headers, head=head)
        else:
            status, body = self.readiness()
            await respond(send, status, body, self.json_headers, head=head)

    def told(self) -> dict[str, Check]:
        """What /ready says in one word, as `status`, and its checks."""
        table = self.tables.current
        loaded = Check("loaded", f"revision {table.revision}") if table else Check("missing", "not loaded")
        checks = {"table": loaded, **self.checks()}
        if table and (missing := self.missing()):
            checks["agents"] = Check("building", missing)
        if self.draining:
            state = "draining"
        elif not (table and self.started):
            state = "starting"
        else:
            state = "degraded" if checks.get("database", OK).state == "away" else "ready"
        return {"status": Check(state), **checks}

    def missing(self) -> str:
        """What a start still waits for, but not for ever."""
        if self.started:
            return ""
        if self.loaded_at is None:
            self.loaded_at = time.monotonic()
        missing = self.starting() if time.monotonic() - self.loaded_at < STARTING_SECONDS else ""
        self.started = not missing
        return missing

    def readiness(self) -> tuple[int, bytes]:
        """Status and body of /ready."""
        table = self.tables.current
        checks = self.told()
        state = checks.pop("status").state
        agents = len(table.agents) if table else 0
        words = {name: str(check) for name, check in checks.items()}
        states = {name: check.state for name, check in checks.items()}
        body = orjson.dumps({"status": state, "agents": agents, "checks": words, "states": states})
        in_rotation = state == "ready" or (state == "degraded" and not self.needs_database)
        return (200 if in_rotation else 503), body
