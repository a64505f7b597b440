"""What every answer under /api/ has, also those that Django and ninja give by themselves."""

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from registry.api.problems import problem

PREFIX = "/api/"


class ApiAnswers(MiddlewareMixin):
    """Middleware: a 405 is a problem document, and no proxy keeps an answer."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Complete the answer."""
        if not request.path_info.startswith(PREFIX):
            return response
        if isinstance(response, HttpResponseNotAllowed):
            allowed: str = response["Allow"]
            response = problem(request, 405, f"use {allowed}", headers={"Allow": allowed})
        response.headers.setdefault("Cache-Control", "no-store")
        return response
