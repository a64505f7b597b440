"""No secret in the routing log: values of telling keys, credentials and tokens in URLs."""

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
USERINFO = re.compile(rb"://[^/@\s\"\\]+@")
TOKEN = re.compile(rb"(token=)[^&\"\\\s]+", re.IGNORECASE)
SCHEME_SECRET = re.compile(rb"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)


class Masker:
    """Masks by a list of keys, whose case does not matter."""

    def __init__(self, keys: Iterable[str]):
        self.keys = frozenset(key.lower() for key in keys)
        names = b"|".join(re.escape(key.encode()) for key in sorted(self.keys)) or b"(?!)"
        # Whether a JSON text may have such a key at all: about a microsecond for a usual request.
        self.suspect = re.compile(rb"\"(?:" + names + rb")\"", re.IGNORECASE)
        self.member = re.compile(rb"(\"(?:" + names + rb")\"\s*:\s*)(\"(?:[^\"\\]|\\.)*\"?|[^\s,}\]]+)", re.IGNORECASE)

    def value(self, value: Any) -> Any:
        """A JSON value with what stands under those keys masked. SIP headers come as {"name": …, "value": …} too."""
        if isinstance(value, dict):
            named = value.get("name")
            hidden = isinstance(named, str) and named.lower() in self.keys
            return {
                key: MASK if key.lower() in self.keys or (hidden and key == "value") else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def text(self, text: bytes) -> bytes:
        """The same for text that is no JSON, or is cut off."""
        return self.member.sub(rb'\1"' + MASK.encode() + b'"', text)


def mask_line(line: bytes) -> bytes:
    """A finished line with credentials and tokens masked wherever they stand in it."""
    if b"@" in line and b"://" in line:
        line = USERINFO.sub(b"://" + MASK.encode() + b"@", line)
    if b"oken=" in line or b"OKEN=" in line:
        line = TOKEN.sub(rb"\1" + MASK.encode(), line)
    if b"asic " in line or b"earer " in line or b"ASIC " in line or b"EARER " in line:
        line = SCHEME_SECRET.sub(rb"\1 " + MASK.encode(), line)
    return line
