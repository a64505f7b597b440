"""Answers of our own: what is refused, what a caller hears if we fail, and the headers that go with a status."""

import orjson

from agents.document import document
from agents.functions import SAFE_LINE
from agents.wire import Answer, error_body
from registry.http import JSON_HEADERS, SECURITY_HEADERS

# A caller hears this instead of silence if we fail to make a document.
SAFE_DOCUMENT = orjson.dumps(
    document({"answer": {}}, {"play": {"url": f"say:{SAFE_LINE} Please call again later."}}, {"hangup": {}})
)
NOT_FOUND = b'{"detail":"Not Found"}'
NOT_ALLOWED = b'{"detail":"Method Not Allowed"}'
FORBIDDEN = b'{"detail":"Forbidden"}'
UNAUTHORIZED = error_body("Unauthorized")
WRONG_TYPE = error_body("Content-Type must be application/json")
TOO_LARGE = error_body("Request body too large")
TOO_SLOW = error_body("Request body took too long")
CLOSE = (b"connection", b"close")


def apology(sub_path: str, detail: str) -> Answer:
    """What a caller hears if we fail: never silence, never a traceback. `sub_path`: of a POST."""
    if sub_path == "swaig":
        return Answer(200, orjson.dumps({"response": SAFE_LINE}), "error", detail)
    if sub_path in ("post_prompt", "check_for_input", "debug_events"):
        return Answer(503, error_body("Temporarily unavailable"), "error", detail)
    return Answer(200, SAFE_DOCUMENT, "error", detail)


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that is not a plain 200."""
    headers = list(JSON_HEADERS if answer.body else SECURITY_HEADERS)
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
