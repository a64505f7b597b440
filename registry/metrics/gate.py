"""Who may scrape the metrics: whoever has a token that may look, also while the database is away."""

import asyncio
import time

from django.db import Error, connection

from registry.actions.tokens import Verdict, check_token, digest_of
from registry.base.outage import is_away
from registry.policy import Deed

REMEMBER_SECONDS = 3600  # that a token which was good is taken for good while the database is away
MAX_REMEMBERED = 100


class TokenGate:
    """Asks the database each time. While that is away, when metrics are needed most, what it last said counts."""

    def __init__(self) -> None:
        self.good: dict[str, float] = {}  # digests of tokens that may look → when the database last said so; monotonic

    async def __call__(self, authorization: bytes | None) -> int:
        """200, 401, 403, 429, or 503 if nobody can say."""
        scheme, _, text = (authorization or b"").decode("latin-1").partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            return 401
        digest = digest_of(text)
        try:
            verdict = await asyncio.to_thread(ask, text)
        except Error as error:
            if not is_away(error):
                raise
            known = self.good.get(digest)
            return 200 if known is not None and time.monotonic() - known < REMEMBER_SECONDS else 503
        status = status_of(verdict)
        self.good.pop(digest, None)
        if status in (200, 429):
            if len(self.good) >= MAX_REMEMBERED:
                self.good = {}
            self.good[digest] = time.monotonic()
        return status


def ask(text: str) -> Verdict:
    """What the database says of a token."""
    try:
        return check_token(text)
    finally:
        connection.close()  # this thread may not come again


def status_of(verdict: Verdict) -> int:
    """The status for whoever shows this token."""
    if verdict.problem:
        return 401
    if not verdict.principal.may(Deed.SEE):
        return 403
    return 200 if verdict.wait is None else 429
