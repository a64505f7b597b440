"""Cookies as safe as the way that they go, and for no other application on this host, whoever sets them."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class SafeCookies(MiddlewareMixin):
    """Middleware: whoever came by HTTPS gets cookies that go by HTTPS only, and all are for the path of PUBLIC_URL."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Complete them."""
        for morsel in response.cookies.values():
            morsel["path"] = settings.BASE_PATH or "/"
            if request.is_secure():
                morsel["secure"] = True
        return response
