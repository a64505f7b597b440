"""The application: agents and probes raw, everything reserved through Django and Channels."""

import os
from typing import cast

import django
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.background import App, Background, Services  # noqa: E402 - after django.setup()
from registry.addresses import RESERVED_FIRST  # noqa: E402
from registry.http import Receive, Scope, Send  # noqa: E402
from registry.probes import PATHS  # noqa: E402

OURS = frozenset(RESERVED_FIRST - {"sip", "health", "ready"})


class Front:
    """Sends each connection to whom its first path segment belongs."""

    def __init__(self, services: Services):
        self.dispatcher = services.dispatcher
        self.probes = services.probes
        self.django = cast(App, get_asgi_application())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Agents first: their callers wait."""
        path: str = scope["path"]
        if scope["type"] == "websocket":
            # Sockets come with the live log (step 3); closing before accepting is a 403 for the client.
            await receive()
            await send({"type": "websocket.close", "code": 4404})
        elif path in PATHS:
            await self.probes(scope, receive, send)
        elif path[1:].partition("/")[0] in OURS:
            await self.django(scope, receive, send)
        else:
            await self.dispatcher(scope, receive, send)


application = Background(Front)
