"""The test bench."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.shell import page_for, show
from registry.policy import Deed


@page_for(Deed.SEE)
def test(request: HttpRequest) -> HttpResponse:
    """Test."""
    return show(request, "pages/test.html", {"title": "Test"})


urlpatterns = [
    path("test/", test, name="test"),
]
