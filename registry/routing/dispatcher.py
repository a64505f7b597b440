"""The dispatcher: a raw ASGI application that answers for every agent.

The path everything else exists for. It reads the routing table and nothing else: no database, no lock, no work that
grows with the number of agents. Each request ends as one event in the routing log.
"""

import asyncio
import logging

from agents.wire import Answer
from registry.routing.answers import headers_of
from registry.routing.context import Context
from registry.routing.exchange import Exchange
from registry.routing.http import AnyHeaders, ClientGone, Receive, Scope, Send
from registry.routing.record import record
from registry.routing.table import RoutingTable, Tables

logger = logging.getLogger(__name__)

NO_TABLE = RoutingTable()
NOT_YET = Answer(503, b'{"detail":"The routing table is not loaded yet"}', "starting", "no routing table yet")
GONE = 499  # nginx's status for a client that did not wait; only the log sees it


class Dispatcher:
    """Answers for every agent, and 404 for what is nobody's."""

    def __init__(self, tables: Tables, context: Context):
        self.tables = tables
        self.context = context
        self.sync = context.sync
        self.http = context.http
        self.json_headers: AnyHeaders = context.http.json_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        table = self.tables.current
        exchange = Exchange(self.context, table or NO_TABLE, scope)
        try:
            answer = await exchange.answer(receive) if table else NOT_YET
        except ClientGone:
            answer = Answer(GONE, b"", "gone", "the sender closed the connection before its body had come")
        except asyncio.CancelledError:  # the server ends and has waited long enough: for a webhook, say
            answer = exchange.apology("the server was stopping")
        except Exception:  # a caller must hear something, whatever we did wrong
            about = {"request": exchange}
            logger.exception("Failed to answer %s %s", scope["method"], scope["path"][:200], extra=about)
            answer = exchange.apology()
        try:
            record(exchange, answer)
        except Exception:  # nor may the log cost a caller the answer
            about = {"request": exchange}
            logger.exception("Failed to record %s %s", scope["method"], scope["path"][:200], extra=about)
        if answer.status != GONE:
            if self.sync is not None:
                await self.sync.wait()
            headers = self.json_headers if answer.status == 200 else headers_of(answer, self.http)
            if given := exchange.marks.request_id:
                headers = [*headers, (b"x-request-id", given.encode())]
            # As `http.respond` does, written out: a coroutine more is 0.3 µs more.
            body = answer.body
            headers = [*headers, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body})
