"""Who may ask for what: tokens for scripts, the session for people in a browser, and the policy for both."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from registry.actions.tokens import check_token
from registry.actions.transaction import Actor
from registry.api.problems import BEARER, Refused, seconds
from registry.policy import NEEDS, Deed, Principal, of_user
from registry.requests import actor_of


class Token(HttpBearer):
    """A token with the scope that an operation needs."""

    def __init__(self, deed: Deed):
        self.deed = deed
        super().__init__()

    def authenticate(self, request: HttpRequest, token: str) -> Principal:
        """Whose token it is; `Refused` if it is none, has asked too often, or may not."""
        verdict = check_token(token.strip())
        if verdict.problem:
            raise Refused(401, verdict.problem, BEARER)
        if verdict.wait is not None:
            words = f"more than {settings.API_REQUESTS_PER_MINUTE} requests a minute with this token"
            raise Refused(429, words, {"Retry-After": seconds(verdict.wait)})
        return admitted(request, verdict.principal, self.deed)


class Session(APIKeyCookie):
    """Somebody who has signed in with a browser; what changes something needs the CSRF token too."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, deed: Deed):
        self.deed = deed
        super().__init__(csrf=True)

    def __call__(self, request: HttpRequest) -> Any:
        """Nothing without a session: then no CSRF token is missed either."""
        if "authorization" in request.headers or not request.user.is_authenticated:
            return None
        try:
            return super().__call__(request)
        except HttpError:
            raise Refused(403, "the CSRF token is missing or does not match: send it as X-CSRFToken") from None

    def authenticate(self, request: HttpRequest, _key: str | None) -> Principal:
        """Who has signed in."""
        return admitted(request, of_user(request.user), self.deed)


def admitted(request: HttpRequest, principal: Principal, deed: Deed) -> Principal:
    """The principal, noted on the request, if the policy lets it; else `Refused`."""
    if not principal.may(deed):
        needed = NEEDS[deed].name.lower()
        present = principal.level.name.lower()
        raise Refused(403, f"this needs the level {needed}; {principal.name} has the level {present}")
    vars(request)["principal"] = principal
    return principal


def may(deed: Deed) -> list[Token | Session]:
    """What an operation is declared with: `auth=may(Deed.SEE)`."""
    return [Token(deed), Session(deed)]


def actor(request: HttpRequest) -> Actor:
    """Whom the audit will name."""
    return actor_of(request, "api")
