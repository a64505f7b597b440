"""A request's query as the log keeps it: without tokens, and masked."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from registry.log.masking import MASK, NO_SECRETS, Masker, Verbatim

TOKENS = frozenset({"__token", "token"})  # parameters that are between the platform and us
MAX_QUERY = 1024  # characters; of a longer one whole parameters are left out, so that none is cut inside a secret
MAX_SENT = 4096  # that are looked at, tokens among them
MAX_PARAMETERS = 100  # the same
MAX_ESCAPES = 4  # times that a value is escaped; who does it more often has something to hide
HARMLESS = re.compile(r"[\w.~-]*\Z", re.ASCII)  # nothing in it that masking looks for


class Query(NamedTuple):
    """`whole`: nothing was masked or left out but tokens."""

    text: str
    whole: bool


def query_kept(given: bytes, masker: Masker, known: Verbatim) -> Query:
    """What is kept of a query, which is as it was sent where nothing is masked. `known`: secrets of this request."""
    sent = given.decode("latin-1")
    text = known.masked(sent if len(sent) <= MAX_SENT else sent[:MAX_SENT].rpartition("&")[0])
    pairs = text.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]
    whole, room = text == sent and text.count("&") < MAX_PARAMETERS, MAX_QUERY
    kept: list[str] = []

    def masked(text: str) -> str:
        line = masker.line(masker.members(text.encode(errors="replace")))
        return known.masked(line.decode(errors="replace"))

    def shown(text: str) -> str:
        nonlocal whole
        if HARMLESS.match(text) and known is NO_SECRETS:
            return text
        clear = masked(text)
        if any(form is None or masked(form) != form for form in forms(clear)):
            clear = MASK  # behind its escapes something is not to be seen, or they are too many to look behind
        whole = whole and clear == text
        return clear

    for pair in pairs:
        name, sign, value = pair.partition("=")
        names = {form.strip().lower() for form in (name, *forms(name)) if form is not None}
        if names & TOKENS or not pair:
            continue
        room -= len(pair) + 1
        if room < 0:
            whole = False
            break
        if value and any(map(masker.is_secret_parameter, names)):
            whole, value = False, MASK
        kept.append(f"{shown(name)}{sign}{shown(value)}")
    return Query("&".join(kept), whole)


def forms(text: str) -> Iterator[str | None]:
    """What a text is when its escapes are read, once and again, as a form's and as a URL's; None for what is left."""
    for read in (unquote_plus, unquote):
        form = text
        for _ in range(MAX_ESCAPES):
            if "%" not in form and "+" not in form:
                break
            before, form = form, read(form, errors="replace")
            if form == before:
                break
            yield form
        else:
            yield None
