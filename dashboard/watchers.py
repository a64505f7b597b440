"""Who may watch the live log: somebody who has signed in, or a script with a token, as long as the policy says so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.auth import AuthMiddlewareStack, get_user
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.db import connection

from dashboard.outage import SocketsAway
from registry.actions.tokens import Verdict, check_token, look_at_token
from registry.policy import Deed, Principal, of_user
from registry.routing.http import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
# Close codes.
SIGN_IN = 4401  # nobody has signed in, or not any more; the token is wrong, expired or revoked
MAY_NOT = 4403  # no role, or one that may not see the log
TOO_OFTEN = 4429  # the token's requests of this minute are used up


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not watch. `reason`: at most 123 bytes, for the close frame (RFC 6455, 5.5.1)."""

    code: int
    reason: str


class Watched:
    """ASGI middleware before the sockets: browsers need an Origin and a session, scripts their token only.

    No site can make a browser send an Authorization header, so none can use somebody's token; cookies are sent.
    """

    def __init__(self, app: App):
        self.with_token = SocketsAway(app)
        self.with_session: App = AllowedHostsOriginValidator(SocketsAway(AuthMiddlewareStack(app)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        scope["token"] = bearer(scope)
        await (self.with_session if scope["token"] is None else self.with_token)(scope, receive, send)


def bearer(scope: Scope) -> str | None:
    """The token of an Authorization header (RFC 6750, 2.1), None without such a header."""
    for name, value in scope["headers"]:
        scheme, _, token = value.decode("latin-1").partition(" ")
        if name == b"authorization" and scheme.lower() == "bearer":
            return str(token.strip())
    return None


async def first_refusal(scope: dict[str, Any]) -> Refusal | None:
    """Why whoever comes may not watch; None if they may. A token's request is counted."""
    if scope["token"] is None:
        return await of_person(scope["user"])
    return of_verdict(await in_thread(check_token, scope["token"]))


async def refusal(scope: dict[str, Any]) -> Refusal | None:
    """The same for whoever watches already. No token's request is counted."""
    if scope["token"] is None:
        session = import_module(settings.SESSION_ENGINE).SessionStore(scope["session"].session_key)
        return await of_person(await get_user({"session": session}))
    return of_verdict(await in_thread(look_at_token, "_".join(scope["token"].split("_")[:2])))


async def of_person(user: Any) -> Refusal | None:
    """What the policy says of somebody."""
    if not user.is_authenticated:
        return Refusal(SIGN_IN, "sign in")
    return of_principal(await in_thread(of_user, user))


def of_verdict(verdict: Verdict) -> Refusal | None:
    """What is said of a token."""
    if verdict.problem:
        return Refusal(SIGN_IN, verdict.problem)
    if verdict.wait is not None:
        return Refusal(TOO_OFTEN, f"too many requests with this token: wait {verdict.wait:.0f} s")
    return of_principal(verdict.principal)


def of_principal(principal: Principal) -> Refusal | None:
    """What the policy says."""
    return None if principal.may(Deed.SEE) else Refusal(MAY_NOT, "the role or the token does not open the log")


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function that asks the database says."""

    def run() -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()  # it belongs to a thread that may not come again

    return await asyncio.to_thread(run)
