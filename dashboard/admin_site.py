"""The Django admin's site: who may come in, and our pages for signing in and out instead of its own."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from dashboard.doors import may_use_admin, turned_away
from dashboard.sign_in import SignOut


class Site(AdminSite):
    """For staff accounts with a role."""

    site_header = "Switchboard"
    site_title = "Switchboard"
    index_title = "The registry"
    site_url = None

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether they may come in; each page then asks the policy."""
        return may_use_admin(request)

    def login(self, request: HttpRequest, _extra: dict[str, Any] | None = None) -> HttpResponse:
        """Where Django sends everybody who may not come in: whoever has signed in already would come back for ever."""
        target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        if not request.user.is_authenticated:
            return redirect(f"{reverse('dashboard:sign-in')}?{urlencode({REDIRECT_FIELD_NAME: target})}")
        return redirect("admin:index") if self.has_permission(request) else turned_away(request)

    def logout(self, request: HttpRequest, _extra: dict[str, Any] | None = None) -> Any:
        """By our own page."""
        return SignOut.as_view()(request)

    def password_change(self, _request: HttpRequest, _extra: dict[str, Any] | None = None) -> Any:
        """On our own page, which leaves an audit row."""
        return redirect("dashboard:password")

    def password_change_done(self, _request: HttpRequest, _extra: dict[str, Any] | None = None) -> Any:
        """The same."""
        return redirect("dashboard:password")
