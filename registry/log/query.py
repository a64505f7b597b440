"""A request's query as the log keeps it: without tokens, and masked."""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from registry.log.masking import MASK, NO_SECRETS, Masker, Verbatim

TOKENS = frozenset({"__token", "token"})  # parameters that are between the platform and us
MAX_QUERY = 1024  # characters; of a longer one whole parameters are left out, so that none is cut inside a secret
MAX_ESCAPES = 4  # times that a value is escaped; who does it more often has something to hide
HARMLESS = re.compile(r"[\w.~-]*\Z", re.ASCII)  # nothing in it that masking looks for
KEPT = "*/:?@,;"  # characters of a masked value that need no escape


class Query(NamedTuple):
    """`whole`: nothing was masked or left out but tokens."""

    text: str
    whole: bool


def query_kept(given: bytes, masker: Masker, known: Verbatim) -> Query:
    """What is kept of a query, which is as it was sent where nothing is masked. `known`: secrets of this request."""
    kept: list[str] = []
    whole, room = True, MAX_QUERY

    def shown(text: str) -> str:
        nonlocal whole
        if HARMLESS.match(text) and known is NO_SECRETS:
            return text
        plain = unescaped(text)
        masked = MASK
        if plain is not None:
            line = masker.line(masker.members(plain.encode(errors="replace")))
            masked = known.masked(line.decode(errors="replace"))
        if masked == plain:
            return text
        whole = False
        return quote(masked, safe=KEPT)

    for pair in given.decode("latin-1").split("&"):
        name, sign, value = pair.partition("=")
        plain = (unescaped(name) or "").strip().lower()
        if plain in TOKENS or not pair:
            continue
        room -= len(pair) + 1
        if room < 0:
            whole = False
            break
        if value and masker.is_secret_parameter(plain):
            whole, value = False, MASK
        kept.append(f"{shown(name)}{sign}{shown(value)}")
    return Query("&".join(kept), whole)


def unescaped(text: str) -> str | None:
    """A text as it is meant, however often it was escaped; None if that is too often."""
    for _ in range(MAX_ESCAPES):
        if "%" not in text and "+" not in text:
            return text
        plain = unquote_plus(text, errors="replace")
        if plain == text:
            return text
        text = plain
    return None
