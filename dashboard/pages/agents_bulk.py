"""Acts on the agents that somebody has picked in the list, and the example fleet."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from agents.models import Agent
from dashboard import toasts
from dashboard.shell import page_for, show
from registry.actions import bulk, effects
from registry.actions.pauses import MAX_PAUSE_MESSAGE, PAUSE_MESSAGE
from registry.actions.transaction import Actor, Change
from registry.base.errors import RegistryError
from registry.fleet.export import export_fleet
from registry.installation import register_examples
from registry.policy import Deed
from registry.requests import actor_of

# Acts that say their effect, or ask for something, before they are carried out.
STEPS = {"pause": "Pause", "tag": "Tag", "unregister": "Unregister"}


@page_for(Deed.CHANGE, methods=["POST"])
def act(request: HttpRequest) -> HttpResponse:
    """Carry out an act on the picked agents, or first say what it would do."""
    names, verb = picked(request), request.POST.get("act", "")
    if not names or verb not in ACTS:
        toasts.say(request, "Nothing was changed: pick agents first." if not names else "Nothing was changed.")
        return redirect(back_of(request))
    if verb in STEPS and "confirmed" not in request.POST:
        return step(request, verb, names)
    try:
        ACTS[verb](request, names, actor_of(request, "dashboard"))
    except RegistryError as error:
        if verb in STEPS:
            return step(request, verb, names, problem=error)
        toasts.say(request, f"Nothing was changed: {error}.", tone="bad")
    return redirect(back_of(request))


@page_for(Deed.SEE, methods=["POST"])
def export(request: HttpRequest) -> HttpResponse:
    """The picked agents as a fleet document, which `apply` and Import read."""
    headers = {"Content-Disposition": 'attachment; filename="agents.yaml"'}
    return HttpResponse(
        export_fleet(set(picked(request))), content_type="application/yaml; charset=utf-8", headers=headers
    )


@page_for(Deed.CHANGE, methods=["POST"])
def example(request: HttpRequest) -> HttpResponse:
    """Register the example fleet."""
    names = register_examples(by=actor_of(request, "dashboard"), wait=True)
    say(request, f"Registered the example fleet: {', '.join(names)}", undo="unregister", names=names)
    return redirect("dashboard:agents")


# --- acts ------------------------------------------------------------------------------------------------------------


def pause(request: HttpRequest, names: Sequence[str], by: Actor) -> None:
    """New calls hear a message."""
    changes = bulk.pause_many(names, request.POST.get("message", ""), by=by, wait=True)
    heard_another = any(change.changed and change.former["state"] == Agent.State.PAUSED for change in changes)
    tell(request, "Paused", changes, undo="" if heard_another else "resume")


def resume(request: HttpRequest, names: Sequence[str], by: Actor) -> None:
    """New calls are answered again."""
    tell(request, "Resumed", bulk.resume_many(names, by=by, wait=True))


def tag(request: HttpRequest, names: Sequence[str], by: Actor) -> None:
    """Give tags, or take them away."""
    remove = request.POST.get("remove") == "1"
    text = request.POST.get("tags", "")
    tags = [part for part in (each.strip() for each in text.split(",")) if part]
    changes = bulk.tag_many(names, tags, by=by, remove=remove, wait=True)
    word = f"{'Took' if remove else 'Put'} {', '.join(tags)} {'off' if remove else 'on'}"
    # Undo says the same to all: it would take away what some of them had, or give what they had not.
    exact = all(
        sum(tag in change.former["tags"] for tag in {*tags}) == remove * len({*tags})
        for change in changes
        if change.changed
    )
    tell(request, word, changes, undo="tag" if exact else "", tags=text, remove="" if remove else "1")


def unregister(request: HttpRequest, names: Sequence[str], by: Actor) -> None:
    """Into the trash."""
    tell(request, "Unregistered", bulk.unregister_many(names, by=by, wait=True), undo="restore")


def restore(request: HttpRequest, names: Sequence[str], by: Actor) -> None:
    """Out of the trash."""
    changes = bulk.restore_many(names, by=by, wait=True)
    skipped = {name: owner for change in changes for name, owner in change.skipped.items()}
    lost = "".join(f"; the SIP name {name} belongs to {owner} now" for name, owner in sorted(skipped.items()))
    tell(request, "Restored", changes, more=lost)


ACTS = {"pause": pause, "resume": resume, "tag": tag, "unregister": unregister, "restore": restore}


def tell(
    request: HttpRequest, word: str, changes: Sequence[Change], *, undo: str = "", more: str = "", **fields: str
) -> None:
    """Say what was done to how many, and offer to take it back for those that it changed."""
    done = [change.agent for change in changes if change.changed]
    if not done:
        toasts.say(request, "Nothing was changed: all of them were so already.")
        return
    same = f" ({len(changes) - len(done)} were so already)" if len(done) < len(changes) else ""
    text = f"{word} {named(done)}{toasts.everywhere(changes[-1])}{same}{more}"
    say(request, text, undo=undo, names=done, **fields)


def say(request: HttpRequest, text: str, *, undo: str, names: Sequence[str], **fields: str) -> None:
    """A toast with Undo, if there is one, on the page that is open then."""
    fields |= {"act": undo, "names": " ".join(names), "confirmed": "1", "back": back_of(request)}
    toasts.say(request, f"{text}.", undo=reverse("dashboard:agents-bulk") if undo else "", fields=fields)


def named(names: Sequence[str]) -> str:
    """One by its name, more by their number."""
    return names[0] if len(names) == 1 else f"{len(names)} agents"


# --- what was sent ---------------------------------------------------------------------------------------------------


def step(request: HttpRequest, verb: str, names: Sequence[str], problem: RegistryError | None = None) -> HttpResponse:
    """The page before the act: its effect, and what it needs."""
    context: dict[str, Any] = {
        "verb": verb,
        "word": STEPS[verb],
        "names": names,
        "told": named(names),
        "back": back_of(request),
        "problem": problem,
        "message": request.POST.get("message", ""),
        "usual": PAUSE_MESSAGE,
        "most": MAX_PAUSE_MESSAGE,
        "tags": request.POST.get("tags", ""),
        "remove": request.POST.get("remove", ""),
        "effect": effects.effect_of_unregistering(names) if verb == "unregister" else None,
        "not_reached": effects.not_reached(names) if verb == "pause" else [],
    }
    return show(request, "pages/agents/step.html", context, status=problem.status if problem else 200)


def picked(request: HttpRequest) -> list[str]:
    """The names of the agents that are meant, each once: checkboxes, or all in one field."""
    given = [*request.POST.getlist("name"), *request.POST.get("names", "").split()]
    return list(dict.fromkeys(name for name in given if name))


def back_of(request: HttpRequest) -> str:
    """The list as it was when somebody picked."""
    here = reverse("dashboard:agents")
    back = request.POST.get("back", "")
    return back if back.startswith(here) and url_has_allowed_host_and_scheme(back, None) else here


urlpatterns = [
    path("fleet/act/", act, name="agents-bulk"),
    path("fleet/export/", export, name="agents-export"),
    path("fleet/example/", example, name="agents-example"),
]
