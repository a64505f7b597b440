"""Signing in by link and by password, out again, and what those see who may not go on."""

import re
import threading
from html.parser import HTMLParser

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser

from dashboard import sign_in
from dashboard.hasher import Hasher
from registry.actions import people
from registry.models import Member
from tests.registry.log.test_writer import apart

PASSWORD = "a wholly unguessable one"
MemberEvent = Member.events.rel.related_model


@pytest.fixture
def browser(db) -> Browser:
    return Browser(enforce_csrf_checks=True)


@pytest.fixture
def make_member(db, actor):
    """Makes accounts."""

    def make(name="bob", role="Viewer", password=None, **options):
        member = people.add_member(name, role or "Viewer", by=actor, **options)
        if role is None:
            people.set_role(name, None, by=actor)
        if password:
            member.set_password(password)
            member.save()
        return member

    return make


@pytest.fixture
def link(make_member, actor) -> str:
    make_member()
    return people.make_sign_in_link("bob", by=actor)


def post(browser, path, data=None, page=None, **options):
    """Send the form of a page, with its CSRF token."""
    shown = browser.get(page or path).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
    return browser.post(path, {**(data or {}), "csrfmiddlewaretoken": token[1] if token else ""}, **options)


def signed_in_as(browser) -> str | None:
    user = User.objects.filter(pk=browser.session.get("_auth_user_id")).first()
    return user.username if user else None


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_shows_a_button_and_only_the_button_uses_it(browser, link):
    for _ in range(2):
        assert "Sign in as bob" in browser.get(link).content.decode()
        assert browser.head(link).status_code == 200
    assert signed_in_as(browser) is None
    answer = post(browser, link)
    assert (answer.status_code, answer.headers["location"]) == (302, "/dashboard/password/")
    assert signed_in_as(browser) == "bob"


def test_a_used_link_is_gone_for_everybody_and_says_what_to_do(browser, link):
    post(browser, link)
    for answer in (Browser().get(link), Browser().post(link)):
        assert answer.status_code == 410
        assert "member link" in answer.content.decode()
    assert "signed in as bob already" in browser.get(link).content.decode()


def test_a_link_needs_the_token_of_its_page(browser, link):
    assert browser.post(link).status_code == 403
    assert signed_in_as(browser) is None
    assert browser.get(link).status_code == 200


@pytest.mark.parametrize("path", ["AAAA/x-y", "NjY2/abc-def", "!/x", f"{'9' * 400}/a-b"])
def test_a_link_that_is_nobodys_is_gone(browser, path):
    assert browser.get(f"/dashboard/sign-in/link/{path}/").status_code == 410


def test_a_link_of_an_account_that_was_switched_off_is_gone(browser, link, actor):
    people.set_active("bob", False, by=actor)
    assert browser.get(link).status_code == 410


def test_a_link_makes_a_new_session(browser, link, make_member):
    make_member("eve", password=PASSWORD)
    post(browser, "/dashboard/sign-in/", {"username": "eve", "password": PASSWORD})
    before = browser.session.session_key
    assert "signs eve out here" in " ".join(browser.get(link).content.decode().split())
    post(browser, link)
    assert signed_in_as(browser) == "bob"
    assert browser.session.session_key != before


# --- choosing a password ---------------------------------------------------------------------------------------------


def test_whoever_came_by_a_link_may_choose_a_password_without_the_old_one(browser, link, make_member):
    post(browser, link)
    page = browser.get("/dashboard/password/").content.decode()
    assert "Not now" in page
    assert "old_password" not in page
    answer = post(browser, "/dashboard/password/", {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert "Your password is set" in answer.content.decode()
    assert signed_in_as(browser) == "bob", "this session goes on"
    event = MemberEvent.objects.filter(pgh_label="password_changed").latest("pgh_id")
    assert (event.username, event.pgh_context.metadata["user"]) == ("bob", "bob")
    assert event.pgh_context.metadata["via"] == "dashboard"
    assert event.pgh_context.metadata["address"] == "127.0.0.1"
    assert event.pgh_context.metadata["request_id"]
    assert "old_password" in browser.get("/dashboard/password/").content.decode(), "from now on"


def test_a_password_is_not_chosen_without_the_old_one_later(browser, make_member, actor, monkeypatch):
    make_member(password=PASSWORD)
    link = people.make_sign_in_link("bob", by=actor)
    post(browser, link)
    assert "old_password" not in browser.get("/dashboard/password/").content.decode()
    monkeypatch.setattr("dashboard.sign_in.CHOOSING_SECONDS", 0)
    answer = post(browser, "/dashboard/password/", {"new_password1": "other " + PASSWORD, "new_password2": ""})
    assert answer.status_code == 422
    assert "old_password" in answer.content.decode()


@pytest.mark.parametrize(("password", "said"), [("short", "at least 12"), ("password1234", "too common")])
def test_a_poor_password_is_refused_beside_the_field(browser, link, password, said):
    post(browser, link)
    answer = post(browser, "/dashboard/password/", {"new_password1": password, "new_password2": password})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not User.objects.get().has_usable_password()


def test_other_sessions_end_with_the_old_password(browser, make_member):
    make_member(password=PASSWORD)
    other = Browser(enforce_csrf_checks=True)
    for one in (browser, other):
        post(one, "/dashboard/sign-in/", {"username": "bob", "password": PASSWORD})
    new = "another " + PASSWORD
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert post(browser, "/dashboard/password/", data).status_code == 200
    assert browser.get("/dashboard/").headers["location"] == "/dashboard/overview/"
    assert other.get("/dashboard/").headers["location"] == "/dashboard/sign-in/"


# --- with a password -------------------------------------------------------------------------------------------------


def test_a_password_signs_in_and_the_button_signs_out(browser, make_member):
    make_member(password=PASSWORD, role="Operator")
    answer = post(browser, "/dashboard/sign-in/", {"username": "bob", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (302, "/dashboard/")
    page = browser.get("/dashboard/", follow=True).content.decode()
    assert '<b>bob</b> <span class="quiet">Operator</span>' in page
    assert browser.get("/dashboard/sign-out/").status_code == 405
    assert signed_in_as(browser) == "bob"
    answer = post(browser, "/dashboard/sign-out/", page="/dashboard/overview/")
    assert answer.headers["location"] == "/dashboard/sign-in/"
    assert signed_in_as(browser) is None


def test_a_wrong_password_says_no_more_than_that(browser, make_member):
    make_member(password=PASSWORD)
    make_member("off", password=PASSWORD)
    User.objects.filter(username="off").update(is_active=False)
    said = set()
    for name, password in (("bob", "wrong"), ("nobody", "wrong"), ("off", PASSWORD)):
        page = post(browser, "/dashboard/sign-in/", {"username": name, "password": password}).content.decode()
        said.add(re.search(r"<span>(.*?)</span>", page)[1])
    assert said == {"User name and password do not match."}


@pytest.mark.parametrize(
    ("target", "landed"),
    [
        ("/admin/registry/route/", "/admin/registry/route/"),
        ("https://evil.example/", "/dashboard/"),
        ("//evil.example/", "/dashboard/"),
        ("javascript:alert(1)", "/dashboard/"),
    ],
)
def test_where_one_goes_next_is_here(browser, make_member, target, landed):
    make_member(password=PASSWORD, staff=True)
    page = f"/dashboard/sign-in/?next={target}"
    answer = post(browser, page, {"username": "bob", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == landed


def test_who_guesses_waits_but_only_there_and_a_link_still_works(browser, make_member, actor):
    make_member(password=PASSWORD)
    make_member("eve", password=PASSWORD)
    wrong = {"username": "bob", "password": "wrong"}
    for _ in range(5):
        answer = post(browser, "/dashboard/sign-in/", wrong)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")
    assert answer.headers["cache-control"] == "no-store"
    assert "member link" in answer.content.decode()
    right = {"username": "bob", "password": PASSWORD}
    assert post(browser, "/dashboard/sign-in/", right).status_code == 429
    elsewhere = Browser(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.9")
    assert post(elsewhere, "/dashboard/sign-in/", right).status_code == 302
    assert post(browser, "/dashboard/sign-in/", {**right, "username": "eve"}).status_code == 302
    assert post(Browser(enforce_csrf_checks=True), people.make_sign_in_link("bob", by=actor)).status_code == 302


@pytest.fixture
def taken(monkeypatch):
    """Somebody else's passwords are being checked, for as long as the test goes on."""
    checks = threading.BoundedSemaphore(2)
    monkeypatch.setattr(sign_in, "CHECKS", checks)
    for _ in range(2):
        assert checks.acquire(blocking=False)
    return checks


def test_when_too_many_sign_in_at_once_others_come_again_and_take_no_connection(
    browser, make_member, taken, django_assert_num_queries
):
    make_member(password=PASSWORD)
    right = {"username": "bob", "password": PASSWORD}
    with django_assert_num_queries(0):
        answer = Browser(headers={"cookie": "sessionid=x"}).post("/dashboard/sign-in/", right)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "Too many people" in answer.content.decode()
    assert answer.headers["cache-control"] == "no-store"
    assert browser.get("/dashboard/sign-in/").status_code == 200, "the page itself needs no turn"
    taken.release()
    for _ in range(3):
        assert post(Browser(enforce_csrf_checks=True), "/dashboard/sign-in/", right).status_code == 302
        assert post(browser, "/dashboard/sign-in/", {**right, "password": "wrong"}).status_code == 200
    assert taken.acquire(blocking=False), "every turn is given back"


def test_a_password_is_hashed_as_often_as_django_advises(monkeypatch):
    monkeypatch.delattr(Hasher, "iterations")  # all other tests hash once: see tests/conftest.py
    hashed = make_password(PASSWORD)
    assert Hasher().decode(hashed)["iterations"] == PBKDF2PasswordHasher.iterations > 500_000
    assert check_password(PASSWORD, hashed)


def test_no_connection_is_held_while_a_password_is_hashed(db, monkeypatch):
    held = []
    encode = PBKDF2PasswordHasher.encode

    def noting(*arguments, **options):
        held.append(connection.connection is not None)
        return encode(*arguments, **options)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", noting)

    def sign_in():
        hashed = make_password(PASSWORD)
        connection.ensure_connection()
        assert check_password(PASSWORD, hashed)
        Browser().post("/dashboard/sign-in/", {"username": "nobody", "password": "x"})
        AccessAttempt.objects.all().delete()  # it is committed

    apart(sign_in)
    assert held == [False] * len(held)
    assert len(held) >= 3


# --- who may not go on -----------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_the_sign_in_page_with_where_they_wanted_to_go(browser):
    answer = browser.get("/admin/registry/route/?q=x", follow=True)
    assert answer.redirect_chain[-1][0] == "/dashboard/sign-in/?next=%2Fadmin%2Fregistry%2Froute%2F%3Fq%3Dx"
    assert browser.get("/dashboard/", follow=True).redirect_chain == [("/dashboard/sign-in/", 302)]
    assert browser.get("/dashboard/password/").headers["location"].startswith("/dashboard/sign-in/?next=")


@pytest.mark.parametrize(
    ("role", "staff", "said"),
    [(None, True, "no role yet"), (None, False, "no role yet"), ("Admin", False, "for staff")],
)
def test_an_account_that_may_not_use_the_admin_is_told_so_once(browser, make_member, role, staff, said):
    member = make_member(role=role, staff=staff)
    browser.force_login(member, backend="django.contrib.auth.backends.ModelBackend")
    paths = ["/admin/", "/admin/registry/route/", "/dashboard/sign-in/?next=/admin/"]
    for path in paths if role else [*paths, "/dashboard/"]:
        answer = browser.get(path, follow=True)
        assert answer.status_code == 403, path
        assert len(answer.redirect_chain) <= 2
        assert said in answer.content.decode()


def test_whoever_has_signed_in_goes_on_to_the_overview_and_staff_from_there_to_the_admin(browser, make_member):
    browser.force_login(make_member(staff=True), backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.get("/dashboard/sign-in/", follow=True)
    assert answer.redirect_chain[-1][0] == "/dashboard/overview/"
    assert 'href="/admin/"' in answer.content.decode()
    answer = browser.get("/admin/")
    assert browser.get("/admin/password_change/").headers["location"] == "/dashboard/password/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.content.decode())[1]
    answer = browser.post("/admin/logout/", {"csrfmiddlewaretoken": token})
    assert answer.headers["location"] == "/dashboard/sign-in/"
    assert browser.get("/admin/").status_code == 302


# --- what the pages are made of --------------------------------------------------------------------------------------


class Marks(HTMLParser):
    """Collects what would need another policy."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes if name == "style" or name.startswith("on")]
        if tag in ("script", "style") or names:
            self.found.append((tag, names))


def test_every_page_has_the_headers_and_no_inline_style_or_script(browser, link, make_member):
    shown = [browser.get("/dashboard/sign-in/"), browser.get(link), browser.get("/dashboard/sign-in/link/x/y-z/")]
    shown.append(post(browser, "/dashboard/sign-in/", {"username": "bob", "password": "wrong"}))
    post(browser, link)
    shown += [browser.get("/dashboard/password/"), browser.get("/admin/login/")]
    shown.append(post(browser, "/dashboard/password/", {"new_password1": "a", "new_password2": "b"}))
    for answer in shown:
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] == "same-origin"
        marks = Marks()
        marks.feed(answer.content.decode())
        assert marks.found == []
        assert 'href="/static/css/base.css"' in answer.content.decode()
