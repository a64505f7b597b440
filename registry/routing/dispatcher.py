"""The dispatcher: answers for every agent, from whatever server a request comes.

The path everything else exists for. It reads the routing table and nothing else: no database, no lock, no work that
grows with the number of agents. Each request ends as one event in the routing log.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from agents.wire import Answer
from registry.routing.addresses import RESERVED_FIRST
from registry.routing.answers import headers_of
from registry.routing.context import Context
from registry.routing.exchange import Exchange
from registry.routing.forwarded import headers_by_name
from registry.routing.http import AnyHeaders, ClientGone, Head, Receive, Response, Scope, Send
from registry.routing.plan import Plans
from registry.routing.record import record
from registry.routing.table import RoutingTable, Tables

logger = logging.getLogger(__name__)

NO_TABLE = RoutingTable()
NOT_YET = Answer(503, b'{"detail":"The routing table is not loaded yet"}', "starting", "no routing table yet")
GONE = 499  # nginx's status for a client that did not wait; only the log sees it
NOT_OURS = RESERVED_FIRST - {"sip"}  # first segments that other parts of the application answer


class Dispatcher:
    """Answers for every agent, and 404 for what is nobody's."""

    def __init__(self, tables: Tables, context: Context):
        self.tables = tables
        self.context = context
        self.plans = Plans(context)
        self.public_url = context.public_url
        self.sync = context.sync
        self.http = context.http
        self.body_bytes = context.http.body_bytes
        self.json_headers: AnyHeaders = context.http.json_headers

    def takes(self, path: str) -> bool:
        """Whether a path is the dispatcher's to answer."""
        if path[1:].partition("/")[0] in NOT_OURS:
            return False
        inner = self.public_url.inner(path) if self.public_url.before else ""
        return not inner or inner[1:].partition("/")[0] not in NOT_OURS

    def answer_now(self, head: Head, body: bytes) -> Response | Coroutine[Any, Any, Response]:
        """The response to a whole request whose body is no larger than the limit, or what has to be waited for.

        Raises nothing. Answers are not kept back until the log is on the disk (LOG_FSYNC): `__call__` does that.
        """
        table = self.tables.current
        headers = headers_by_name(head.headers)
        planned = self.plans.answer(table, head, headers, body)
        if planned is not None:
            return Response(200, self.json_headers, planned)
        exchange = Exchange(self.context, table or NO_TABLE, head, headers)
        if head.method == "POST":  # what others send as a body is none, as in `Exchange.read`
            exchange.body = body
        try:
            answer = (exchange.refusal() or exchange.answer()) if table else NOT_YET
        except Exception:  # a caller must hear something, whatever we did wrong
            logger.exception("Failed to answer %s", exchange, extra={"request": exchange})
            answer = exchange.apology()
        if not isinstance(answer, Answer):
            return self.answer_later(exchange, answer)
        response = self.response(exchange, answer)
        try:
            if table:
                self.plans.learn(table, exchange, answer)
        except Exception:
            logger.exception("Failed to make a plan of %s", exchange, extra={"request": exchange})
        return response

    async def answer_later(self, exchange: Exchange, answer: Coroutine[Any, Any, Answer]) -> Response:
        """The response once an agent has answered that asks somebody else first."""
        return self.response(exchange, await self.waited(exchange, answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request as an ASGI application."""
        head = Head.of(scope)
        exchange = Exchange(self.context, self.tables.current or NO_TABLE, head, headers_by_name(head.headers))
        answer = await self.waited(exchange, self.read_and_answer(exchange, receive))
        status, headers, body = self.response(exchange, answer)
        if status != GONE:
            if self.sync is not None:
                await self.sync.wait()
            headers = [*headers, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body})

    async def read_and_answer(self, exchange: Exchange, receive: Receive) -> Answer:
        """From the cheap checks over the body to the agent's answer."""
        if self.tables.current is None:
            return NOT_YET
        answer = exchange.refusal() or await exchange.read(receive) or exchange.answer()
        return answer if isinstance(answer, Answer) else await answer

    async def waited(self, exchange: Exchange, answer: Coroutine[Any, Any, Answer]) -> Answer:
        """An answer that has to be waited for; whatever goes wrong meanwhile, it is one."""
        try:
            return await answer
        except ClientGone:
            return Answer(GONE, b"", "gone", "the sender closed the connection before its body had come")
        except asyncio.CancelledError:  # the server ends and has waited long enough: for a webhook, say
            return exchange.apology("the server was stopping")
        except Exception:  # as above
            logger.exception("Failed to answer %s", exchange, extra={"request": exchange})
            return exchange.apology()

    def response(self, exchange: Exchange, answer: Answer) -> Response:
        """Record an answer, and put it as HTTP has it."""
        try:
            record(exchange, answer)
        except Exception:  # nor may the log cost a caller the answer
            logger.exception("Failed to record %s", exchange, extra={"request": exchange})
        headers = self.json_headers if answer.status == 200 else headers_of(answer, self.http)
        if given := exchange.marks.request_id:
            headers = [*headers, (b"x-request-id", given.encode())]
        return Response(answer.status, headers, answer.body)
