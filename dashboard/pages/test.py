"""The test bench: fetch a document, run a function, ask who would answer."""

from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from agents.models import Agent
from dashboard.bench import Bench, bench_of, document_curl, run_curl
from dashboard.code_lines import pretty
from dashboard.fields import line_of
from dashboard.shell import page_for, show
from registry.base.errors import RegistryError, sentence
from registry.policy import Deed
from registry.rehearsal.rehearsal import Run, preview, rehearsal_of, run
from registry.rehearsal.stage import stage_of
from registry.requests import actor_of, public_base

TOOLS = [("document", "Document"), ("function", "Function"), ("routing", "Routing")]
NAMES = 30  # of agents that are offered while typing
MAX_SHOWN = 200_000  # characters of a document in the page


@page_for(Deed.SEE)
def test(request: HttpRequest) -> HttpResponse:
    """One of the three tools, with what the address says filled in."""
    bench = bench_of(request.GET.dict())
    context: dict[str, Any] = {}
    if bench.tool == "document" and bench.agent and not bench.problems:
        context = document_of(request, bench)
    return show_bench(request, bench, context)


@page_for(Deed.SEE)
def agent_names(request: HttpRequest) -> HttpResponse:
    """The names of agents that have what is typed, for a datalist."""
    typed = line_of(request.GET, "agent")
    found = Agent.objects.exclude(state=Agent.State.TRASHED).filter(name__has_text=typed)
    return render(
        request, "parts/zone_names.html", {"names": found.order_by("name").values_list("name", flat=True)[:NAMES]}
    )


@page_for(Deed.REHEARSE, methods=["GET", "HEAD", "POST"])
def run_function(request: HttpRequest) -> HttpResponse:
    """Run a function and show what it says. `act=raw` and `act=form` only show the arguments in the other view."""
    if request.method != "POST":
        return redirect("dashboard:test")
    bench = bench_of(request.POST.dict() | {"tool": "function"})
    act = request.POST.get("act", "")
    arguments, extra = bench.arguments(), bench.extra()
    if act in ("raw", "form"):
        return other_view(request, bench, arguments, act)
    if not bench.agent:
        bench.problems.setdefault("agent", "Choose an agent.")
    elif not bench.function:
        bench.problems.setdefault("function", "Choose a function.")
    if bench.problems:
        return show_bench(request, bench, status=422)
    context: dict[str, Any] = {"curl": run_curl(bench, arguments, extra, public_base(request))}
    try:
        context["run"] = rehearsed(request, bench, arguments, extra)
    except RegistryError as error:
        bench.problems["run"] = sentence(error)
        return show_bench(request, bench, context, status=error.status)
    context["answer"] = pretty(context["run"].answer)
    return show_bench(request, bench, context)


def rehearsed(request: HttpRequest, bench: Bench, arguments: dict[str, Any], extra: dict[str, Any]) -> Run:
    """Call the function as the platform would; authors' servers are really asked."""
    stage = stage_of(request)
    if stage is None:
        raise NoStage("this process serves no agents: functions run where agents are served")
    version, asked = rehearsal_of(
        bench.agent,
        bench.function,
        bench.version,
        arguments,
        bench.call,
        extra,
        public_base(request),
        stage.webhooks,
        stage,
    )
    return async_to_sync(run)(version, asked, actor_of(request, "dashboard").name, stage)


class NoStage(RegistryError):  # noqa: N818
    """Nothing is served here."""

    status = 503


def other_view(request: HttpRequest, bench: Bench, arguments: dict[str, Any], view: str) -> HttpResponse:
    """The same arguments in the other view; the form stays if they cannot be read, JSON if no form can say them."""
    if not {name for name in bench.problems if name == "raw" or name.startswith("arg.")}:
        bench.view = view
        bench.fill(arguments)
        if bench.view != view:
            bench.problems["raw"] = "The form has no fields for this: it stays JSON."
    return show_bench(request, bench, status=422 if bench.problems else 200)


def document_of(request: HttpRequest, bench: Bench) -> dict[str, Any]:
    """The document of the agent's version."""
    base = public_base(request)
    try:
        found = preview(bench.agent, bench.version, bench.call, base, stage_of(request))
    except RegistryError as error:
        bench.problems["version"] = sentence(error)
        return {}
    text = pretty(found.document)
    return {
        "preview": found,
        "document": text[:MAX_SHOWN],
        "cut": len(text) > MAX_SHOWN,
        "curl": document_curl(bench, base),
    }


def show_bench(
    request: HttpRequest, bench: Bench, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The page, or the tool alone."""
    about = {"bench": bench, "tools": TOOLS, "run": None, "preview": None, **(context or {})}
    return show(request, "pages/test.html", about, parts={"tool"}, status=status)


urlpatterns = [
    path("test/", test, name="test"),
    path("test/agents/", agent_names, name="test-agents"),
    path("test/run/", run_function, name="test-run"),
]
