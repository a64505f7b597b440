"""From a request and its answer to one line of the routing log."""

from typing import Any, NamedTuple

import orjson

from agents.wire import MALFORMED
from registry.log.event import Event
from registry.log.ids import uuid7
from registry.log.masking import NO_SECRETS, Masker, Verbatim, end_masked
from registry.log.query import query_kept
from registry.log.spool import Spool

CONTAINERS = (dict, list)
BACKSLASH = ord("\\")  # a number is found in bytes in a fifth of the time that a byte is
EXCERPT_BYTES = 4096  # how much of a request or an answer the routing log keeps
STRUCTURED_BYTES = 64 * 1024  # of a body that is looked at key by key, some 10 ms at worst
MARGIN_BYTES = 1024  # that are looked at behind the cut
MAX_FIELD = 256  # characters of a field that callers choose
CHOSEN = frozenset({"path", "call_id", "sip_user", "from", "to", "function"})  # by callers
VARYING = ("id", "microseconds", "call_id", "from", "to", "request", "response")  # of events that are alike
MAX_DETAIL = 512  # characters of the reason, which may repeat arguments


class Excerpts(NamedTuple):
    """A request's body and what was parsed of it, the answer's body (JSON), the query; empty where there is none."""

    body: bytes = b""
    parsed: Any = None
    answer: bytes = b""
    query: bytes = b""


class Said(NamedTuple):
    """An answer's body (JSON) and its digest."""

    body: bytes = b""
    digest: str = ""


NOTHING = Said()
CallFields = tuple[str, Any, Any]  # call id, caller and what was dialled, as they came


class Recorder:
    """Writes events to this process's spool: once serialised, in the form that the database reads."""

    def __init__(self, spool: Spool, replica: str, masker: Masker, excerpt_bytes: int = EXCERPT_BYTES):
        self.spool = spool
        self.replica = replica
        self.masker = masker
        self.excerpt_bytes = excerpt_bytes
        self.usual_answer = b"{}" if masker.is_secret("response") else b'{"response":'  # how most answers begin

    def record(self, event: Event, excerpts: Excerpts) -> None:
        """Append one event, with what is the recorder's to say.

        Never raises: a log that cannot be written, because the disk is full say, must not cost a caller the answer.
        """
        if "id" not in event:
            event["id"] = uuid7()
        event["replica"] = self.replica
        self.mask_chosen(event)
        known, whole = self.masker.known, True
        event["request"] = event["response"] = None
        if excerpts.body:
            event["request"], known, whole = self.request(excerpts.body, excerpts.parsed)
        if excerpts.query:
            query = query_kept(excerpts.query, self.masker, known)
            whole = whole and query.whole
            if query.text:
                event["query"] = query.text
        if excerpts.answer:
            event["response"] = self.response(excerpts.answer, known)
        if detail := event.get("detail"):  # masked before it is cut: half a secret is not recognised
            event["detail"] = (detail if known is NO_SECRETS else known.masked(detail))[:MAX_DETAIL]
        if not whole and "digest" in event:
            event["replayable"] = False
        try:
            line = orjson.dumps(event)
        except orjson.JSONEncodeError:
            line = orjson.dumps(printable(event), default=str)
        stored = without_nul(self.masker.line(line))
        if stored != line and whole and "digest" in event and self.changes(event["request"]):
            stored = stored[:-1] + b',"replayable":false}'
        self.spool.append(stored)

    def template(self, event: Event) -> "Template":
        """Whoever writes events like this one."""
        return Template(self, event)

    def mask_chosen(self, event: dict[str, Any] | Event) -> None:
        """Mask what this server knows as secret in what callers choose, and where the steps repeat it.

        Not what stands under telling keys of the same body: a PIN of four digits is a part of many a number.
        """
        known = self.masker.known
        if known is NO_SECRETS:
            return
        for field in CHOSEN & event.keys():
            event[field] = known.masked(event[field])  # type: ignore[literal-required]  # one of its keys
        if steps := event.get("steps"):
            written = orjson.dumps(steps)
            if known.is_in(written):
                event["steps"] = [{**step, "detail": known.masked(step["detail"])} for step in orjson.loads(written)]

    def changes(self, request: Any) -> bool:
        """Whether a request that is kept as it came is masked with the rest of its line."""
        text = orjson.dumps(request)
        return without_nul(self.masker.line(text)) != text

    def request(self, body: bytes, parsed: Any) -> tuple[Any, Verbatim, bool]:
        """The body as JSON where it is, else as text; masked, and cut where it is long.

        And what was masked in it, and whether it is whole: JSON of which nothing was masked or cut off.
        """
        known = self.masker.known
        if parsed is MALFORMED:
            return self.text(body, known), known, False
        try:
            # Written anew, which takes 0.5 µs: one line, no half surrogates, nothing escaped that need not be, and of
            # a key that comes twice no value that nobody has looked at.
            written = orjson.dumps(parsed)
        except orjson.JSONEncodeError:  # nested some hundred levels deep
            return self.text(body, known), known, False
        return self.request_written(written, parsed)

    def request_written(self, body: bytes, parsed: Any) -> tuple[Any, Verbatim, bool]:
        """The same of a body that has been written anew."""
        known, sent = self.masker.known, body
        closely = BACKSLASH in body and self.masker.inside.search(body) is not None
        if len(body) > STRUCTURED_BYTES:
            return self.text(body, known), known, False
        try:
            if closely or (parsed.__class__ in CONTAINERS and self.masker.suspects(parsed)):
                known = self.masker.hidden(parsed)
                body = orjson.dumps(self.masker.value(parsed, known))
            elif known is not NO_SECRETS and known.is_in(body):
                body = orjson.dumps(self.masker.value(parsed, known))
        except (RecursionError, orjson.JSONEncodeError):
            return self.text(body, known), known, False
        if len(body) > self.excerpt_bytes:
            return self.beginning(body), known, False
        return orjson.Fragment(body), known, body == sent

    def response(self, answer: bytes, known: Verbatim) -> Any:
        """The answer, which we made ourselves: most have one key, `response`, which is none of the masked."""
        plain = known is NO_SECRETS and BACKSLASH not in answer and answer.startswith(self.usual_answer)
        if plain and answer.count(b'":') == 1 and len(answer) <= self.excerpt_bytes:
            return orjson.Fragment(answer)
        closely = self.masker.inside.search(answer) is not None or known.is_in(answer)
        if len(answer) > STRUCTURED_BYTES:
            return self.text(answer, known)
        value = orjson.loads(answer)
        try:
            if closely or (value.__class__ in CONTAINERS and self.masker.suspects(value)):
                answer = orjson.dumps(self.masker.value(value, known))
        except (RecursionError, orjson.JSONEncodeError):
            return self.text(answer, known)
        return self.beginning(answer)

    def beginning(self, body: bytes) -> Any:
        """A JSON text that is masked already: as it is if it is short, else the beginning of it as a text."""
        if len(body) > self.excerpt_bytes:
            masked = end_masked(self.masker.line(body[: self.excerpt_bytes + MARGIN_BYTES]))
            return masked[: self.excerpt_bytes].decode(errors="replace")
        return orjson.Fragment(body)

    def text(self, body: bytes, known: Verbatim) -> str:
        """The beginning of a text, masked before it is cut."""
        masked = self.masker.text(body[: self.excerpt_bytes + MARGIN_BYTES])
        if known is not self.masker.known:
            masked = known.masked(masked.decode(errors="replace")).encode()
        return masked[: self.excerpt_bytes].decode(errors="replace")


class Template:
    """Writes events that differ in `VARYING` alone: what they share is serialised and masked once.

    Its lines are those that `Recorder.record` would write, with their keys in another order.
    """

    __slots__ = ("begun", "recorder")

    def __init__(self, recorder: Recorder, event: Event):
        constant = {key: value for key, value in event.items() if key not in VARYING}
        recorder.mask_chosen(constant)
        line = orjson.dumps({**constant, "replica": recorder.replica})
        self.recorder = recorder
        self.begun = without_nul(recorder.masker.line(line))[:-1]

    def record(self, microseconds: int, call: CallFields, parsed: Any, answer: Said = NOTHING) -> None:
        """Append one event; JSONEncodeError, and no event, of a body that is nested some hundred levels deep."""
        recorder = self.recorder
        request, known, whole = recorder.request_written(orjson.dumps(parsed), parsed)
        call_id, caller, dialled = call
        varying: dict[str, Any] = {
            "call_id": short(call_id),
            "from": short(caller),
            "to": short(dialled),
            "request": request,
            "response": recorder.response(answer.body, known) if answer.body else None,
        }
        recorder.mask_chosen(varying)
        line = orjson.dumps(varying)
        stored = without_nul(recorder.masker.line(line))
        more = b',"id":"%b","microseconds":%d' % (uuid7().encode(), microseconds)
        if not whole or (stored != line and recorder.changes(request)):
            more += b',"replayable":false'
        if answer.digest:
            more += b',"digest":"%b"' % answer.digest.encode()
        recorder.spool.append(b"%b%b,%b" % (self.begun, more, stored[1:]))


def without_nul(line: bytes) -> bytes:
    """The line. NUL is the one character of JSON that Postgres cannot hold: it is replaced."""
    if BACKSLASH in line and b"\\u0000" in line:
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


def short(value: Any) -> str:
    """A field that a caller chose: text of bounded length, nothing for what is no text."""
    return value[:MAX_FIELD] if isinstance(value, str) else ""
