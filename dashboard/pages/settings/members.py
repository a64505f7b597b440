"""Settings: members, their roles, and the links with which they sign in."""

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from dashboard import toasts
from dashboard.fields import line_of
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.actions import people
from registry.base.errors import Conflict, Malformed, Outdated, sentence
from registry.models import Member
from registry.policy import Deed
from registry.requests import actor_of, public_base

ROWS = 50  # of a page
ATTEMPTS = 10  # of those who guess passwords
MAY = {
    "Viewer": "looks at everything but secrets",
    "Operator": "and changes agents, runs functions, reveals credentials",
    "Admin": "and manages members and tokens",
}


@page_for(Deed.ADMINISTER)
def members(request: HttpRequest) -> HttpResponse:
    """The accounts. `edit`: the user name of the one that is open."""
    name = request.GET.get("edit", "")
    member = Member.objects.filter(username=name).prefetch_related("groups").first()
    return show_members(request, opened(member) if member else {})


@page_for(Deed.ADMINISTER, methods=["GET", "HEAD", "POST"])
def new_member(request: HttpRequest) -> HttpResponse:
    """The form of a new account; a POST makes it and shows its sign-in link, in this answer only."""
    if request.method != "POST":
        return show_form(request, {"role": "Viewer", **request.GET.dict()})
    given = request.POST.dict()
    name = given.get("username", "").strip()
    try:
        people.add_member(
            name,
            given.get("role", ""),
            by=actor_of(request, "dashboard"),
            staff="staff" in given,
            email=given.get("email", "").strip(),
        )
    except Malformed as error:
        return show_form(request, given, error.problems or {"username": str(error)})
    except Conflict as error:
        return show_form(request, given, {"username": sentence(error, name)})
    return show_link(request, name)


@page_for(Deed.ADMINISTER, methods=["POST"])
def save_member(request: HttpRequest) -> HttpResponse:
    """Change an account: role, e-mail, staff, active."""
    given = request.POST.dict()
    name = given.get("username", "")
    member = Member.objects.filter(username=name).prefetch_related("groups").first()
    if member is None:
        people.get_user(name)
        return redirect("dashboard:settings-members")
    active, staff = "active" in given, "staff" in given
    wanted: dict[str, Any] = {
        "role": given.get("role", ""),
        "email": given.get("email", "").strip(),
        "active": active,
        "staff": staff,
    }
    try:
        changed = people.update_member(
            name,
            by=actor_of(request, "dashboard"),
            role=wanted["role"] or None,
            active=active,
            staff=staff,
            email=wanted["email"],
            expected=[given.get("tag", "")],
        )
    except Malformed as error:
        return show_members(request, opened(member, wanted, error.problems or {"role": str(error)}), 422)
    except Outdated:
        words = "Somebody has changed this account since you opened it. What you see now is how it is."
        return show_members(request, opened(member, problems={"all": words}), 412)
    except Conflict as error:
        field = "active" if not active and wanted["role"] == (people.given_role(member) or "") else "role"
        return show_members(request, opened(member, wanted, {field: sentence(error, name)}), 409)
    fields = undo_fields(member)
    if changed:
        toasts.say(
            request, changed_line(name, member, wanted), undo=reverse("dashboard:settings-member-save"), fields=fields
        )
    else:
        toasts.say(request, f"{name} was so already.")
    return redirect("dashboard:settings-members")


@page_for(Deed.ADMINISTER, methods=["POST"])
def make_link(request: HttpRequest) -> HttpResponse:
    """Show a new sign-in link of an account, in this answer only."""
    return show_link(request, request.POST.get("username", ""))


def show_members(request: HttpRequest, open_one: dict[str, Any], status: int = 200) -> HttpResponse:
    """The list, and the account that is open."""
    text, after = line_of(request.GET, "q"), request.GET.get("after", "")
    found = Member.objects.prefetch_related("groups").order_by("username")
    if text:
        found = found.filter(Q(username__has_text=text) | Q(email__has_text=text))
    rows = list(found.filter(username__gt=after)[: ROWS + 1]) if after else list(found[: ROWS + 1])
    attempts = AccessAttempt.objects.order_by("-attempt_time").values(
        "username", "ip_address", "attempt_time", "failures_since_start"
    )
    context = {
        "rows": [described(member) for member in rows[:ROWS]],
        "next": rows[ROWS - 1].username if len(rows) > ROWS else None,
        "q": text,
        "opened": open_one,
        "roles": MAY,
        "attempts": [
            {**attempt, "locked": attempt["failures_since_start"] >= settings.AXES_FAILURE_LIMIT}
            for attempt in attempts[:ATTEMPTS]
        ],
        "limit": settings.AXES_FAILURE_LIMIT,
        "minutes": int(settings.AXES_COOLOFF_TIME.total_seconds() // 60),
    }
    return show_section(request, "settings-members", "members", context, parts={"list"}, status=status)


def show_form(request: HttpRequest, given: dict[str, str], problems: dict[str, str] | None = None) -> HttpResponse:
    """The form of a new account, with what was typed."""
    context = {"given": given, "problems": problems or {}, "roles": MAY}
    return show_section(request, "settings-members", "member_new", context, status=422 if problems else 200)


def show_link(request: HttpRequest, name: str) -> HttpResponse:
    """A page with a new sign-in link."""
    link = people.make_sign_in_link(name, by=actor_of(request, "dashboard"))
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    context = {"name": name, "link": f"{public_base(request)}{link}", "hours": hours}
    return show_section(request, "settings-members", "member_link", context)


def opened(
    member: Member, wanted: dict[str, Any] | None = None, problems: dict[str, str] | None = None
) -> dict[str, Any]:
    """The account that is open, with what was typed."""
    present = {
        "role": people.given_role(member) or "",
        "email": member.email,
        "active": member.is_active,
        "staff": member.is_staff,
    }
    return {
        "member": member,
        "tag": people.member_tag(member),
        "given": wanted or present,
        "problems": problems or {},
        "last_admin": people.admins() == {member.pk},
        "tokens": member.api_tokens.filter(revoked=None).count(),
    }


def described(member: Member) -> dict[str, Any]:
    """An account in the list."""
    came = member.last_login is not None or member.has_usable_password()
    state = "switched_off" if not member.is_active else "active" if came else "invited"
    return {
        "member": member,
        "role": people.given_role(member),
        "state": state,
        "password": member.has_usable_password(),
    }


def undo_fields(before: Member) -> dict[str, str]:
    """What gives an account back what it had; refused if somebody has changed it meanwhile."""
    now = Member.objects.prefetch_related("groups").get(pk=before.pk)
    fields = {"username": before.username, "email": before.email, "tag": people.member_tag(now)}
    fields["role"] = people.given_role(before) or ""
    return fields | {word: "on" for word, was in (("active", before.is_active), ("staff", before.is_staff)) if was}


def changed_line(name: str, before: Member, wanted: dict[str, Any]) -> str:
    """What has changed, in a sentence."""
    role, was = wanted["role"] or "no role", people.given_role(before) or "no role"
    said = [f"has {role} instead of {was}"] if role != was else []
    if wanted["active"] != before.is_active:
        said.append("may sign in again" if wanted["active"] else "is switched off: sessions and tokens are refused")
    return f"{name} {' and '.join(said)}." if said else f"{name} is changed."


urlpatterns = [
    path("settings/members/", members, name="settings-members"),
    path("settings/members/new/", new_member, name="settings-member-new"),
    path("settings/members/save/", save_member, name="settings-member-save"),
    path("settings/members/link/", make_link, name="settings-member-link"),
]
