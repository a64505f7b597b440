"""No secret in the routing log: values of telling keys, credentials and tokens in URLs."""

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
MAX_HARMLESS = 10_000  # keys; callers can make up any number
USERINFO = re.compile(rb"(:(?:\\?/){2})[^/@\s\"\\]+@")  # also with JSON's escaped slashes
TOKEN = re.compile(rb"(token=)[^&\"\\\s]+", re.IGNORECASE)
SCHEME_SECRET = re.compile(rb"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)
UNFINISHED_USERINFO = re.compile(rb"(:(?:\\?/){2})[^/@\s\"\\]+\Z")
ESCAPED_LETTER = re.compile(rb"\\u00([46][1-9a-fA-F]|[57][0-9aA])")
STRING = rb"\"(?:[^\"\\]|\\.)*\"?"


class Masker:
    """Masks by a list of keys, whose case does not matter."""

    def __init__(self, keys: Iterable[str]):
        self.keys = frozenset(key.lower() for key in keys)
        names = rb"\"(?:" + b"|".join(re.escape(key.encode()) for key in sorted(self.keys)) + rb")\""
        self.harmless: set[str] = set()  # keys that were looked at: the platform uses the same ones again and again
        # In text that is no JSON: "key": value; {"name": "key", "value": …} either way round; and "key": {…, of which
        # nothing says where it ends, so all that follows is masked.
        flags = re.IGNORECASE | re.DOTALL
        self.member = re.compile(rb"(" + names + rb"\s*:\s*)(?:[\[{].*|" + STRING + rb"|[^\s,}\]]+)", flags)
        self.named = re.compile(
            rb"(\"name\"\s*:\s*" + names + rb"\s*,\s*\"value\"\s*:\s*)(?:[\[{].*|" + STRING + rb")", flags
        )
        self.value_of_named = re.compile(
            rb"(\"value\"\s*:\s*)" + STRING + rb"(\s*,\s*\"name\"\s*:\s*" + names + rb")", flags
        )

    def suspects(self, value: dict[str, Any] | list[Any]) -> bool:
        """Whether a JSON value has something to mask. `RecursionError` if it is nested some hundred levels deep."""
        items: Iterable[Any] = value
        if value.__class__ is dict:
            if not self.harmless.issuperset(value) and not self.learn(value):
                return True
            items = value.values()
        for item in items:
            kind = item.__class__
            if (kind is dict or kind is list) and item and self.suspects(item):
                return True
        return False

    def learn(self, value: Any) -> bool:
        """Look at an object's keys and remember the harmless ones; False if one of them is not.

        `name` is never remembered, because its value counts too: SIP headers come as {"name": …, "value": …}.
        """
        if any(self.is_secret(key) for key in value) or self.is_secret(value.get("name")):
            return False
        if len(self.harmless) < MAX_HARMLESS:
            self.harmless.update(key for key in value if key != "name")
        return True

    def is_secret(self, key: Any) -> bool:
        """Whether this key's value must not be seen."""
        return key.__class__ is str and key.lower() in self.keys

    def value(self, value: Any) -> Any:
        """A JSON value with what stands under those keys masked."""
        if isinstance(value, dict):
            hidden = self.is_secret(value.get("name"))
            return {
                key: MASK if self.is_secret(key) or (hidden and key == "value") else self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def text(self, text: bytes) -> bytes:
        """The same for text that is no JSON, or is cut off."""
        if b"\\u00" in text:
            text = ESCAPED_LETTER.sub(lambda found: bytes.fromhex(found[1].decode()), text)
        mask = b'"' + MASK.encode() + b'"'
        text = self.value_of_named.sub(rb"\1" + mask + rb"\2", text)
        text = self.member.sub(rb"\1" + mask, self.named.sub(rb"\1" + mask, text))
        return UNFINISHED_USERINFO.sub(rb"\1" + MASK.encode(), mask_line(text))


def mask_line(line: bytes) -> bytes:
    """A finished line with credentials and tokens masked wherever they stand in it."""
    # The single characters are looked for first: that takes a fraction of the time.
    if b"@" in line:
        line = USERINFO.sub(rb"\1" + MASK.encode() + b"@", line)
    if b"=" in line and b"oken=" in line:
        line = TOKEN.sub(rb"\1" + MASK.encode(), line)
    if b"asic " in line or b"earer " in line:
        line = SCHEME_SECRET.sub(rb"\1 " + MASK.encode(), line)
    return line
