"""Forms that did not come from a page of ours, as far as we can tell: why, and what to do about it."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_BAD_REFERER,
    REASON_INSECURE_REFERER,
    REASON_NO_REFERER,
    CsrfViewMiddleware,
)
from django.views.defaults import bad_request

from dashboard import doors, shell
from registry.api.problems import problem as api_problem
from registry.policy import Deed
from registry.requests import principal_of

MAX_NAME = 100  # characters of what a sender says that are repeated
BAD_ORIGIN = REASON_BAD_ORIGIN.partition("%")[0]
NO_REFERER = (REASON_NO_REFERER, REASON_INSECURE_REFERER, REASON_BAD_REFERER.partition("%")[0])


class Csrf(CsrfViewMiddleware):
    """Django's middleware. Where a page's origin is withheld, the browser's word that it is ours is enough.

    `Origin: null` is what browsers send if something between us and them sets `Referrer-Policy: no-referrer`. They say
    `Sec-Fetch-Site: same-origin` all the same (by HTTPS), and no page can write that header.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        """Whether the Origin header is one of ours; the token is looked at besides."""
        withheld = request.headers.get("Origin") == "null"
        if withheld and request.headers.get("Sec-Fetch-Site") == "same-origin":
            return True
        return super()._origin_verified(request)  # type: ignore[misc,no-any-return]  # the stubs leave it out


def failed(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """The answer to such a form (CSRF_FAILURE_VIEW). Strangers see a door: neither menu nor figures."""
    title, words = told(request, reason)
    if shell.part_wanted(request) or principal_of(request).may(Deed.SEE):
        return shell.finished(request, shell.problem(request, title, words, 403))
    return doors.page(request, "doors/form_refused.html", {"title": title, "words": words}, status=403)


def told(request: HttpRequest, reason: str) -> tuple[str, str]:
    """What is wrong, and which setting mends it."""
    origin = request.headers.get("Origin", "")[:MAX_NAME]
    ours = f"{request.scheme}://{request.get_host()}"
    if reason.startswith(NO_REFERER) or (reason.startswith(BAD_ORIGIN) and origin == "null"):
        title = "Your browser does not say which page this form is of"
        words = (
            "It sends “Origin: null”, or no Referer: something between us and the browser, a proxy or an extension, "
            "sets “Referrer-Policy: no-referrer”, which has to be taken away. By HTTPS (PUBLIC_URL) browsers say it in "
            "another way, which is enough."
        )
    elif reason.startswith(BAD_ORIGIN):
        title = "This server does not know that it is reached there"
        words = (
            f"The page is at {origin}, the form came to {ours}. If both are this server, there is a proxy in between: "
            f"set PUBLIC_URL to {origin}; or TRUSTED_PROXIES to the proxy's address and ALLOWED_HOSTS to the name, and "
            "let it send X-Forwarded-Proto and X-Forwarded-Host."
        )
    else:
        return (
            "This page is older than your last sign-in",
            f"Nothing was changed. Load the page again, then repeat it. ({reason})",
        )
    return title, f"Nothing was changed. {words}"


def refused_host(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of what it suspects: a host that is not ours is said with the settings that make it so."""
    if not isinstance(exception, DisallowedHost):
        return bad_request(request, exception)
    name = request.META.get("HTTP_HOST", "")[:MAX_NAME]
    words = f"This server does not answer as {name}. If that is its name, put it into ALLOWED_HOSTS, or set PUBLIC_URL."
    if request.path_info.startswith("/api/"):
        return api_problem(request, 400, words)
    return doors.page(request, "doors/form_refused.html", {"title": "Another server's name", "words": words}, 400)
