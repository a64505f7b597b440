"""Signed-in viewers of the live log, over real sockets."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.server import Server

SESSION = """
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from importlib import import_module
from django.contrib.auth.models import Group
user, _ = get_user_model().objects.get_or_create(username="viewer")
user.groups.add(Group.objects.get(name="Viewer"))
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


def sign_in(server: Server) -> str:
    """A session's cookie, made as the sign-in page would."""
    return f"sessionid={server.command('shell', '--no-imports', '-c', SESSION).strip().splitlines()[-1]}"


def socket(server: Server, cookie: str | None, **query: Any) -> Any:
    """A connection to /ws/events."""
    parameters = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    headers = {"Origin": server.base} | ({"Cookie": cookie} if cookie else {})
    url = f"{server.base.replace('http', 'ws', 1)}/ws/events?{parameters}"
    return connect(url, additional_headers=headers, max_size=None)


async def messages(viewer: ClientConnection, seconds: float = 5) -> Any:
    """The next message of events."""
    while True:
        message = json.loads(await asyncio.wait_for(viewer.recv(), seconds))
        if message["type"] != "beat":
            return message
