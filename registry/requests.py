"""Who asks, of a Django request: the sender's address, the principal, and the actor that the audit will name."""

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.urls import get_script_prefix

from registry.actions.transaction import Actor
from registry.policy import Deed, Principal, of_user
from registry.routing.forwarded import headers_by_name
from registry.routing.http import Connection
from registry.routing.public_url import PublicUrl, Sender


def client_address(request: HttpRequest) -> str:
    """The sender's address; what proxies say counts only if they are trusted, as for agents' requests."""
    return sender_of(request).address if isinstance(request, ASGIRequest) else request.META.get("REMOTE_ADDR", "")


def public_base(request: HttpRequest) -> str:
    """Our public URL, as agents' documents would have it; no slash at its end."""
    if isinstance(request, ASGIRequest):
        return sender_of(request).base
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


def public_path(path: str) -> str:
    """A path of ours as browsers and scripts know it: below that of PUBLIC_URL, if it has one."""
    return get_script_prefix().removesuffix("/") + path


def sender_of(request: ASGIRequest) -> Sender:
    """Who sent the request and how they know us, as the dispatcher would see it; config/public_scope.py has looked."""
    known: Sender | None = request.scope.get("sender")
    if known is not None:
        return known
    url = PublicUrl(settings.PUBLIC_URL, settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES)
    return url.sender(Connection.of(dict(request.scope)), headers_by_name(request.scope["headers"]))


def principal_of(request: HttpRequest) -> Principal:
    """Who has signed in; for the API's tokens, whose."""
    known: Principal | None = getattr(request, "principal", None)
    return known or of_user(request.user)


def actor_of(request: HttpRequest, via: str) -> Actor:
    """What the audit says of whoever asks. `via`: api, admin or dashboard."""
    principal = principal_of(request)
    return Actor(
        principal.name,
        via,
        address=client_address(request),
        request_id=getattr(request, "request_id", ""),
        token=principal.token,
        may_run_code=principal.may(Deed.RUN_CODE),
    )
