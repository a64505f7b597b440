"""Settings: all agents of a running AgentServer, looked at first and then registered in one step."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.fields import MAX_LINE, line_of
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.actions.inspection import Upstream
from registry.adopting import Report, Wishes, adopt_server
from registry.adopting.remarks import Advice, NoServer, Remark
from registry.base.errors import Malformed, RegistryError, sentence
from registry.policy import Deed
from registry.requests import actor_of

MAX_ROUTES = 500
FIELDS = ("urls", "user", "name_prefix", "route_prefix")
HERE = "settings-adopt"
WORDS = {
    Advice.ADOPT_ALONE: "; adopt it by itself with them",
    Advice.GIVE_CREDENTIALS: "",
    Advice.UPDATE: ": they can get what has changed, see the form",
    Advice.PREFIX_NAMES: ": put something before their names",
    Advice.PREFIX_ROUTES: ": put something before their routes",
    Advice.REGISTER_REMOTE: ", or register a single agent as a remote server",
    Advice.MAP_NAMES: ". Map them on the Routing page",
}


@page_for(Deed.CHANGE, methods=("GET", "HEAD", "POST"))
def adopt(request: HttpRequest) -> HttpResponse:
    """The form. `act=look`: what the server has; `act=adopt`: register the picked `route`s of it."""
    if request.method != "POST":
        given = {"urls": line_of(request.GET, "url"), "auto_sip": True}
        return show_section(request, HERE, "adopt", {"given": given, "report": None})
    given = {name: line_of(request.POST, name) for name in FIELDS}
    given |= {"auto_sip": "auto_sip" in request.POST, "update": "update" in request.POST}
    looking = request.POST.get("act") != "adopt"
    context: dict[str, Any] = {"given": given, "report": None, "posted": True}
    try:
        report = asked(request, given, looking=looking)
    except RegistryError as error:
        place = next(iter(error.problems), "urls")
        problem = in_words(error.remark) if isinstance(error, NoServer) else sentence(error)
        context |= {"problem": problem, "place": place if place in ("server", "route") else "urls"}
        return show_section(request, HERE, "adopt", context, parts={"there"}, status=200 if looking else error.status)
    context |= rows_of(report)
    if looking:
        return show_section(request, HERE, "adopt", context, parts={"there"})
    return show_section(request, HERE, "adopted", context)


def rows_of(report: Report) -> dict[str, Any]:
    """A report for a page: what commands name by their options stands here beside the form."""
    rows = [
        {"entry": entry, "told": [in_words(text) for text in (entry.reason, *entry.warnings) if text]}
        for entry in report.entries
    ]
    return {"report": report, "rows": rows, "not_served": [in_words(text) for text in report.not_served]}


def in_words(text: str) -> str:
    """A sentence with the words of this page instead of the options of a command."""
    return sentence(text.told(WORDS) if isinstance(text, Remark) else text)


def asked(request: HttpRequest, given: dict[str, Any], *, looking: bool) -> Report:
    """What the server has, or what became of it."""
    urls = [line for line in given["urls"].split() if line]
    if not urls:
        raise Malformed("give the server's URL", problems={"urls": ""})
    routes = tuple(request.POST.getlist("route")[:MAX_ROUTES])
    if not looking and not routes:
        raise Malformed("pick at least one of its agents; look at the server first", problems={"route": ""})
    wishes = Wishes(
        only=() if looking else routes,
        name_prefix=given["name_prefix"],
        route_prefix=given["route_prefix"],
        auto_sip=given["auto_sip"],
        update=given["update"],
        dry_run=looking,
        upstream=upstream_of(given["user"], request.POST.get("password", "")[:MAX_LINE]),
    )
    return adopt_server(urls, wishes, by=actor_of(request, "dashboard"), wait=not looking)


def upstream_of(user: str, password: str) -> Upstream:
    """With which the server is asked."""
    if bool(user) != bool(password):
        raise Malformed("it takes both, a user and a password, or neither", problems={"server": ""})
    return (user, password) if user else None


urlpatterns = [path("settings/adopt/", adopt, name="settings-adopt")]
