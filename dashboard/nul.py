"""NUL, which the database cannot be asked about and nobody can type: refused once, before any page sees it.

Half surrogates cannot come this way: Django replaces what is no UTF-8. Both can come as escapes in JSON and YAML, and
are refused by who reads that; registry/base/text.py has the words. The API names the parameter by itself.
"""

from collections.abc import Callable, Collection
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from dashboard import doors, shell
from registry.policy import Deed
from registry.requests import principal_of

TITLE, WORDS = "This was refused", "A character in it can be in no text."


class RefuseNul(MiddlewareMixin):
    """Middleware: 404 for an address with a NUL in its path, 400 for one in its query or in a field of a form.

    Not in the fields that a view calls `documents` (`shell.page_for`): there the line is said that has it.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], _args: Any, _options: Any
    ) -> HttpResponseBase | None:
        """Refuse it, or let it pass."""
        if "\0" in request.path_info:
            if request.path_info.startswith("/dashboard/"):
                return shell.nothing_here(request)
            raise Http404
        if request.path_info.startswith("/api/"):
            return None
        documents = getattr(view, "documents", ())
        found = has_nul(request.GET.lists(), ()) or has_nul(request.POST.lists(), documents)
        return refused(request) if found else None


def has_nul(fields: Any, documents: Collection[str]) -> bool:
    """Whether a name or a value has one."""
    return shell.EVERY_FIELD not in documents and any(
        "\0" in text for name, values in fields if name not in documents for text in (name, *values)
    )


def refused(request: HttpRequest) -> HttpResponseBase:
    """The page that says so: the dashboard's own for who may see it."""
    if not request.path_info.startswith("/dashboard/") or not principal_of(request).may(Deed.SEE):
        return doors.page(request, "doors/refused.html", {"title": TITLE, "words": WORDS}, status=400)
    answer = shell.problem(request, TITLE, WORDS, 400, (shell.page_before(request), "Back"))
    return shell.finished(request, answer)
