"""What every page of the dashboard shares: who may see it, its frame, and what htmx gets of it."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
from django.contrib.auth.views import redirect_to_login
from django.db import DataError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme

from dashboard.agent_health import present_troubles
from dashboard.doors import may_use_admin, role_of, turned_away
from dashboard.zones import remember_zone, zone_of
from registry.base.errors import RegistryError
from registry.heartbeats import replicas
from registry.log.cursor import now
from registry.models import RegistryChange
from registry.policy import Deed
from registry.reports.traffic import Standing
from registry.requests import principal_of

View = Callable[..., HttpResponseBase]
THEMES = ("light", "dark")
THEME_COOKIE = "theme"
# Everything from here, nothing inline; the socket is of the same origin. blob: is the icon that app.js draws.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
# The rail: name of the page's URL, icon, word, the key that follows `g`.
PAGES = [
    ("overview", "layout-dashboard", "Overview", "o"),
    ("agents", "headset", "Agents", "a"),
    ("routing", "route", "Routing", "r"),
    ("log", "activity", "Live log", "l"),
    ("calls", "phone", "Calls", "c"),
    ("test", "flask-conical", "Test", "t"),
    ("settings", "settings", "Settings", "s"),
]


EVERY_FIELD = "*"  # of a form, of `documents`


def page_for(
    deed: Deed, *, methods: Collection[str] = ("GET", "HEAD"), documents: Collection[str] = ()
) -> Callable[[View], View]:
    """A view for those who may do this deed. Others are sent to sign in, or told that they may not.

    The view is run in the page's time zone. A `RegistryError` that it lets through becomes an answer with its status
    and words; a NUL that it asks the database about all the same, for `%00` in a SIP address is one, a 400.
    `documents`: fields whose texts are read line by line. `deed` and `methods` can be read from the view:
    tests/test_policy.py walks them all.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
            if request.method not in methods:
                answer: HttpResponseBase = HttpResponse(status=405, headers={"Allow": ", ".join(methods)})
            elif not request.user.is_authenticated:
                return signed_out(request)
            elif not principal_of(request).may(Deed.SEE):
                return turned_away(request)
            elif not principal_of(request).may(deed):
                answer = problem(request, "This needs another role", may_not(request), 403)
            else:
                try:
                    note_moment(request)
                    with timezone.override(zone_of(request)):
                        answer = view(request, *args, **options)
                except RegistryError as error:
                    title = "Nothing is plugged in here" if error.status == 404 else "This was refused"
                    back = (page_before(request), "Back") if request.method == "POST" else None
                    answer = problem(request, title, str(error), error.status, back)
                except DataError as error:
                    if not unsendable(error):
                        raise
                    answer = problem(request, "This was refused", "A character in it can be in no text.", 400)
            return finished(request, answer)

        guarded: Any = shown
        guarded.deed, guarded.methods, guarded.documents = deed, tuple(methods), tuple(documents)
        return guarded  # type: ignore[no-any-return]

    return decorate


def unsendable(error: DataError) -> bool:
    """Whether the driver refused to send it, so that the database has no SQLSTATE for it: a text with a NUL."""
    return isinstance(error.__cause__, psycopg.DataError) and error.__cause__.sqlstate is None


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    parts: Collection[str] = (),
    status: int = 200,
) -> HttpResponse:
    """A page, or only the part that htmx asked for: the partial that is named as the element it goes to (`parts`)."""
    wanted = part_wanted(request)
    if wanted in parts:
        return render(request, f"{template}#{wanted}", common(request) | (context or {}), status=status)
    return render(request, template, frame(request) | (context or {}), status=status)


def part_wanted(request: HttpRequest) -> str:
    """The id of the element that htmx will put the answer into; "" if a whole page is wanted."""
    htmx = getattr(request, "htmx", None)
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return ""
    return htmx.target or "unnamed"


def common(request: HttpRequest) -> dict[str, Any]:
    """What every template may ask for, parts too."""
    principal = principal_of(request)
    return {
        "principal": principal,
        "may_change": principal.may(Deed.CHANGE),
        "may_rehearse": principal.may(Deed.REHEARSE),
        "may_reveal": principal.may(Deed.REVEAL),
        "may_run_code": principal.may(Deed.RUN_CODE),
        "may_administer": principal.may(Deed.ADMINISTER),
        "zone": zone_of(request),
        "now": timezone.now(),
    }


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the rail and the top bar show: three small queries."""
    match = request.resolver_match
    return {
        **common(request),
        **steps_of_replicas(),
        "pages": PAGES,
        "here": match.url_name.partition("-")[0] if match and match.url_name else "",
        "theme": theme_of(request),
        "role": role_of(request),
        "may_use_admin": may_use_admin(request),
        "failing": failing_agents(),
        "cursor": getattr(request, "moment", ""),
        "kept": {name: value for name, value in request.GET.items() if name != "tz"},
    }


def note_moment(request: HttpRequest) -> None:
    """Before a page reads anything: its socket tells what has happened since this moment of the log."""
    if request.method == "GET" and not part_wanted(request):
        connection.ensure_connection()
        vars(request)["moment"] = now(connection.connection)


def steps_of_replicas() -> dict[str, Any]:
    """The newest revision, and which replicas serve it."""
    revision = RegistryChange.newest()
    known = replicas(revision)
    in_step = sum(replica.state == "in_step" for replica in known)
    return {"revision": revision, "replicas": known, "in_step": in_step}


def failing_agents() -> list[str]:
    """The names of agents that fail at present; asked every few seconds however many pages are open."""
    return sorted(name for name, standing in present_troubles().items() if standing is Standing.FAILING)


def theme_of(request: HttpRequest) -> str:
    """light or dark if somebody has chosen, else "": as the system is."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def signed_out(request: HttpRequest) -> HttpResponseBase:
    """A page leads to the sign-in page and back; a part of a page says it in place, and the page stays as it is."""
    if not part_wanted(request):
        return redirect_to_login(request.get_full_path(), reverse("dashboard:sign-in"))
    answer = render(request, "parts/signed_out.html", {"sign_in": sign_in_url(request)}, status=401)
    answer["HX-Retarget"], answer["HX-Reswap"] = "#session", "innerHTML"
    return finished(request, answer)


def sign_in_url(request: HttpRequest) -> str:
    """Where to sign in, and then back to the page that is open."""
    back = path_of((getattr(request, "htmx", None) and request.htmx.current_url) or "")  # type: ignore[attr-defined]
    return f"{reverse('dashboard:sign-in')}?{urlencode({'next': back or reverse('dashboard:home')})}"


def path_of(url: str) -> str:
    """Path and query of a header's URL; "" for what is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def may_not(request: HttpRequest) -> str:
    """What somebody is told whose role is too small."""
    return f"You are signed in as {request.user.get_username()} ({role_of(request)}); an Admin can change that."


def page_before(request: HttpRequest) -> str:
    """The page of ours that a form was sent from, else the overview."""
    before = request.headers.get("Referer", "")
    path = path_of(before)
    home = reverse("dashboard:home")
    if url_has_allowed_host_and_scheme(before, {request.get_host()}) and path.startswith(home):
        return path
    return home


def problem(
    request: HttpRequest, title: str, detail: str, status: int, back: tuple[str, str] | None = None
) -> HttpResponse:
    """What went wrong, as a page or, for htmx, as a toast beside what is there. `back`: a page, its word."""
    if part_wanted(request):
        answer = render(request, "parts/problem_toast.html", {"title": title, "detail": detail}, status=status)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#toasts", "beforeend"
        return answer
    back = None if back and back[0] == reverse("dashboard:home") else back  # the overview has its link anyway
    context = {**frame(request), "title": title, "detail": detail, "status": status, "back": back}
    return render(request, "pages/problem.html", context, status=status)


@page_for(Deed.SEE)
def nothing_here(request: HttpRequest) -> HttpResponse:
    """An address of the dashboard that leads nowhere."""
    return problem(request, f"Nothing is plugged in at {request.path[:200]}", "The page may have another address.", 404)


def finished(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """The headers of every answer of the dashboard."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    patch_vary_headers(answer, ["HX-Request", "Cookie"])
    remember_zone(request, answer)
    return answer
