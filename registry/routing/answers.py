"""Answers of our own: what is refused, and the headers that go with a status."""

from agents.wire import Answer, error_body
from registry.routing.http import Http

NOT_FOUND = b'{"detail":"Not Found"}'
NOT_ALLOWED = b'{"detail":"Method Not Allowed"}'
FORBIDDEN = b'{"detail":"Forbidden"}'
UNAUTHORIZED = error_body("Unauthorized")
WRONG_TYPE = error_body("Content-Type must be application/json")
TOO_LARGE = error_body("Request body too large")
TOO_SLOW = error_body("Request body took too long")
CLOSE = (b"connection", b"close")


def headers_of(answer: Answer, http: Http) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that is not a plain 200."""
    headers = list(http.json_headers if answer.body else http.security_headers)
    if answer.status == 401:
        headers.append((b"www-authenticate", b"Basic"))
    if answer.status in (408, 413):
        headers.append(CLOSE)
    if answer.status == 503:
        headers.append((b"retry-after", b"1"))
    if answer.location:
        headers.append((b"location", answer.location.encode()))
    if answer.allow:
        headers.append((b"allow", answer.allow.encode()))
    return headers
