"""From a request and its answer to one line of the routing log."""

import random
import time
from typing import Any, NamedTuple

import orjson

from agents.wire import MALFORMED
from registry.events.masking import Masker, mask_line
from registry.events.spool import Spool

CONTAINERS = (dict, list)
STRUCTURED_BYTES = 64 * 1024  # of a body that is looked at key by key, which takes up to a millisecond then
MARGIN_BYTES = 1024  # that are looked at behind the cut
MAX_FIELD = 256  # characters of a field that callers choose


class Excerpts(NamedTuple):
    """A request's body and what was parsed of it, and the answer's body (JSON); empty where there is none."""

    body: bytes = b""
    parsed: Any = None
    answer: bytes = b""


class Recorder:
    """Writes events to this process's spool: once serialised, in the form that the database reads."""

    def __init__(self, spool: Spool, replica: str, masker: Masker, excerpt_bytes: int):
        self.spool = spool
        self.replica = replica
        self.masker = masker
        self.excerpt_bytes = excerpt_bytes

    def record(self, event: dict[str, Any], excerpts: Excerpts) -> None:
        """Append one event, which has the columns of RoutingEvent but those that are added here.

        Never raises: a log that cannot be written, because the disk is full say, must not cost a caller the answer.
        """
        event["id"] = uuid7()
        event["replica"] = self.replica
        event["request"] = self.request(excerpts.body, excerpts.parsed) if excerpts.body else None
        event["response"] = self.response(excerpts.answer) if excerpts.answer else None
        try:
            line = orjson.dumps(event)
        except orjson.JSONEncodeError:
            line = orjson.dumps(printable(event), default=str)
        self.spool.append(without_nul(mask_line(line)))

    def request(self, body: bytes, parsed: Any) -> Any:
        """The body as JSON where it is, else as text; masked, and cut where it is long."""
        if parsed is MALFORMED:
            return self.text(body)
        if b"\n" in body or b"\r" in body or (b"\\" in body and b"\\u" in body):
            try:
                body = orjson.dumps(parsed)  # one line, and no half surrogates
            except orjson.JSONEncodeError:  # nested some hundred levels deep
                return self.text(body)
        return self.shown(body, parsed)

    def response(self, answer: bytes) -> Any:
        """The answer, which we made ourselves: most have one key, such as `response`, which is none of the masked."""
        if answer.count(b'":') == 1 and len(answer) <= self.excerpt_bytes:
            return orjson.Fragment(answer)
        return self.shown(answer, orjson.loads(answer))

    def shown(self, body: bytes, parsed: Any) -> Any:
        """A JSON text as it is, if it is short and has no secret in it; else without it, or its beginning."""
        if len(body) > STRUCTURED_BYTES:
            return self.text(body)
        try:
            if parsed.__class__ in CONTAINERS and self.masker.suspects(parsed):
                body = orjson.dumps(self.masker.value(parsed))
        except (RecursionError, orjson.JSONEncodeError):
            return self.text(body)
        if len(body) > self.excerpt_bytes:
            return mask_line(body)[: self.excerpt_bytes].decode(errors="replace")
        return orjson.Fragment(body)

    def text(self, body: bytes) -> str:
        """The beginning of a text, masked before it is cut."""
        masked = self.masker.text(body[: self.excerpt_bytes + MARGIN_BYTES])
        return masked[: self.excerpt_bytes].decode(errors="replace")


def without_nul(line: bytes) -> bytes:
    """The line. NUL is the one character of JSON that Postgres cannot hold: it is replaced."""
    if b"\\" in line and b"\\u0000" in line:
        line = line.replace(b"\\u0000", b"\\ufffd")
    return line


def printable(value: Any) -> Any:
    """A value whose texts are valid UTF-8: half surrogates are replaced."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value


def uuid7() -> str:
    """A UUIDv7 (RFC 9562, 5.7, with sub-millisecond time in rand_a as 6.2 allows), as 32 hexadecimal digits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    head = milliseconds << 80 | 0x7 << 76 | (rest << 12) // 1_000_000 << 64
    return (head | 0b10 << 62 | random.getrandbits(62)).to_bytes(16).hex()


def short(value: Any) -> str:
    """A field that a caller chose: text of bounded length, nothing for what is no text."""
    return value[:MAX_FIELD] if isinstance(value, str) else ""
