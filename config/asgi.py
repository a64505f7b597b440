"""The application: agents and probes raw, everything reserved through Django and Channels."""

import os
from typing import cast

import django
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from channels.routing import URLRouter  # noqa: E402 - after django.setup()
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from config.background import App, Background, Services  # noqa: E402 - after django.setup()
from dashboard.consumers import EventsConsumer  # noqa: E402
from dashboard.watchers import Watched  # noqa: E402
from registry.addresses import RESERVED_FIRST  # noqa: E402
from registry.gate import TokenGate  # noqa: E402
from registry.http import Message, Receive, Scope, Send  # noqa: E402
from registry.metrics.endpoint import PATH as METRICS  # noqa: E402
from registry.metrics.endpoint import Metrics  # noqa: E402
from registry.probes import PATHS  # noqa: E402
from registry.rehearsing import Stage  # noqa: E402

OURS = frozenset(RESERVED_FIRST - {"sip", "health", "ready", "metrics"})


async def nobody(_scope: Scope, receive: Receive, send: Send) -> None:
    """A socket that is not ours: closing before accepting is a 403 for the client."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


def limited(receive: Receive) -> Receive:
    """Nothing more of a body that is too large for Django, which would first write all of it to the disk."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return message if size <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE else {"type": "http.disconnect"}

    return receive_some


class Front:
    """Sends each connection to whom its first path segment belongs."""

    def __init__(self, services: Services):
        self.dispatcher = services.dispatcher
        self.probes = services.probes
        self.metrics = Metrics(services.exposition, TokenGate())
        self.django = cast(App, get_asgi_application())
        self.live = services.live
        self.stage = Stage(services.tables, services.webhooks, services.recorder)
        urls = [path("ws/events", EventsConsumer.as_asgi()), re_path("", nobody)]  # type: ignore[arg-type]
        self.sockets = Watched(cast(App, URLRouter(urls)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Agents first: their callers wait."""
        path: str = scope["path"]
        if scope["type"] == "websocket":
            scope["live"] = self.live
            await self.sockets(scope, receive, send)
        elif path in PATHS:
            await self.probes(scope, receive, send)
        elif path == METRICS:
            await self.metrics(scope, receive, send)
        elif path[1:].partition("/")[0] in OURS:
            scope["stage"] = self.stage
            await self.django(scope, limited(receive), send)
        else:
            await self.dispatcher(scope, receive, send)


application = Background(Front)
