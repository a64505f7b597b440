"""Cookies as safe as the way that they go: settings know one way only, and there may be several."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class SafeCookies(MiddlewareMixin):
    """Middleware: whoever came by HTTPS gets cookies that go by HTTPS only, also where no setting says so."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Complete them."""
        if response.cookies and request.is_secure():
            for morsel in response.cookies.values():
                morsel["secure"] = True
        return response
