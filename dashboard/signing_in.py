"""Signing in and out: with a password, or for the first time with a link that works once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def locked_out(request: HttpRequest, _credentials: object = None, *_rest: object) -> HttpResponse:
    """What somebody sees who has guessed too often."""
    return render(request, "locked_out.html", status=429)
