"""Settings: a whole fleet in, with its plan first, and out."""

import base64
import zlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from dashboard import toasts
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.base.errors import Malformed, Outdated, RegistryError
from registry.fleet.apply import Result, apply_plan, make_plan
from registry.fleet.document import UPLOAD_BYTES, UPLOAD_MARKS, marks_of
from registry.fleet.export import export_fleet
from registry.fleet.lines import shortened
from registry.fleet.plan import ABSENT, Plan, Step
from registry.policy import Deed
from registry.requests import actor_of

STEPS = 200  # of a plan that are shown; the totals count all
DIFFERENCES = 20  # of an agent
ACTIONS = {"add": ("ok", "Add"), "change": ("sent", "Change"), "remove": ("bad", "Remove")}


@page_for(Deed.SEE)
def apply(request: HttpRequest) -> HttpResponse:
    """The form for a document, and the download of what is registered."""
    return show_form(request, {})


@page_for(Deed.CHANGE, methods=["GET", "HEAD", "POST"], documents=("document",))
def plan(request: HttpRequest) -> HttpResponse:
    """POST `act=plan`: what a document would change. `act=apply`: carry out exactly the plan of this `digest`.

    The document comes as a file or typed; from the plan's own page packed, because a form's field is limited.
    """
    if request.method != "POST":
        return redirect("dashboard:settings-apply")
    given: dict[str, Any] = {"remove": "remove" in request.POST, "typed": request.POST.get("document", "")}
    try:
        document = document_of(request)
        if request.POST.get("act") == "apply":
            return carry_out(request, document, given)
        present = make_plan(document, by=actor_of(request, "dashboard"), remove=given["remove"])
        return show_plan(request, document, given, present)
    except RegistryError as error:
        return show_form(request, given, error)


@page_for(Deed.SEE)
def export(request: HttpRequest) -> HttpResponse:
    """The whole registry as YAML, without any secret."""
    headers = {"Content-Disposition": 'attachment; filename="fleet.yaml"'}
    return HttpResponse(export_fleet(), content_type="application/yaml; charset=utf-8", headers=headers)


def carry_out(request: HttpRequest, document: bytes, given: dict[str, Any]) -> HttpResponse:
    """Apply it; if something has changed since the plan, show the new one instead."""
    digest, by = request.POST.get("digest", ""), actor_of(request, "dashboard")
    try:
        result = apply_plan(document, remove=given["remove"], expected_digest=digest, by=by, wait=True)
    except Outdated:
        again = make_plan(document, by=by, remove=given["remove"])
        return show_plan(request, document, given, again, outdated=True)
    audit = f"{reverse('dashboard:settings-audit')}?request_id={by.request_id}"
    if result.credentials:
        context = {"result": result, "audit": audit, "fact": fact(result)}
        return show_section(request, "settings-apply", "applied", context)
    toasts.say(request, fact(result))
    return redirect(audit if result.changed and by.request_id else "dashboard:settings-apply")


def fact(result: Result) -> str:
    """What was applied, in a sentence."""
    if not result.changed:
        return "Everything was so already: nothing was changed."
    totals, told = result.plan.totals, result.everywhere
    words = [(totals["add"], "added"), (totals["change"], "changed"), (totals["remove"], "put into the trash")]
    where = f" on {told.reached}/{told.live} workers" if told and told.live else ""
    return f"Applied{where}: {', '.join(f'{count} {word}' for count, word in words if count)}."


def document_of(request: HttpRequest) -> bytes:
    """The document that was sent; `Malformed` without one, or if it is too large."""
    packed = request.POST.get("packed", "")
    uploaded = request.FILES.get("file")
    if packed:
        text = unpacked(packed)
    elif uploaded is not None:
        text = uploaded.read(UPLOAD_BYTES + 1)
    else:
        text = request.POST.get("document", "").encode(errors="surrogatepass")
    if not text.strip():
        raise Malformed("choose a file, or paste a document")
    if len(text) > UPLOAD_BYTES or marks_of(text) > UPLOAD_MARKS:
        raise Malformed("the document is too large for a page: use `python3 manage.py apply`, which has no limit")
    return text


def pack(document: bytes) -> str:
    """A document as a form's field, so that what is applied is what was planned."""
    return base64.b64encode(zlib.compress(document, 6)).decode()


def unpacked(text: str) -> bytes:
    """What `pack` made; never more than a document may have."""
    try:
        return zlib.decompressobj().decompress(base64.b64decode(text, validate=True), UPLOAD_BYTES + 1)
    except (ValueError, zlib.error):
        raise Malformed("the document did not come back as it was: make the plan again") from None


def show_form(request: HttpRequest, given: dict[str, Any], error: RegistryError | None = None) -> HttpResponse:
    """The form, with what was typed and what is wrong with it."""
    problems = dict(error.problems) if error else {}
    context = {
        "given": given,
        "error": "" if error is None else error.summary if problems else str(error),
        "problems": problems,
        "megabytes": UPLOAD_BYTES // 2**20,
    }
    return show_section(request, "settings-apply", "apply", context, status=error.status if error else 200)


def show_plan(
    request: HttpRequest, document: bytes, given: dict[str, Any], plan: Plan, *, outdated: bool = False
) -> HttpResponse:
    """The plan, and the button that carries it out."""
    packed = pack(document)
    room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 4096  # for the form's other fields
    context = {
        "given": given,
        "plan": plan,
        "steps": [described(step) for step in plan.steps[:STEPS]],
        "more": max(0, len(plan.steps) - STEPS),
        "packed": packed if len(packed) <= room else "",
        "outdated": outdated,
        "losing": sorted(name for step in plan.steps if step.action == "remove" for name in step.sip),
    }
    status = 412 if outdated else 422 if plan.all_problems else 200
    return show_section(request, "settings-apply", "plan", context, status=status)


def described(step: Step) -> dict[str, Any]:
    """What becomes of one agent, in words."""
    tone, word = ACTIONS[step.action]
    differences = [
        {
            "path": difference.path,
            "before": None if difference.before is ABSENT else shortened(difference.before),
            "after": None if difference.after is ABSENT else shortened(difference.after),
        }
        for difference in step.differences[:DIFFERENCES]
    ]
    return {
        "step": step,
        "tone": tone,
        "word": word,
        "differences": differences,
        "more": max(0, len(step.differences) - DIFFERENCES),
    }


urlpatterns = [
    path("settings/apply/", apply, name="settings-apply"),
    path("settings/apply/plan/", plan, name="settings-apply-plan"),
    path("settings/apply/fleet.yaml", export, name="settings-export"),
]
