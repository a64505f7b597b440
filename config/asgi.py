"""The application: agents and probes raw, everything reserved through Django and Channels."""

import asyncio
import os
import re
import time
from typing import cast

import django
import orjson
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from channels.routing import URLRouter  # noqa: E402 - after django.setup()
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from config.background import App, Background, Services  # noqa: E402 - after django.setup()
from config.public_scope import public_scope  # noqa: E402
from dashboard.consumers import EventsConsumer, PageConsumer  # noqa: E402
from dashboard.watchers import Watched  # noqa: E402
from registry.fleet.document import UPLOAD_BYTES  # noqa: E402
from registry.metrics.endpoint import PATH as METRICS  # noqa: E402
from registry.metrics.endpoint import Metrics  # noqa: E402
from registry.metrics.gate import TokenGate  # noqa: E402
from registry.rehearsal.stage import Stage  # noqa: E402
from registry.routing.dispatcher import NOT_OURS  # noqa: E402
from registry.routing.http import BODY_SECONDS, Message, Receive, Scope, Send, respond  # noqa: E402
from registry.routing.probes import PATHS  # noqa: E402

DJANGOS = frozenset(NOT_OURS - {"health", "ready", "metrics"})

# Bytes of a body. Forms are taken apart while everybody waits; in the admin's a definition is a field.
MOST = {"dashboard": 64 * 1024, "admin": settings.MAX_BODY_BYTES, "api": settings.MAX_BODY_BYTES}
# Where a whole fleet comes in: by the API, and by the dashboard's import.
FLEETS = frozenset({"/api/v1/apply", "/dashboard/settings/apply/plan/"})
# Whose forms hold a definition, or a removed route with all its names.
EDITOR = re.compile(
    r"/dashboard/(agents/[^/]+/(definition/(edit|check|theirs)|routes/restore)|register(/check)?|routing/routes/restore)/\Z"
)
TOO_LARGE = orjson.dumps(
    {"type": "about:blank", "title": "Request Entity Too Large", "status": 413, "detail": "the body is too large"}
)
TOO_LARGE_HEADERS = ((b"content-type", b"application/problem+json"), (b"connection", b"close"))


async def nobody(_scope: Scope, receive: Receive, send: Send) -> None:
    """A socket that is not ours: closing before accepting is a 403 for the client."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


def limited(receive: Receive, most: int) -> Receive:
    """Nothing more of a body that is too large or too slow: Django would first write all of it to the disk."""
    size = 0
    end: float | None = time.monotonic() + BODY_SECONDS

    async def receive_some() -> Message:
        nonlocal size, end
        if end is None:  # it has come; what is waited for now is the client's leaving
            return await receive()
        try:
            async with asyncio.timeout(end - time.monotonic()):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            end = None
        return message if size <= most else {"type": "http.disconnect"}

    return receive_some


def most_of(path: str, first: str) -> int:
    """How many bytes a body may have; `first`: the path's first segment."""
    if path in FLEETS:
        return UPLOAD_BYTES
    return settings.MAX_BODY_BYTES if EDITOR.match(path) else MOST.get(first, 0)


def declared(scope: Scope) -> int:
    """The bytes that a request says its body has; of what is no number none."""
    text = dict(scope["headers"]).get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 19 else 0


class Front:
    """Sends each connection to whom its first path segment belongs."""

    def __init__(self, services: Services):
        self.dispatcher = services.dispatcher
        self.public_url = services.dispatcher.context.public_url
        self.lane = None if services.sync else services.dispatcher  # an answer that waits for the disk is not at once
        self.probes = services.probes
        self.metrics = Metrics(services.exposition, TokenGate(), services.http)
        self.too_large = TOO_LARGE_HEADERS + services.http.security_headers
        self.django = cast(App, get_asgi_application())
        self.live = services.live
        self.stage = Stage(services.tables, services.webhooks, services.recorder, services.probes.told)
        urls = [
            path("ws/events", EventsConsumer.as_asgi()),
            path("ws/page", PageConsumer.as_asgi()),
            re_path("", nobody),  # type: ignore[arg-type]
        ]
        self.sockets = Watched(cast(App, URLRouter(urls)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Agents first: their callers wait."""
        path: str = scope["path"]
        inner = self.public_url.inner(path)
        if inner and (scope["type"] == "websocket" or inner[1:].partition("/")[0] in NOT_OURS):
            path = inner
            scope = {**scope, "path": path}
        if scope["type"] == "websocket":
            scope = public_scope(scope, self.public_url)
            scope["live"], scope["stage"] = self.live, self.stage
            await self.sockets(scope, receive, send)
        elif path in PATHS:
            await self.probes(scope, receive, send)
        elif path == METRICS:
            await self.metrics(scope, receive, send)
        elif (first := path[1:].partition("/")[0]) in DJANGOS:
            most = most_of(path, first)
            if declared(scope) > most:
                await respond(send, 413, TOO_LARGE, self.too_large)
                return
            scope = public_scope(scope, self.public_url)
            scope["stage"] = self.stage
            if settings.FORCE_SCRIPT_NAME:
                scope["root_path"] = settings.FORCE_SCRIPT_NAME
                scope["path"] = settings.FORCE_SCRIPT_NAME + path  # of which Django takes it away
            await self.django(scope, limited(receive, most), send)
        else:
            await self.dispatcher(scope, receive, send)


application = Background(Front)
