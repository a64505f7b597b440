"""The id of a page's or operation's request: in its answer, and in the lines that the server's log gets meanwhile."""

import logging
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from registry.routing.trace_headers import accepted, current, new_id


@sync_and_async_middleware
def request_ids(
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Middleware: `request.request_id`, the same as X-Request-ID in the answer, and in the log lines of meanwhile."""

    def begin(request: HttpRequest) -> str:
        """The request's id: its sender's, else a new one."""
        request_id = accepted(request.headers.get("X-Request-ID", "")) or new_id()
        vars(request)["request_id"] = request_id
        return request_id

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        """In the event loop."""
        before = current.set(begin(request))
        try:
            response = await cast(Awaitable[HttpResponseBase], get_response(request))
            response["X-Request-ID"] = current.get()
            return response
        finally:
            current.reset(before)

    def answer(request: HttpRequest) -> HttpResponseBase:
        """In a thread."""
        before = current.set(begin(request))
        try:
            response = cast(HttpResponseBase, get_response(request))
            response["X-Request-ID"] = current.get()
            return response
        finally:
            current.reset(before)

    return answer_async if iscoroutinefunction(get_response) else answer


class WithRequestId(logging.Filter):
    """Gives each record of the log `during`: the request that it is about or was written for, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass."""
        request_id = getattr(getattr(record, "request", None), "request_id", "") or current.get()
        record.during = f" [{request_id}]" if request_id else ""
        return True
