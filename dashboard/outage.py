"""What pages and sockets say while the database is away."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from dashboard.doors import with_headers
from registry.base.outage import RETRY_SECONDS, is_away
from registry.routing.http import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]

TRY_AGAIN = 1013  # close code of a socket: try again later (RFC 6455, registry of close codes)


class DatabaseAway(MiddlewareMixin):
    """Middleware: a page with a 503 where a view found no database. Any other error is a bug, as before."""

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page, if the database is away."""
        if not is_away(error):
            return None
        page = render_to_string("away.html", {"seconds": RETRY_SECONDS})
        return with_headers(HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)}))


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
