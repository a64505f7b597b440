"""What pages and sockets say while the database is away."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from django.db import Error, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from registry.http import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_SECONDS = 5
TRY_AGAIN = 1013  # close code of a socket: try again later (RFC 6455, registry of close codes)
# Connection exceptions; the server is shutting down, has crashed, or is starting; it has no connection left
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
AWAY = ("08", "57P01", "57P02", "57P03", "53300")


class DatabaseAway(MiddlewareMixin):
    """Middleware: a plain page with a 503 where a view found no database. Any other error is a bug, as before."""

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page, if the database is away."""
        if not is_away(error):
            return None
        page = render_to_string("away.html", {"seconds": RETRY_SECONDS})
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"})


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached, rather than that it refused something."""
    cause = error.__cause__ if isinstance(error, Error) else error
    if isinstance(cause, psycopg.InterfaceError) or (cause is None and isinstance(error, InterfaceError)):
        return True  # the connection is closed
    # Without a code it is libpq's own word, or the pool's: the server said nothing.
    return isinstance(cause, psycopg.OperationalError) and (cause.sqlstate is None or cause.sqlstate.startswith(AWAY))


class SocketsAway:
    """ASGI middleware: a socket whose session cannot be read now is told so and closed, to come again."""

    def __init__(self, app: App):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        accepted = False

        async def noting(message: Any) -> None:
            nonlocal accepted
            accepted = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Error as error:
            if not is_away(error):
                raise
            if not accepted:
                await receive()
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.send", "text": '{"type":"away"}'})
            await send({"type": "websocket.close", "code": TRY_AGAIN})
