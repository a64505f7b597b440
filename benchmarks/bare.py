"""The speed limit: a bare ASGI application on uvicorn that reads and parses the body and returns fixed bytes.

    python benchmarks/bare.py PORT SWML_BYTES SWAIG_BYTES

Its answers are as long as ours: of the second length for paths that end in /swaig, else of the first.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Message = dict[str, Any]


class Bare:
    """The application."""

    def __init__(self, swml_bytes: int, swaig_bytes: int):
        self.swml, self.swaig = answer(swml_bytes), answer(swaig_bytes)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Read, parse, answer."""
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if body:
            json.loads(body)
        for part in self.swaig if scope["path"].endswith("/swaig") else self.swml:
            await send(part)


def answer(size: int) -> tuple[Message, Message]:
    """The two messages of an answer of so many bytes."""
    body = json.dumps({"pad": "x" * (size - len('{"pad": ""}'))}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def main() -> None:
    port, swml_bytes, swaig_bytes = map(int, sys.argv[1:])
    uvicorn.run(
        Bare(swml_bytes, swaig_bytes),
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
