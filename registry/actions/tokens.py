"""Tokens for scripts: made, shown once, checked at each request, revoked.

A token is `swb_KEY_SECRET`. The key is visible everywhere; of the secret (24 random bytes, in hex) only the SHA-256 is
kept, which needs no salt nor stretching, for nobody can guess such a secret.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from registry.actions.transaction import Actor, changing
from registry.base.errors import Malformed, NotFound
from registry.base.text import check_storable
from registry.models import ApiToken
from registry.policy import NOBODY, SCOPES, Principal, of_token

TOKEN = re.compile(r"swb_(?P<key>[a-z2-7]{12})_(?P<secret>[0-9a-f]{48})\Z")
KEY_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
KEY_LENGTH = 12
MAX_DAYS = 3650
# One statement: who it is, whether the token's requests of this minute are used up, and that it was used. What it may
# have left grows with the time, up to a minute's worth. The clock's time, not the transaction's.
USE = """
WITH used AS (
    SELECT id, least(%(minute)s, CASE WHEN last_used IS NULL THEN %(minute)s
        ELSE allowance + extract(epoch FROM clock_timestamp() - last_used) * %(minute)s / 60.0 END) AS left_over
    FROM registry_apitoken WHERE key = %(key)s AND digest = %(digest)s FOR UPDATE
)
UPDATE registry_apitoken token SET last_used = clock_timestamp(),
    allowance = left_over - CASE WHEN left_over >= 1 THEN 1 ELSE 0 END
FROM used WHERE token.id = used.id RETURNING token.id, left_over
"""


class NewToken(NamedTuple):
    """A token just made, and its whole text, which nobody can see again."""

    token: ApiToken
    text: str


@dataclass(frozen=True)
class Verdict:
    """Whether a token is good. `problem`: why not. `wait`: seconds until it may ask again, None if it may now."""

    principal: Principal = NOBODY
    problem: str = ""
    wait: float | None = None


def create_token(name: str, scope: str, *, by: Actor, days: int | None = 90, owner: User | None = None) -> NewToken:
    """Make a token that lives so many days, None = until it is revoked. It may never more than its owner."""
    name = name.strip()
    check_storable("name", name)
    if not name or len(name) > 100:
        raise Malformed("a token needs a name of 1 to 100 characters", problems={"name": "1 to 100 characters"})
    if scope not in SCOPES:
        raise Malformed(f"the scope is one of {', '.join(SCOPES)}", problems={"scope": f"one of {', '.join(SCOPES)}"})
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise Malformed(f"a token lives 1 to {MAX_DAYS} days", problems={"days": f"1 to {MAX_DAYS}"})
    key = "".join(secrets.choice(KEY_LETTERS) for _ in range(KEY_LENGTH))
    secret = secrets.token_hex(24)
    with changing(by):
        token = ApiToken.objects.create(
            name=name,
            key=f"swb_{key}",
            digest=digest_of(secret),
            scope=scope,
            owner=owner,
            author=by.name[:150],
            expires=None if days is None else timezone.now() + timedelta(days=days),
        )
    return NewToken(token, f"swb_{key}_{secret}")


def revoke_token(key: str, *, by: Actor) -> tuple[ApiToken, bool]:
    """Revoke a token by its visible key, in every replica at once. False = it was revoked before."""
    with changing(by):
        token = ApiToken.objects.select_for_update().filter(key="_".join(key.strip().split("_")[:2])).first()
        if token is None:
            raise NotFound("there is no token with this key: `token list` shows them")
        if token.revoked:
            return token, False
        token.revoked = timezone.now()
        token.save(update_fields=["revoked"])
    return token, True


def state_of(token: ApiToken, now: datetime | None = None) -> str:
    """`active`, `expired` or `revoked`."""
    if token.revoked:
        return "revoked"
    return "expired" if token.expires and token.expires <= (now or timezone.now()) else "active"


def check_token(text: str) -> Verdict:
    """Who shows this token; counts the request. Asks the database each time, so a revoked token is so at once."""
    match = TOKEN.match(text)
    if match is None:
        return Verdict(problem="this is no token of Switchboard's: they look like swb_…_…")
    minute = settings.API_REQUESTS_PER_MINUTE
    with connection.cursor() as cursor:
        cursor.execute(USE, {"minute": minute, "key": f"swb_{match['key']}", "digest": digest_of(match["secret"])})
        found = cursor.fetchone()
    if found is None:
        return Verdict(problem="there is no such token")
    verdict = judge(ApiToken.objects.select_related("owner").filter(pk=found[0]).first())
    left_over = float(found[1])
    wait = None if verdict.problem or left_over >= 1 else (1 - left_over) * 60 / minute
    return Verdict(verdict.principal, verdict.problem, wait)


def look_at_token(key: str) -> Verdict:
    """What a token that was shown before is worth now; counts no request. For connections that last."""
    return judge(ApiToken.objects.select_related("owner").filter(key=key).first())


def judge(token: ApiToken | None) -> Verdict:
    """Whether a token of ours is good."""
    if token is None:
        return Verdict(problem="there is no such token")
    state = state_of(token)
    if state != "active":
        moment = token.revoked or token.expires
        return Verdict(problem=f"the token {token.key} is {state} since {moment:%Y-%m-%d %H:%M} UTC")
    if token.owner is not None and not token.owner.is_active:
        return Verdict(problem=f"the owner of the token {token.key} is switched off")
    return Verdict(of_token(token))


def digest_of(secret: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
