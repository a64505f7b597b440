"""The socket that `serve` listens on, and what a worker says of itself there."""

import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from registry.base.checks import Check

BACKLOG = 2048  # connections the kernel holds while all workers are busy or being replaced
PROBE_SECONDS = 1  # /ready asks nobody; a worker that died with the question would leave us waiting


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


@dataclass(frozen=True)
class Answer:
    """What /ready said; status 0 = nobody answers yet."""

    status: int = 0
    checks: dict[str, Check] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, body: Any) -> "Answer":
        """What the JSON of /ready says. Raises whatever one of another application makes it stumble over."""
        states, words = body["states"], body["checks"]
        return cls(status, {str(name): Check(str(states[name]), str(words[name])) for name in words})

    @property
    def stale(self) -> str:
        """Where the worker has its table from, if not from the database."""
        table = self.checks.get("table")
        return table.detail if table and table.state == "stale" else ""

    def __str__(self) -> str:
        if not self.status:
            return "it does not answer yet"
        wrong = [f"{name} {check}" for name, check in self.checks.items() if not check.ok]
        return ", ".join(wrong) or f"/ready answers {self.status}"


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; raises ListenError."""
    try:
        if not 0 <= port <= 65535:
            raise OSError("a port is a number up to 65535")
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenError(f"cannot listen on {host}:{port}: {why}. Choose another with --host and --port.") from error


def local_address(listener: socket.socket) -> tuple[str, int]:
    """An address at which the socket can be reached from here."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - it is replaced


def base_url(listener: socket.socket) -> str:
    """The socket's address for a browser."""
    host, port = local_address(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ask_ready(listener: socket.socket) -> Answer:
    """Ask for /ready."""
    connection = http.client.HTTPConnection(*local_address(listener), timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return Answer()
    finally:
        connection.close()
    try:
        return Answer.of(status, json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):  # another application's
        return Answer(status)
