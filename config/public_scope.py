"""What Django sees of a request: as its sender knows us, if a trusted proxy says so.

Without it Django would compare a browser's `Origin: https://…` with the plain HTTP between the proxy and us, refuse
every form, and send cookies that are not for HTTPS alone.
"""

from typing import Any

from registry.routing.forwarded import headers_by_name
from registry.routing.http import Connection, Scope
from registry.routing.public_url import PublicUrl

SECURE = {"http": "https", "ws": "wss"}


def public_scope(scope: Scope, public_url: PublicUrl) -> Scope:
    """The scope with `sender`; from a trusted proxy also with the client, scheme and host that it says."""
    headers, connection = headers_by_name(scope["headers"]), Connection.of(scope)
    seen: dict[str, Any] = {**scope, "sender": public_url.sender(connection, headers)}
    told = public_url.reached(connection, headers)
    if told is not None:
        plain = "ws" if scope["type"] == "websocket" else "http"
        seen["client"] = (told.address, 0)
        seen["scheme"] = SECURE[plain] if told.scheme == "https" else plain
        seen["headers"] = [line for line in scope["headers"] if line[0] != b"host"] + [(b"host", told.host)]
    return seen
