"""The sections of Settings: their list at the side, and the frame that they share."""

from collections.abc import Collection
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse

from dashboard.shell import show
from registry.policy import Deed
from registry.requests import principal_of


class Section(NamedTuple):
    """One of them, by the name of its URL."""

    url: str
    word: str
    deed: Deed = Deed.SEE


SECTIONS = [
    Section("settings-tokens", "API tokens"),
    Section("settings-members", "Members", Deed.ADMINISTER),
    Section("settings-replicas", "Replicas"),
    Section("settings-audit", "Audit"),
    Section("settings-retention", "Retention"),
    Section("settings-health", "Health"),
    Section("settings-apply", "Import and export"),
    Section("settings-adopt", "Adopt", Deed.CHANGE),
    Section("settings-trash", "Trash"),
]


def sections_for(request: HttpRequest) -> list[Section]:
    """Those that whoever asks may see."""
    principal = principal_of(request)
    return [section for section in SECTIONS if principal.may(section.deed)]


def show_section(
    request: HttpRequest,
    here: str,
    template: str,
    context: dict[str, Any],
    *,
    parts: Collection[str] = (),
    status: int = 200,
) -> HttpResponse:
    """A page of Settings. `here`: the URL name of its section."""
    section = next(section for section in SECTIONS if section.url == here)
    about = {"sections": sections_for(request), "section": section, **context}
    return show(request, f"pages/settings/{template}.html", about, parts=parts, status=status)
