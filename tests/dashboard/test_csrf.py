import re

import pytest
from django.test import Client

from tests.dashboard.browsing import signed_in, words_of

PAGE = "/dashboard/sign-in/"
MENU = ("Live log", "Routing", "Settings", "failing")


@pytest.fixture
def stranger(db) -> Client:
    return Client(enforce_csrf_checks=True)


def form(client, **data):
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(PAGE).content.decode())
    return {"username": "bob", "password": "x", "csrfmiddlewaretoken": token[1] if token else "", **data}


def test_a_form_from_elsewhere_is_refused_with_the_settings_that_would_make_it_ours(stranger):
    answer = stranger.post(PAGE, form(stranger), headers={"Origin": "https://testserver"})
    assert answer.status_code == 403
    said = words_of(answer)
    for word in ("https://testserver", "http://testserver", "PUBLIC_URL", "TRUSTED_PROXIES", "ALLOWED_HOSTS"):
        assert word in said
    assert not [word for word in MENU if word in said]
    assert "older" not in said


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"Origin": "null"}, False),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "same-site"}, True),
        ({}, True),
    ],
)
def test_a_browser_that_withholds_where_a_form_is_from_is_told_so(stranger, headers, secure):
    answer = stranger.post(PAGE, form(stranger), headers=headers, secure=secure)
    assert answer.status_code == 403
    assert "Referrer-Policy: no-referrer" in words_of(answer)
    assert not [word for word in MENU if word in words_of(answer)]


def test_the_browsers_word_that_the_page_is_ours_is_enough_but_not_without_the_token(stranger):
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    answer = stranger.post(PAGE, form(stranger), headers=headers, secure=True)
    assert answer.status_code == 200
    assert "do not match" in words_of(answer)
    answer = stranger.post(PAGE, form(stranger, csrfmiddlewaretoken=""), headers=headers, secure=True)
    assert answer.status_code == 403
    assert "older than your last sign-in" in words_of(answer)


def test_an_old_page_is_called_so_and_only_who_may_see_the_console_sees_its_menu(stranger):
    answer = stranger.post(PAGE, form(stranger, csrfmiddlewaretoken="x" * 64))
    assert answer.status_code == 403
    assert "older than your last sign-in" in words_of(answer)
    assert not [word for word in MENU if word in words_of(answer)]
    assert answer.headers["cache-control"] == "no-store"
    for role, shown in (("Viewer", True), ("", False)):
        client = signed_in(role, "someone") if role else Client()
        client.handler.enforce_csrf_checks = True
        answer = client.post("/dashboard/sign-out/", {})
        assert answer.status_code == 403
        assert ("Live log" in words_of(answer)) is shown


def test_a_part_of_a_page_says_it_in_a_toast(stranger):
    answer = stranger.post(PAGE, {}, headers={"HX-Request": "true", "HX-Target": "x"})
    assert (answer.status_code, answer.headers["hx-retarget"]) == (403, "#toasts")
    assert not [word for word in MENU if word in words_of(answer)]


@pytest.mark.parametrize("path", ["/dashboard/", "/admin/", "/api/v1/agents"])
def test_a_host_that_is_not_ours_is_said_with_the_setting(stranger, path):
    answer = stranger.get(path, headers={"Host": "<b>.example"})
    assert answer.status_code == 400
    assert b"ALLOWED_HOSTS" in answer.content
    assert b"<b>" not in answer.content or path.startswith("/api/")


def test_cookies_are_for_https_alone_when_that_is_how_they_go(stranger):
    assert stranger.get(PAGE, secure=True).cookies["csrftoken"]["secure"]
    stranger.cookies.clear()
    assert not stranger.get(PAGE).cookies["csrftoken"]["secure"]
