"""Pages before and around signing in: their headers, and the answer to people who may not go on."""

from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from registry.actions.people import given_role
from registry.policy import Deed, of_user

Response = TypeVar("Response", bound=HttpResponseBase)
# No script, no style but ours, no frame; links and tokens in the address are told to nobody.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # not no-referrer: browsers then send `Origin: null`, which CSRF checks refuse
}


def page(request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """A page with these headers."""
    return with_headers(render(request, template, context, status=status))


def with_headers(response: Response) -> Response:
    """Another's page with these headers."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


def may_use_admin(request: HttpRequest) -> bool:
    """Whether the Django admin is open: to staff accounts with a role."""
    return request.user.is_active and request.user.is_staff and of_user(request.user).may(Deed.SEE)


def turned_away(request: HttpRequest) -> HttpResponse:
    """What somebody sees who has signed in, and may not see what they asked for."""
    return page(request, "doors/turned_away.html", {"role": role_of(request)}, status=403)


def role_of(request: HttpRequest) -> str | None:
    """The role of whoever has signed in."""
    return given_role(request.user) if request.user.is_authenticated else None


def locked_out(request: HttpRequest, *_of_axes: object) -> HttpResponse:
    """What somebody sees who has guessed too often."""
    wait = settings.AXES_COOLOFF_TIME
    response = page(request, "doors/locked_out.html", {"minutes": int(wait.total_seconds() // 60)}, status=429)
    response.headers["Retry-After"] = str(int(wait.total_seconds()))
    return response
