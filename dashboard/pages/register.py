"""Registering an agent: one form, checked while one types, and the page that waits for the first call."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from agents.fields import cipher
from agents.kinds import KINDS
from agents.models import Agent
from dashboard import toasts
from dashboard.code_lines import pretty
from dashboard.registration import Checked, Entered, check, examples, note_problems, usual_credentials
from dashboard.routing.decisions import tell
from dashboard.shell import common, page_for, part_wanted, show, steps_of_replicas
from dashboard.sources.classes import classes_offered
from dashboard.sources.facts import functions_of
from dashboard.sources.forms import FORMS, value_of
from registry.actions import agents
from registry.actions.credentials import Credentials, make_credentials
from registry.actions.inspection import look_at
from registry.actions.instead import FLEET
from registry.actions.lookups import get_agent
from registry.base.errors import RegistryError, sentence
from registry.heartbeats import everywhere
from registry.log.ids import first_id
from registry.log.models import RoutingEvent
from registry.models import RegistryChange
from registry.policy import Deed
from registry.rehearsal.candidate import simulate
from registry.rehearsal.stage import stage_of
from registry.requests import actor_of, public_base
from registry.routing.addresses import normalise_route
from registry.routing.decide import CENTRAL_SIP
from registry.routing.facts import Facts
from registry.routing.question import Question

SHOWN_ONCE = "shown_once"  # in the session: an agent and its credentials, encrypted, until they have been shown
MAX_DOCUMENT = 20_000  # characters of the rendered document that are shown
LOOKED_AT = 50  # newest events of an agent, of which the first good one counts


@page_for(Deed.CHANGE, methods=("GET", "HEAD", "POST"), documents=("text",))
def register(request: HttpRequest) -> HttpResponse:
    """The form; a POST registers."""
    if request.method != "POST":
        given = {name: str(value) for name, value in request.GET.items() if name != "password"}
        return form(request, check(Entered.of(given, posted=False), submitted=False))
    checked = check(Entered.of(fields(request), request.FILES.get("upload")), submitted=True)
    if not checked.problems:
        try:
            return registered(request, checked)
        except RegistryError as error:  # somebody else was quicker, the database refused, the agent cannot be built
            again = check(checked.entered, submitted=True)
            checked = again if again.problems else checked
            if error.where == "definition" and checked.entered.kind:
                note_problems(checked, checked.entered.kind, error)
            else:
                checked.problems.setdefault("form", sentence(error))
    return form(request, checked, submitted=True, status=422)


@page_for(Deed.CHANGE, methods=("POST",), documents=("text",))
def register_look(request: HttpRequest) -> HttpResponse:
    """Build a Python agent once, or ask a remote server, and show what was seen; nothing is registered."""
    checked = check(Entered.of(fields(request), request.FILES.get("upload")), submitted=False)
    entered = checked.entered
    context: dict[str, Any] = {"looked": True}
    kind = entered.kind
    if kind is None:
        checked.problems.setdefault("source", "What is built here is checked while you type.")
    elif not checked.source_problems:
        try:
            value, upstream = value_of(entered.typed, kind), entered.typed.upstream()
            seen = look_at(value, by=actor_of(request, "dashboard"), upstream=upstream)
            checked.definition = seen.source
            context |= {"facts": kind.facts(seen), "functions": functions_of(seen.source)}
        except RegistryError as error:
            note_problems(checked, kind, error)
    if part_wanted(request):
        context |= common(request) | told(request, checked) | {"oob": True}
        return render(request, "parts/register/looked.html", context)
    return form(request, checked, **context)


@page_for(Deed.RUN_CODE)
def register_classes(request: HttpRequest) -> HttpResponse:
    """The classes in the folders of AGENT_PATH, for a datalist."""
    return render(request, "parts/zone_names.html", {"names": classes_offered()})


@page_for(Deed.CHANGE, methods=("POST",), documents=("text",))
def register_check(request: HttpRequest) -> HttpResponse:
    """What is known of it while one types: the notes beside the fields, the simulated request, what will happen."""
    checked = check(Entered.of(fields(request)), submitted=False)
    return render(request, "parts/register/checked.html", common(request) | told(request, checked) | {"oob": True})


def fields(request: HttpRequest) -> dict[str, str]:
    """The fields of the form."""
    return {name: str(request.POST[name]) for name in request.POST}


def form(
    request: HttpRequest, checked: Checked, *, submitted: bool = False, status: int = 200, **more: Any
) -> HttpResponse:
    """The page. `more`: what looking at a source has shown."""
    context = told(request, checked) | {"submitted": submitted, "examples": examples(), **more}
    context["fleet_has_credentials"] = bool(settings.SWML_BASIC_AUTH_PASSWORD)
    return show(request, "pages/register.html", context, status=status)


def told(request: HttpRequest, checked: Checked) -> dict[str, Any]:
    """What the stages show."""
    entered = checked.entered
    context: dict[str, Any] = {"checked": checked, "entered": entered, **steps_of_replicas()}
    context |= {"typed": entered.typed, "source_problems": checked.source_problems, "agent_path": settings.AGENT_PATH}
    context["kind"] = entered.kind
    context["offered"] = [(KINDS[word], form, f"parts/sources/{word}.html") for word, form in FORMS.items()]
    if checked.definition and checked.route and not checked.route.problem and not checked.name.problem:
        at = checked.route.normalised
        would = simulate(
            checked.entered.name, at, checked.usernames, checked.definition, stage_of(request), public_base(request)
        )
        context["simulated"] = would
        context["by_path"] = tell(Question(at, Facts(at)), would.table, would.by_path, simulated=True)
        if would.by_name:
            name = checked.usernames[0]
            question = Question(name, Facts(CENTRAL_SIP, dialled=name))
            context["by_name"] = tell(question, would.table, would.by_name, simulated=True)
        context["document"] = "" if would.document is None else pretty(would.document)[:MAX_DOCUMENT]
    return context


def registered(request: HttpRequest, checked: Checked) -> HttpResponse:
    """Register it, and go on to the page that waits for the first call."""
    entered = checked.entered
    change = agents.register(
        entered.name,
        normalise_route(entered.path),
        given_of(checked),
        sip=entered.names,
        auto_sip=entered.auto_sip,
        title=entered.title,
        credentials=(made := credentials_of(entered)),
        upstream=entered.typed.upstream() if entered.kind and entered.kind.has_upstream else None,
        by=actor_of(request, "dashboard"),
        wait=True,
    )
    once = change.credentials or (made if entered.credentials == "made" and isinstance(made, tuple) else None)
    if once:
        kept = cipher().encrypt(":".join(once).encode()).decode()
        request.session[SHOWN_ONCE] = {"agent": change.agent, "credentials": kept}
    toasts.say(request, f"{change.agent} is registered at {change.route}{toasts.everywhere(change)}")
    for warning in change.warnings:
        toasts.say(request, warning, tone="warn")
    return redirect("dashboard:register-done", change.agent)


def given_of(checked: Checked) -> Any:
    """The JSON of what is registered; a source is looked at again then."""
    return checked.definition.given() if checked.definition else None


def credentials_of(entered: Entered) -> Credentials:
    """The fleet's, made up, or as they were typed. An agent from the trash does not keep those that it had.

    The usual ones only if a Python agent's code asks for none of its own.
    """
    if entered.kind and entered.kind.secrets_of_code and entered.credentials == usual_credentials():
        return None
    if entered.credentials == "own":
        return entered.user, entered.password
    return FLEET if entered.credentials == "fleet" else make_credentials()


@page_for(Deed.SEE)
def register_done(request: HttpRequest, name: str) -> HttpResponse:
    """What to give to the platform, and the wait for the first call."""
    agent = get_agent(name, changing=False)
    route = agent.routes.order_by("pk").first()
    if route is None:
        return redirect("dashboard:agent", name)
    base, once = public_base(request), shown_once(request, name)
    scheme, _, host = base.partition("://")
    login = f"{quote(once[0], safe='')}:{quote(once[1], safe='')}@" if once else ""
    context = {
        "agent": agent,
        "route": route,
        "names": [mapping.username for mapping in route.sip_mappings.all()[:100]],
        "url": f"{base}{route.path}",
        "once": once,
        "url_with": f"{scheme}://{login}{host}{route.path}" if once else "",
        "sip_url": f"{base}/sip",
        "sip_url_with": f"{scheme}://{login}{host}/sip" if once else "",
        "far": everywhere(RegistryChange.newest()),
        "first": first_event(agent, first_id(route.created)),
        "again": reverse("dashboard:register-done", args=[name]),
    }
    return show(request, "pages/register_done.html", context, parts={"first", "far"})


def shown_once(request: HttpRequest, name: str) -> tuple[str, str] | None:
    """The credentials that were made up for this agent just now; once seen, they must be revealed."""
    kept = request.session.get(SHOWN_ONCE)
    if not kept or kept["agent"] != name or request.method != "GET" or part_wanted(request):
        return None
    del request.session[SHOWN_ONCE]
    user, _, password = cipher().decrypt(kept["credentials"].encode()).decode().partition(":")
    return user, password


def first_event(agent: Agent, since: Any) -> RoutingEvent | None:
    """The first good answer since the agent has its route; without one, the newest that was refused or failed."""
    events = (
        RoutingEvent.objects.filter(agent=agent.name, id__gte=since).exclude(kind="test").defer("request", "response")
    )
    newest = list(events.order_by("-id")[:LOOKED_AT])
    good = [event for event in newest if event.status < 400]
    return good[-1] if good else newest[0] if newest else None


urlpatterns = [
    path("register/", register, name="register"),
    path("register/check/", register_check, name="register-check"),
    path("register/look/", register_look, name="register-look"),
    path("register/classes/", register_classes, name="register-classes"),
    path("register/<str:name>/done/", register_done, name="register-done"),
]
