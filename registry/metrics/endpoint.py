"""/metrics for Prometheus: all workers of this replica, through whichever of them is asked."""

import asyncio
from typing import Protocol

from prometheus_client.exposition import gzip_accepted

from registry.metrics.exposition import Exposition
from registry.routing.http import Http, Receive, Scope, Send, respond

PATH = "/metrics"
# What the gate says, in words; anything else is as good as closed.
REFUSALS = {
    401: (b'{"detail":"A token with the scope read is needed"}', (b"www-authenticate", b"Bearer")),
    403: (b'{"detail":"This token may not read metrics"}', None),
    429: (b'{"detail":"Too many requests with this token"}', (b"retry-after", b"5")),
    503: (b'{"detail":"Tokens cannot be checked now"}', (b"retry-after", b"5")),
}


class Gate(Protocol):
    """Whoever says who may see the metrics."""

    async def __call__(self, authorization: bytes | None, /) -> int:
        """200, or why not: 401, 403, 429 or 503."""
        ...


class Metrics:
    """Answers a scrape, if the gate lets it. It never asks the database itself."""

    def __init__(self, exposition: Exposition, gate: Gate, http: Http):
        self.exposition = exposition
        self.gate = gate
        self.http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        head = scope["method"] == "HEAD"
        if not head and scope["method"] != "GET":
            headers = [*self.http.json_headers, (b"allow", b"GET, HEAD")]
            await respond(send, 405, b'{"detail":"Method Not Allowed"}', headers)
            return
        given = dict(scope["headers"])
        status = await self.gate(given.get(b"authorization"))
        if status != 200:
            body, header = REFUSALS.get(status, REFUSALS[503])
            status = status if status in REFUSALS else 503
            await respond(send, status, body, [*self.http.json_headers, *([header] if header else [])], head=head)
            return
        accept = given.get(b"accept", b"").decode("latin-1")
        compress = gzip_accepted(given.get(b"accept-encoding", b"").decode("latin-1"))
        loop = asyncio.get_running_loop()
        write = self.exposition.write
        body, kind = await loop.run_in_executor(self.exposition.thread, lambda: write(accept, compress=compress))
        headers = [
            *self.http.security_headers,
            (b"content-type", kind.encode("latin-1")),
            (b"cache-control", b"no-store"),
        ]
        headers.append((b"vary", b"Accept, Accept-Encoding"))
        if compress:
            headers.append((b"content-encoding", b"gzip"))
        await respond(send, 200, body, headers, head=head)
