"""A stand-in for config.asgi in the supervisor's tests: answers with its number, dies or takes its time when asked."""

import asyncio
import os
import sys
from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Do what the path says."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/die":
        os._exit(7)
    if scope["path"].startswith("/slow"):
        await asyncio.sleep(float(scope["path"].removeprefix("/slow/")))
    kept = [os.environ["DATABASE_URL"], os.environ["DATABASE_POOL"], os.environ["SWITCHBOARD_REPLICA"]]
    body = "\n".join([str(os.getpid()), *kept]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def broken(scope: Any, receive: Any, send: Any) -> None:
    """Cannot start."""
    sys.stderr.write("the moon is in the wrong phase\n")
    sys.exit(3)
