"""Sessions that cannot be read: whoever comes with one is asked to sign in, by pages and by sockets alike."""

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from dashboard import consumers
from dashboard.consumers import EventsConsumer, PageConsumer
from dashboard.watchers import SIGN_IN, Watched
from registry.log.tail import Live
from tests.dashboard.test_page_socket import Stage
from tests.registry.log.test_consumers import _no_audit_is_left, closed, live, session, told
from tests.registry.log.test_writer import apart

__all__ = ["_no_audit_is_left", "live", "session"]  # fixtures
SIGN_IN_PAGE = "/dashboard/sign-in/"
AXES, MODEL = settings.AUTHENTICATION_BACKENDS
# What a row may hold that our own code would not write today: another version's, or somebody's who has the key.
UNREADABLE: dict[str, Any] = {
    "a backend that knows no users": {BACKEND_SESSION_KEY: AXES},
    "a backend that is not there any more": {BACKEND_SESSION_KEY: "gone.away.Backend"},
    "a backend that is no name": {BACKEND_SESSION_KEY: [MODEL]},
    "no backend": {BACKEND_SESSION_KEY: None},
    "a user who is gone": {SESSION_KEY: "999999999"},
    "an id that is no number": {SESSION_KEY: "alice"},
    "an id that no column has room for": {SESSION_KEY: "9" * 18},
    "an id that is beyond all numbers": {SESSION_KEY: "9" * 5000},
    "an id that is no text": {SESSION_KEY: float("inf")},
    "an id that is a list": {SESSION_KEY: ["1"]},
    "a hash that is no text": {HASH_SESSION_KEY: {"a": 1}},
    "a list": ["not", "a", "dictionary"],
    "a number": 7,
}
# What a browser may send in the cookie; Cookie's own escapes can stand for every byte.
COOKIES = {
    "NUL": r'"aaaaaaaa\000"',
    "only NUL": r'"\000\000\000\000\000\000\000\000"',
    "bytes that are no letters": r'"\377\376aaaaaaaa"',
    "longer than the column": "a" * 5000,
    "nothing": "",
    "another's alphabet": "Ключ-от-всего",
}


def spoilt(key: str, change: Any) -> None:
    """Write something else into a session's row."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    data = {**store.load(), **change} if isinstance(change, dict) else change
    Session.objects.filter(session_key=key).update(session_data=store.encode(data))


@pytest.fixture(params=[*UNREADABLE, "a signature that is not ours"])
def unreadable(session: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The cookie's value, of somebody who could watch before."""
    if (change := UNREADABLE.get(request.param)) is None:
        apart(lambda: Session.objects.filter(session_key=session).update(session_data="a:b:c"))
    else:
        apart(lambda: spoilt(session, change))
    yield session
    apart(lambda: Session.objects.filter(session_key=session).delete())


@pytest.fixture(params=COOKIES)
def no_key(request: pytest.FixtureRequest) -> str:
    """The cookie's value, which is no session's name."""
    return COOKIES[request.param].encode().decode("latin-1")


def pages_lead_to_sign_in(cookie: str) -> None:
    """Every door that a browser comes to."""
    client, headers = Client(), {"cookie": f"sessionid={cookie}"}
    doors = {"/dashboard/": SIGN_IN_PAGE, "/dashboard/overview/": SIGN_IN_PAGE, "/admin/": "/admin/login/"}
    for path, door in doors.items():
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, door), path
    assert client.get("/api/v1/agents", headers=headers).status_code == 401
    assert client.get(SIGN_IN_PAGE, headers=headers).status_code == 200


def sockets_are_closed(live: Live, cookie: str) -> None:
    """Both of them, so that a page can lead to the sign-in."""

    async def come(consumer: Any, path: str) -> int:
        headers = [(b"origin", b"http://localhost"), (b"cookie", f"sessionid={cookie}".encode("latin-1"))]
        viewer = WebsocketCommunicator(Watched(consumer.as_asgi()), path, headers=headers)
        viewer.scope |= {"live": live, "stage": Stage()}
        assert (await viewer.connect(5))[0]
        code = await closed(viewer)
        await viewer.disconnect()
        return code

    async def both() -> list[int]:
        return [await come(EventsConsumer, "/ws/events"), await come(PageConsumer, "/ws/page")]

    assert asyncio.run(both()) == [SIGN_IN, SIGN_IN]


def test_a_page_asks_whoever_comes_with_a_session_that_cannot_be_read_to_sign_in(unreadable: str) -> None:
    apart(lambda: pages_lead_to_sign_in(unreadable))


def test_a_socket_whose_session_cannot_be_read_is_closed_with_the_code_for_signing_in(
    live: Live, unreadable: str
) -> None:
    sockets_are_closed(live, unreadable)


def test_a_cookie_that_is_no_name_of_a_session_is_as_none(live: Live, no_key: str) -> None:
    apart(lambda: pages_lead_to_sign_in(no_key))
    sockets_are_closed(live, no_key)


def test_a_socket_is_closed_when_its_session_cannot_be_read_any_more(
    live: Live, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.1)

    async def watch() -> int:
        headers = [(b"origin", b"http://localhost"), (b"cookie", f"sessionid={session}".encode())]
        viewer = WebsocketCommunicator(Watched(EventsConsumer.as_asgi()), "/ws/events", headers=headers)
        viewer.scope["live"] = live
        await viewer.connect(5)
        await told(viewer)
        await asyncio.to_thread(apart, lambda: spoilt(session, {BACKEND_SESSION_KEY: AXES}))
        code = await closed(viewer)
        await viewer.disconnect()
        return code

    assert asyncio.run(watch()) == SIGN_IN


def test_whoever_comes_with_a_session_that_cannot_be_read_can_sign_in_and_it_is_gone(db: None) -> None:
    User.objects.create_superuser("alice", password="of the twelve months")
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store.save()
    spoilt(store.session_key, {SESSION_KEY: "1", BACKEND_SESSION_KEY: AXES})
    client = Client()
    client.cookies["sessionid"] = store.session_key
    form = {"username": "alice", "password": "of the twelve months"}
    assert client.post(SIGN_IN_PAGE, form).status_code == 302
    assert client.cookies["sessionid"].value != store.session_key
    assert client.get("/dashboard/", follow=True).status_code in (200, 403)
    assert not Session.objects.filter(session_key=store.session_key).exists()
