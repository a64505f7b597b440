"""Call ids in addresses. The platform chooses them: they may be any text, also one that no path can hold."""

import re

from django.urls import register_converter

# What a path loses on its way: separators, dots that stand alone, controls, and our own sign.
UNSAFE = re.compile(r"[/\\~\x00-\x1f\x7f]|^\.{1,2}$")
ESCAPED = re.compile(r"~([0-9A-F]{2})")


class CallId:
    """A path converter: `a/b` is `a~2Fb` in an address, everything else is quoted as in any path."""

    regex = "[^/]+"

    def to_python(self, text: str) -> str:
        """The call id of an address."""
        return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)

    def to_url(self, call_id: str) -> str:
        """What stands for it in an address."""
        return UNSAFE.sub(lambda found: "".join(f"~{ord(character):02X}" for character in found[0]), call_id)


register_converter(CallId, "call_id")
