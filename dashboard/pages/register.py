"""Registering an agent."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def register(request: HttpRequest) -> HttpResponse:
    """Register."""
    return show(request, "pages/register.html", {"title": "Register"})


urlpatterns = [
    path("register/", register, name="register"),
]
