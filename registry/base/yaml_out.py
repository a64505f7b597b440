"""JSON values as YAML, always with the same bytes: keys in their order, one item a line, texts as they read best.

PyYAML's own emitter folds long lines, escapes what need not be, and writes other bytes with libyaml than without. This
one knows three forms of text: plain where no reader could take it for anything else, a block where it has lines, and
else JSON's quotes, which are YAML's too.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

INDENT = "  "
MAX_KEY = 1000  # characters: YAML's readers look for the colon within 1,024 (YAML 1.2.2, 7.4.2); more need a `?`
# Whatever begins with a letter or a slash, and has nothing that ends a plain text or is invisible in it.
PLAIN = re.compile(r"(?:[^\W\d_]|/)(?:[^\W_]|[ _.,;!?()/'+=&$%@*<>|~^{}\"\-]|:(?=[^\s:])|(?<! )#)*\Z")
# What readers of YAML 1.1 take for something else than a text.
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Invisible, a line end to some readers, or not allowed in YAML: all are written as escapes.
ESCAPED = re.compile("[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]")
# Lines of a block: no carriage return or control character, no line that is blank but for spaces.
NOT_IN_BLOCK = re.compile(r"[\x00-\x08\x0b-\x1f]|^[ \t]+$", re.MULTILINE)


def to_yaml(value: Any, *, beside_dash: bool = False) -> str:
    """A JSON value as a YAML document. `beside_dash`: items of lists begin behind their dash, not below it."""
    return "".join(lines_of(value, "", beside_dash))


def lines_of(value: Any, indent: str, beside_dash: bool) -> Iterator[str]:
    """The lines of a value that begins a line of its own."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            head = scalar(key)
            if len(head) > MAX_KEY:
                yield f"{indent}? {head}\n"
                head = ""
            yield f"{indent}{head}:"
            yield from after(item, indent, beside_dash)
    elif isinstance(value, list) and value:
        for item in value:
            yield f"{indent}-"
            if beside_dash and isinstance(item, (dict, list)) and item:
                within = indent + INDENT
                yield f" {''.join(lines_of(item, within, beside_dash)).removeprefix(within)}"
            else:
                yield from after(item, indent, beside_dash)
    else:
        yield f"{indent}{one_line(value)}\n"


def after(value: Any, indent: str, beside_dash: bool) -> Iterator[str]:
    """What follows a key or a dash, to the end of the line and below it."""
    if isinstance(value, (dict, list)) and value:
        yield "\n"
        yield from lines_of(value, indent + INDENT, beside_dash)
    elif isinstance(value, str) and is_block(value):
        body = value.rstrip("\n")
        ends = len(value) - len(body)
        yield f" |{'-' if not ends else '' if ends == 1 else '+'}\n"
        for line in body.split("\n"):
            yield f"{indent}{INDENT}{line}\n" if line else "\n"
        yield "\n" * (ends - 1)
    else:
        yield f" {one_line(value)}\n"


def one_line(value: Any) -> str:
    """A value without items, or a text that is no block."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, float):
        text = repr(value)
        # YAML 1.1 wants a point in a number with an exponent: 1e+16 is a text.
        return text if "." in text else text.replace("e", ".0e")
    if value in ({}, []) and isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    return json.dumps(value)


def scalar(text: str) -> str:
    """A text in one line: plain, or in quotes."""
    if PLAIN.match(text) and text.lower() not in WORDS and text[-1] not in " :" and not ESCAPED.search(text):
        return text
    return ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def is_block(text: str) -> bool:
    """Whether a text has lines and can be written as them."""
    return (
        "\n" in text
        and text[0] not in " \t\n"
        and not text.isspace()
        and not NOT_IN_BLOCK.search(text)
        and not ESCAPED.search(text)
    )
