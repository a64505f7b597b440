"""Settings: tokens for scripts, made and shown once, listed, revoked."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone

from dashboard import toasts
from dashboard.pages.settings.sections import show_section
from dashboard.shell import page_for
from registry.actions.people import get_user, given_role
from registry.actions.tokens import MAX_DAYS, create_token, revoke_token, state_of
from registry.base.errors import Malformed, RegistryError
from registry.models import ApiToken
from registry.policy import ROLES, SCOPES, Deed, Level
from registry.requests import actor_of, principal_of, public_base

ROWS = 50  # of a page
EXPIRING = timedelta(days=14)  # before its end a token is called expiring: time for everybody to put in another
OFFERED = 200  # accounts that the form offers as owners; others can be typed
DAYS = ["30", "90", "365"]  # that the form offers
WHICH = {"": "All", "active": "Active", "expiring": "Expiring", "ended": "Expired or revoked"}
EFFECTS = {
    "read": "looks: registry, log, calls, replicas, audit, metrics",
    "operate": "and changes agents: register, publish, pause, apply, reveal credentials, run functions",
    "admin": "and administers: members, roles, tokens",
}


@page_for(Deed.SEE)
def tokens(request: HttpRequest) -> HttpResponse:
    """The tokens: everybody's for an Admin, else one's own. `revoke`: the key of one about to be revoked."""
    found = visible(request)
    which = request.GET.get("state", "")
    after = request.GET.get("after", "")
    listed = of_state(found, which)
    if after.isascii() and after.isdigit() and len(after) < 19:
        listed = listed.filter(pk__lt=int(after))
    rows = list(listed[: ROWS + 1])
    context = {
        "rows": [described(token) for token in rows[:ROWS]],
        "next": rows[ROWS - 1].pk if len(rows) > ROWS else None,
        "which": which if which in WHICH else "",
        "kinds": [(word, label, of_state(found, word).count()) for word, label in WHICH.items()],
        "revoking": revoking(request),
    }
    return show_section(request, "settings-tokens", "tokens", context, parts={"list"})


@page_for(Deed.ADMINISTER, methods=["GET", "HEAD", "POST"])
def new_token(request: HttpRequest) -> HttpResponse:
    """The form of a new token; a POST makes it and shows it, in this answer only."""
    if request.method != "POST":
        given = {"days": DAYS[1], "owner": principal_of(request).name, "scope": "read", **request.GET.dict()}
        return show_form(request, given)
    given = request.POST.dict()
    try:
        owner = get_user(given["owner"].strip()) if given.get("owner", "").strip() else None
    except RegistryError:
        words = "There is no such account. Leave it empty for a token that belongs to nobody."
        return show_form(request, given, {"owner": words})
    try:
        made = create_token(
            given.get("name", ""),
            given.get("scope", ""),
            by=actor_of(request, "dashboard"),
            days=days_of(given),
            owner=owner,
        )
    except Malformed as error:
        return show_form(request, given, error.problems or {"name": str(error)})
    context = {"made": described(made.token), "text": made.text, "base": public_base(request)}
    return show_section(request, "settings-tokens", "token_made", context)


@page_for(Deed.ADMINISTER, methods=["POST"])
def revoke(request: HttpRequest) -> HttpResponse:
    """Revoke a token by its visible key."""
    token, changed = revoke_token(request.POST.get("key", ""), by=actor_of(request, "dashboard"))
    fact = "Its next request is refused." if changed else "It was revoked before."
    toasts.say(request, f"{token.name} ({token.key}) is revoked. {fact}")
    return redirect("dashboard:settings-tokens")


def visible(request: HttpRequest) -> QuerySet[ApiToken]:
    """The tokens that somebody may see, newest first."""
    found = ApiToken.objects.select_related("owner").prefetch_related("owner__groups").order_by("-pk")
    if principal_of(request).may(Deed.ADMINISTER):
        return found
    return found.filter(owner__username=request.user.get_username())


def of_state(found: QuerySet[ApiToken], which: str) -> QuerySet[ApiToken]:
    """Those in a state of `WHICH`."""
    now = timezone.now()
    if which == "active":
        return found.filter(Q(expires=None) | Q(expires__gt=now), revoked=None)
    if which == "expiring":
        return found.filter(revoked=None, expires__gt=now, expires__lte=now + EXPIRING)
    if which == "ended":
        return found.exclude(revoked=None) | found.filter(expires__lte=now)
    return found


def described(token: ApiToken) -> dict[str, Any]:
    """A token with its status, and what keeps it from being worth what it says."""
    now = timezone.now()
    state = state_of(token, now)
    label = ""
    if state == "active" and token.owner and not token.owner.is_active:
        state, label = "switched_off", "Owner switched off"
    elif state == "active" and token.expires and token.expires <= now + EXPIRING:
        state = "expiring"
    less = ""
    if token.owner and state in ("active", "expiring"):
        role = given_role(token.owner)
        if (ROLES[role] if role else Level.NOTHING) < SCOPES[token.scope]:
            less = f"worth less: {token.owner.username} has {role or 'no role'}"
    return {"token": token, "state": state, "label": label, "less": less, "good": state in ("active", "expiring")}


def revoking(request: HttpRequest) -> ApiToken | None:
    """The token whose revocation is to be confirmed."""
    key = request.GET.get("revoke", "")
    if not key or not principal_of(request).may(Deed.ADMINISTER):
        return None
    return ApiToken.objects.select_related("owner").filter(key=key, revoked=None).first()


def days_of(given: dict[str, str]) -> int | None:
    """How long it is to live, None = until it is revoked."""
    chosen = given.get("days", "")
    if chosen == "never":
        return None
    text = given.get("other_days", "").strip() if chosen == "other" else chosen
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed("how long?", problems={"days": f"a whole number of days, 1 to {MAX_DAYS}"})
    return int(text)


def show_form(request: HttpRequest, given: dict[str, str], problems: dict[str, str] | None = None) -> HttpResponse:
    """The form, with what was typed."""
    context = {
        "given": given,
        "problems": problems or {},
        "effects": EFFECTS,
        "days": DAYS,
        "max_days": MAX_DAYS,
        "owners": User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)[:OFFERED],
    }
    return show_section(request, "settings-tokens", "token_new", context, status=422 if problems else 200)


urlpatterns = [
    path("settings/tokens/", tokens, name="settings-tokens"),
    path("settings/tokens/new/", new_token, name="settings-token-new"),
    path("settings/tokens/revoke/", revoke, name="settings-token-revoke"),
]
