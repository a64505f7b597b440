"""Signing in and out: with a password, or for the first time with a link that works once."""

import threading
import time

from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.doors import page, turned_away, with_headers
from registry.actions import people
from registry.base.errors import RegistryError
from registry.policy import Deed, of_user
from registry.requests import actor_of

BACKEND = "django.contrib.auth.backends.ModelBackend"
BY_LINK = "signed_in_by_link"  # in the session: when
CHOOSING_SECONDS = 900  # so long after it, a password may be chosen without the old one
CHECKS = threading.BoundedSemaphore(2)  # passwords that this process checks at once: each is a core's work for a while
CHECK_SECONDS = 2  # how long one waits for its turn


class SignInForm(AuthenticationForm):
    """User name and password."""

    error_messages = {
        "invalid_login": "User name and password do not match.",
        "inactive": "User name and password do not match.",
    }


class SignIn(LoginView):
    """With a password. django-axes counts the wrong ones."""

    template_name = "doors/sign_in.html"
    authentication_form = SignInForm

    def dispatch(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """Passwords are checked a few at a time; who waits for that holds no connection of the database."""
        if request.method in ("GET", "HEAD"):
            return self.answer(request, *args, **options)
        if not CHECKS.acquire(timeout=CHECK_SECONDS):
            return busy(request)
        try:
            return self.answer(request, *args, **options)
        finally:
            CHECKS.release()

    def answer(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """Whoever has signed in already goes on."""
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        return with_headers(super().dispatch(request, *args, **options))


def busy(request: HttpRequest) -> HttpResponse:
    """What somebody sees when too many sign in at once."""
    answer = page(request, "doors/busy.html", {"seconds": CHECK_SECONDS}, status=503)
    answer.headers["Retry-After"] = str(CHECK_SECONDS)
    return answer


class SignOut(LogoutView):
    """By POST only, so that no link and no picture signs anybody out."""

    next_page = "dashboard:sign-in"


def home(request: HttpRequest) -> HttpResponse:
    """The dashboard's address: on to the overview, for whoever may see it."""
    if not request.user.is_authenticated:
        return redirect("dashboard:sign-in")
    if not of_user(request.user).may(Deed.SEE):
        return turned_away(request)
    return redirect("dashboard:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
def sign_in_link(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """GET shows a button: previews and prefetchers of mail and chat must not use the link up. POST signs in."""
    if request.method != "POST":
        owner = people.owner_of(uid, token)
        return page(request, "doors/link.html", {"owner": owner}) if owner else used_link(request)
    member = people.use_link(uid, token)
    if member is None:
        return used_link(request)
    login(request, member, backend=BACKEND)
    request.session[BY_LINK] = time.time()
    return redirect("dashboard:password")


def used_link(request: HttpRequest) -> HttpResponse:
    """What an old, used or wrong link shows."""
    return page(request, "doors/link_used.html", status=410)


@sensitive_post_parameters()
@csrf_protect
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Choose a password: whoever has just come by a link, or has none, needs no old one."""
    assert isinstance(request.user, User)
    first = time.time() - request.session.get(BY_LINK, 0) < CHOOSING_SECONDS
    form = password_form(request, request.user, first)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                form.save()
                people.note_password_change(request.user, by=actor_of(request, "dashboard"))
        except RegistryError as error:
            form.add_error(None, str(error))
        else:
            request.session.pop(BY_LINK, None)
            update_session_auth_hash(request, request.user)  # this session goes on, all others end
            return page(request, "doors/password_changed.html")
    status = 422 if form.is_bound else 200
    return page(
        request, "doors/password.html", {"form": form, "first": first, "later": reverse("dashboard:home")}, status
    )


def password_form(request: HttpRequest, user: User, first: bool) -> "SetPasswordForm[User]":
    """Django's form, with the old password or without."""
    data = request.POST if request.method == "POST" else None
    form = SetPasswordForm(user, data) if first or not user.has_usable_password() else PasswordChangeForm(user, data)
    form.fields["new_password1"].help_text = "12 characters or more."
    form.fields["new_password2"].label = "The same again"
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    next(iter(form.fields.values())).widget.attrs["autofocus"] = True
    return form
