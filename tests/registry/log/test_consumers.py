"""The live log's socket: who may watch and for how long, what is refused, and the same under Daphne."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import OperationalError, connection
from django.test import Client

from dashboard import consumers, outage
from dashboard.consumers import EventsConsumer
from dashboard.watchers import MAY_NOT, SIGN_IN, TOO_OFTEN, Watched
from registry.actions import people
from registry.actions.tokens import create_token, revoke_token
from registry.actions.transaction import Actor
from registry.log import tail
from registry.log.filters import Filter
from registry.log.live import Row, Viewer
from registry.log.tail import Live
from registry.models import ApiToken
from tests.config.processes import wait_for
from tests.e2e import test_live
from tests.e2e.server import ROOT, Server, database_url
from tests.registry.log.test_cursor import Connection, connected, insert
from tests.registry.log.test_writer import apart

__all__ = ["connected"]  # a fixture
BY = Actor("alice", "command")


def sessions() -> Any:
    return import_module(django_settings.SESSION_ENGINE).SessionStore


def make_session() -> str:
    user, _ = get_user_model().objects.get_or_create(username="watcher")
    user.is_active = True
    user.save()
    people.set_role("watcher", "Viewer", by=BY)
    session = sessions()()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@pytest.fixture
def session(db: None) -> Iterator[str]:
    """A signed-in viewer's."""
    key = apart(make_session)
    yield key
    apart(lambda: sessions()(key).delete())
    apart(lambda: get_user_model().objects.filter(username="watcher").delete())


@pytest.fixture(scope="module", autouse=True)
def _no_audit_is_left(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What was committed for these tests is in the audit, which other files' tests count."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE pghistory_context CASCADE")


@pytest.fixture
def live(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(tail, "TICK_SECONDS", 0.05)
    live = Live()
    live.tail.start()
    yield live
    live.tail.stop(5)


def socket(
    live: Live, session: str = "", origin: str = "http://localhost", token: str = "", **query: Any
) -> WebsocketCommunicator:
    """A connection to the consumer, behind what stands before it in config/asgi.py."""
    app = Watched(EventsConsumer.as_asgi())
    parameters = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    headers = [(b"origin", origin.encode()), (b"cookie", f"sessionid={session}".encode())]
    if token:
        headers = [(b"authorization", f"Bearer {token}".encode())]
    made = WebsocketCommunicator(app, f"/ws/events?{parameters}", headers=headers)
    made.scope["live"] = live
    return made


async def told(viewer: WebsocketCommunicator, kind: str = "events") -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message: dict[str, Any] = json.loads(await viewer.receive_from(5))
        if message["type"] == kind:
            return message


def test_a_viewer_is_shown_what_is_new_and_leaves(
    live: Live, session: str, connected: Callable[[], Connection]
) -> None:
    writer = connected()

    async def watch() -> None:
        insert(writer)
        viewer = socket(live, session)
        assert await viewer.connect(5) == (True, None)
        first = await told(viewer)
        assert first["events"] == []
        made = insert(writer, "C9")
        message = await told(viewer)
        assert [(event["id"], event["call_id"]) for event in message["events"]] == [(made, "C9")]
        await viewer.disconnect()
        assert live.hub.viewers == set()
        again = socket(live, session, cursor=first["cursor"])
        await again.connect(5)
        assert [event["id"] for event in (await told(again))["events"]] == [made]
        await again.disconnect()
        recent = socket(live, session, recent=5)
        await recent.connect(5)
        assert len((await told(recent))["events"]) == 2
        await recent.disconnect()

    asyncio.run(watch())


async def closed(viewer: WebsocketCommunicator) -> int:
    """The code with which it is closed."""
    while True:
        message = await viewer.receive_output(5)
        if message["type"] == "websocket.close":
            assert len(message["reason"].encode()) < 124
            return int(message["code"])


def users() -> Any:
    return get_user_model().objects.filter(username="watcher")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda key: sessions()(key).delete(), SIGN_IN),
        (lambda _key: users().update(is_active=False), SIGN_IN),
        (lambda _key: users().update(password="another"), SIGN_IN),
        (lambda _key: people.set_role("watcher", None, by=BY), MAY_NOT),
    ],
    ids=["session deleted", "switched off", "password changed", "role taken away"],
)
def test_when_somebody_may_watch_no_more_the_socket_ends(
    live: Live, session: str, end: Callable[[str], Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.1)

    async def watch() -> None:
        viewer = socket(live, session)
        await viewer.connect(5)
        await told(viewer)
        await asyncio.sleep(0.3)
        assert await viewer.receive_nothing()
        await asyncio.to_thread(apart, lambda: end(session))
        assert await closed(viewer) == code
        await viewer.disconnect()
        assert live.hub.viewers == set()

    asyncio.run(watch())


def test_nobody_else_may_watch(live: Live, session: str) -> None:
    async def watch() -> None:
        stranger = socket(live, "nobody's")
        assert await stranger.connect(5) == (True, None)
        assert await closed(stranger) == SIGN_IN
        assert (await socket(live, session, "https://evil.example").connect(5))[0] is False
        await asyncio.to_thread(apart, lambda: people.set_role("watcher", None, by=BY))
        without_role = socket(live, session)
        await without_role.connect(5)
        assert await closed(without_role) == MAY_NOT
        assert live.hub.viewers == set()

    asyncio.run(watch())


# --- scripts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_token(db: None) -> Iterator[Callable[..., Any]]:
    yield lambda **options: apart(lambda: create_token("watching", "read", by=BY, **options))
    apart(lambda: ApiToken.objects.filter(name="watching").delete())


def test_a_script_watches_with_a_token_and_without_an_origin(
    live: Live, make_token: Callable[..., Any], connected: Callable[[], Connection]
) -> None:
    made = make_token()
    writer = connected()

    async def watch() -> None:
        viewer = socket(live, token=made.text)
        assert await viewer.connect(5) == (True, None)
        await told(viewer)
        event = insert(writer, "C9")
        assert [row["id"] for row in (await told(viewer))["events"]] == [event]
        await viewer.disconnect()

    asyncio.run(watch())


@pytest.mark.parametrize(
    "end",
    [
        lambda made: revoke_token(made.token.key, by=BY),
        lambda made: ApiToken.objects.filter(pk=made.token.pk).update(expires=made.token.created),
        lambda made: ApiToken.objects.filter(pk=made.token.pk).delete(),
    ],
    ids=["revoked", "expired", "deleted"],
)
def test_a_token_that_ends_takes_its_sockets_along_and_no_look_at_it_counts(
    live: Live, make_token: Callable[..., Any], end: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.05)
    made = make_token()

    def kept() -> Any:
        return ApiToken.objects.filter(pk=made.token.pk).values_list("allowance", "last_used").get()

    async def watch() -> None:
        viewer = socket(live, token=made.text)
        await viewer.connect(5)
        await told(viewer)
        before = await asyncio.to_thread(apart, kept)
        await asyncio.sleep(0.4)
        assert await asyncio.to_thread(apart, kept) == before
        await asyncio.to_thread(apart, lambda: end(made))
        assert await closed(viewer) == SIGN_IN
        await viewer.disconnect()

    asyncio.run(watch())


def test_what_is_no_token_is_told_so(live: Live, make_token: Callable[..., Any], settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    made = make_token()

    async def code(text: str) -> int:
        viewer = socket(live, token=text)
        await viewer.connect(5)
        ended = await closed(viewer)
        await viewer.disconnect()
        return ended

    async def watch() -> None:
        for text in ("nonsense", f"{made.token.key}_{'0' * 48}"):
            assert await code(text) == SIGN_IN
        await asyncio.to_thread(apart, lambda: ApiToken.objects.update(scope="none"))
        assert await code(made.text) == MAY_NOT
        await asyncio.to_thread(apart, lambda: ApiToken.objects.update(scope="read"))
        assert await code(made.text) == TOO_OFTEN

    asyncio.run(watch())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filter": "agnet:x"}, "agnet: is not known"),
        ({"filter": "x" * 501}, "longer than"),
        ({"rate": "-1"}, "rate must be a whole number up to 1000"),
        ({"rate": "1001"}, "rate must be"),
        ({"rate": "٣"}, "rate must be"),
        ({"recent": "many"}, "recent must be a whole number up to 1000"),
        ({"recent": "9" * 5000}, "recent must be"),
    ],
)
def test_what_cannot_be_understood_is_said_and_the_socket_closed(
    live: Live, session: str, query: dict[str, str], said: str
) -> None:
    async def watch() -> None:
        viewer = socket(live, session, **query)
        await viewer.connect(5)
        assert said in (await told(viewer, "error"))["message"]
        assert (await viewer.receive_output(5))["type"] == "websocket.close"
        await viewer.disconnect()
        assert live.hub.viewers == set()

    asyncio.run(watch())


@pytest.mark.parametrize("cursor", ["nonsense", "1:2:3:4", "1" * 5000, "1:999999999999999999:"])
def test_a_cursor_that_is_none_begins_anew(live: Live, session: str, cursor: str) -> None:
    async def watch() -> None:
        viewer = socket(live, session, cursor=cursor)
        await viewer.connect(5)
        message = await told(viewer)
        assert "missed" not in message
        await viewer.disconnect()

    asyncio.run(watch())


def test_a_viewer_that_comes_while_the_database_is_away_is_told_and_then_shown(
    live: Live, session: str, connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = insert(connected())
    monkeypatch.setattr(consumers, "RETRY_SECONDS", 0.05)
    read_missed = consumers.read_missed
    failures = iter([OperationalError("gone"), psycopg.OperationalError("gone"), OSError("gone")])

    def sometimes(*arguments: Any) -> Any:
        for error in failures:
            raise error
        return read_missed(*arguments)

    monkeypatch.setattr(consumers, "read_missed", sometimes)

    async def watch() -> None:
        viewer = socket(live, session, recent=1)
        await viewer.connect(5)
        assert json.loads(await viewer.receive_from(5)) == {"type": "away"}
        message = json.loads(await viewer.receive_from(5))  # told once
        assert [event["id"] for event in message["events"]] == [made]
        await viewer.disconnect()

    asyncio.run(watch())


def test_what_was_missed_is_filtered_and_serialised_outside_the_event_loop(
    live: Live, session: str, connected: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = connected()
    insert(writer, "C8")
    made = insert(writer, "C9")
    threads: set[int] = set()
    matches, row_of = Filter.matches, Row.of

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            threads.add(threading.get_ident())
            return work(*arguments)

        return run

    monkeypatch.setattr(Filter, "matches", noting(matches))
    monkeypatch.setattr(Row, "of", staticmethod(noting(row_of)))

    async def watch() -> None:
        viewer = socket(live, session, recent=5, filter="call:C9")
        await viewer.connect(5)
        assert [event["id"] for event in (await told(viewer))["events"]] == [made]
        assert threads
        assert threading.get_ident() not in threads
        await viewer.disconnect()

    asyncio.run(watch())


def test_without_news_there_are_beats_and_while_the_tail_is_cut_off_it_is_said(
    live: Live, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.05)

    async def watch() -> None:
        viewer = socket(live, session)
        await viewer.connect(5)
        cursor = (await told(viewer))["cursor"]
        assert (await told(viewer, "beat"))["cursor"].split(":")[1] >= cursor.split(":")[1]
        monkeypatch.setattr(live.tail, "recovered", lambda: None)
        monkeypatch.setattr(consumers, "BEAT_SECONDS", 60)
        live.tail.last_error = "gone"
        assert await told(viewer, "away")
        live.tail.last_error = ""
        assert await told(viewer, "beat")
        await viewer.disconnect()

    asyncio.run(watch())


def test_a_socket_whose_session_cannot_be_read_is_told_and_closed(
    live: Live, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_scope: Any) -> None:
        raise OperationalError("gone") from psycopg.OperationalError("gone")

    monkeypatch.setattr("channels.auth.get_user", gone)

    async def watch() -> None:
        viewer = socket(live, session)
        assert await viewer.connect(5) == (True, None)
        assert json.loads(await viewer.receive_from(5)) == {"type": "away"}
        ended = await viewer.receive_output(5)
        assert (ended["type"], ended["code"]) == ("websocket.close", outage.TRY_AGAIN)

    asyncio.run(watch())


def test_a_viewer_that_leaves_just_when_news_come_is_gone() -> None:
    """In Python 3.11 `asyncio.wait_for` swallows a cancel that comes together with what it waits for."""
    live = Live()
    consumer = EventsConsumer()

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    consumer.catch_up = consumer.send = nothing  # type: ignore[method-assign]

    async def watch() -> None:
        consumer.viewer = Viewer(Filter(), 1)
        task = asyncio.create_task(consumer.follow(live, None, 0))
        await asyncio.sleep(0.01)
        assert live.hub.viewers
        consumer.viewer.waiting.set()
        await asyncio.sleep(0)  # what waits for it has been woken, and has not run
        task.cancel()
        await asyncio.wait([task], timeout=1)
        assert task.cancelled()
        assert live.hub.viewers == set()

    asyncio.run(watch())


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "is_away"),
    [
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CannotConnectNow(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.QueryCanceled(), False),
        (psycopg.errors.DiskFull(), False),
        (psycopg.errors.UndefinedTable(), False),
    ],
)
def test_a_page_says_that_the_database_is_away_and_nothing_else_is_taken_for_that(
    db: None, cause: psycopg.Error, is_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError(str(cause)) from cause

    monkeypatch.setattr("django.contrib.auth.get_user", fail)
    client = Client(raise_request_exception=False)
    page = client.get("/admin/")
    if not is_away:
        assert page.status_code == 500
        return
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    text = page.content.decode()
    assert "The database is away; calls go on" in text
    assert not [mark for mark in ("<script", "<style", "src=", "Traceback") if mark in text]


# --- Daphne ----------------------------------------------------------------------------------------------------------


class Daphne(Server):
    """`daphne config.asgi:application` on a database that is prepared."""

    def __init__(self, prepared: Server, log: Path):
        self.__dict__.update(prepared.__dict__)
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daphne", "-p", str(self.port), "config.asgi:application"],
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: "Listening on TCP address" in self.printed)


def test_the_live_log_under_daphne(tmp_path: Path) -> None:
    prepared = Server(database_url("e2e_daphne"), tmp_path / "data", workers=1, example=True)
    assert prepared.stop() == 0
    daphne = Daphne(prepared, tmp_path / "daphne.log")
    try:
        test_live.test_events_arrive_by_themselves_filtered_on_the_server(daphne)
        test_live.test_a_new_viewer_may_begin_with_the_last_rows(daphne)
        for path in ("/ws/events", "/ws/nothing"):
            test_live.test_strangers_are_turned_away(daphne, path)
        assert "Traceback" not in daphne.printed
    finally:
        daphne.process.terminate()
        daphne.process.wait(20)
