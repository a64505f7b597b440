"""Who asks, of a Django request: the sender's address, the principal, and the actor that the audit will name."""

import uuid
from typing import cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from registry.changes import Actor
from registry.policy import Principal, of_user
from registry.public_url import PublicUrl


def client_address(request: HttpRequest) -> str:
    """The sender's address; what proxies say counts only if they are trusted, as for agents' requests."""
    if not isinstance(request, ASGIRequest):
        return str(request.META.get("REMOTE_ADDR", ""))
    url = PublicUrl("", settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES)
    address = request.scope["client"][0] if request.scope.get("client") else ""
    if settings.TRUSTED_PROXIES and url.is_proxy(address):
        return url.forwarded_for(dict(request.scope["headers"]), address)
    return cast(str, address)


def principal_of(request: HttpRequest) -> Principal:
    """Who has signed in; for the API's tokens, whose."""
    known: Principal | None = getattr(request, "principal", None)
    return known or of_user(request.user)


def id_of(request: HttpRequest) -> str:
    """The request's id, by which the audit rows of one request belong together; made when first asked for."""
    known: str = getattr(request, "request_id", "") or uuid.uuid4().hex
    vars(request)["request_id"] = known
    return known


def actor_of(request: HttpRequest, via: str) -> Actor:
    """What the audit says of whoever asks. `via`: api, admin or dashboard."""
    principal = principal_of(request)
    return Actor(
        principal.name,
        via,
        address=client_address(request),
        request_id=id_of(request),
        token=principal.token,
    )
