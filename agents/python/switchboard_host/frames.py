"""Messages between a worker and its hosts: a head in JSON and a body of bytes.

A frame is the length of what follows and the length of the head, both 4 bytes, big-endian, then head and body.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

LENGTHS = struct.Struct(">II")
# A request that must not be carried out twice has a slot in memory that both sides see: the host sets it to BEGUN when
# it begins. It never begins one that was sent so long ago (seconds, the system's monotonic clock), so that another host
# can be asked then.
SLOTS = 4096
BEGUN = 1
STALE_SECONDS = 2
MAX_FRAME = 32 * 1024 * 1024  # bytes; larger ones are no answers of an agent

Head = dict[str, Any]


class FrameError(Exception):
    """The other side sent something that is no frame."""


def frame(head: Head, body: bytes = b"") -> bytes:
    """A message as it is sent."""
    return packed(json.dumps(head, separators=(",", ":")).encode(), body)


def packed(text: bytes, body: bytes) -> bytes:
    """The same of a head that is JSON already."""
    return LENGTHS.pack(LENGTHS.size - 4 + len(text) + len(body), len(text)) + text + body


class Frames:
    """Takes what comes in, and hands on every message that is complete."""

    def __init__(self, take: Callable[[Head, bytes], None], loads: Callable[[bytes], Any] = json.loads):
        self.take = take
        self.loads = loads
        self.buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More has come; `FrameError` if it can be no message."""
        self.buffer += data
        while len(self.buffer) >= LENGTHS.size:
            length, head_length = LENGTHS.unpack_from(self.buffer)
            if length > MAX_FRAME or head_length > length - 4:
                raise FrameError("a message that is too large, or none")
            end = length + 4
            if len(self.buffer) < end:
                return
            middle = LENGTHS.size + head_length
            text, body = bytes(self.buffer[LENGTHS.size : middle]), bytes(self.buffer[middle:end])
            del self.buffer[:end]
            try:
                head = self.loads(text)
            except ValueError:
                raise FrameError("a head that is no JSON") from None
            if not isinstance(head, dict):
                raise FrameError("a head that is no object")
            self.take(head, body)
