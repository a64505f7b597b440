"""Every page of the admin and the doors, and every socket x everybody: what the policy says.

The API's operations: tests/registry/api/test_policy.py; the dashboard's pages: tests/dashboard/test_places.py. What is
new must be added to the tables here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from agents.models import Agent, AgentVersion
from config import asgi
from dashboard import urls
from registry.log.models import RoutingEvent
from registry.models import ApiToken, Member, Route, SipMapping, Worker
from registry.policy import Level
from tests.e2e.server import Server, database_url
from tests.registry.api.conftest import person
from tests.registry.api.conftest import token as token
from tests.registry.log.test_search import log as log

pytestmark = pytest.mark.django_db
READ, OPERATE, ADMIN, NOBODY = Level.READ, Level.OPERATE, Level.ADMIN, None
# Who may see, add, change, remove, in the Django admin (for staff).
MODELS: dict[type[Any], tuple[Level | None, Level | None, Level | None, Level | None]] = {
    Agent: (READ, OPERATE, OPERATE, OPERATE),
    AgentVersion: (READ, NOBODY, NOBODY, NOBODY),
    Route: (READ, OPERATE, OPERATE, OPERATE),
    SipMapping: (READ, OPERATE, NOBODY, OPERATE),
    RoutingEvent: (READ, NOBODY, NOBODY, NOBODY),
    Worker: (READ, NOBODY, NOBODY, NOBODY),
    ApiToken: (ADMIN, ADMIN, NOBODY, ADMIN),
    Member: (ADMIN, ADMIN, ADMIN, ADMIN),
    AccessAttempt: (ADMIN, NOBODY, NOBODY, NOBODY),
}
# Pages that are no model's: who may see them. "anybody" is without signing in, "person" is whoever has signed in.
PAGES = {
    "admin/": "staff", "admin/password_change/": "staff", "admin/password_change/done/": "staff",
    "admin/jsi18n/": "staff",
    "dashboard/": "role", "dashboard/sign-in/": "anybody", "dashboard/sign-in/link/x/y/": "anybody",
    "dashboard/password/": "person",
}  # fmt: skip
# GET does nothing there, or leads elsewhere.
NO_PAGES = {
    "admin/login/", "admin/logout/", "admin/autocomplete/", "admin/r/<path:content_type_id>/<path:object_id>/",
    "admin/(?P<url>.*)$", "dashboard/sign-out/",
}  # fmt: skip
SOCKETS = {"ws/events": READ, "ws/page": READ}
# Name → role, staff, level; None = has not signed in, or cannot.
PEOPLE: dict[str, tuple[str, bool, Level | None]] = {
    "nobody": ("", False, None),
    "switched off": ("Admin", True, None),
    "stranger": ("", False, Level.NOTHING),
    "stranger among the staff": ("", True, Level.NOTHING),
    "Admin who is no staff": ("Admin", False, Level.ADMIN),
    "Viewer": ("Viewer", True, Level.READ),
    "Operator": ("Operator", True, Level.OPERATE),
    "Admin": ("Admin", True, Level.ADMIN),
}


def patterns(resolver: Any, prefix: str = "") -> Iterator[str]:
    for found in resolver.url_patterns:
        whole = prefix + str(found.pattern)
        if hasattr(found, "url_patterns"):
            yield from patterns(found, whole)
        else:
            yield whole


def label(model: type[Any]) -> str:
    return f"admin/{model._meta.app_label}/{model._meta.model_name}/"


def test_every_page_is_in_the_tables():
    known = set(PAGES) | NO_PAGES | {"dashboard/sign-in/link/<str:uid>/<str:token>/"}
    for model in MODELS:
        item = f"{label(model)}<path:object_id>/"
        known |= {label(model), f"{label(model)}add/", item, *(f"{item}{verb}/" for verb in ("change", "delete"))}
        known |= {f"{item}history/"}
    elsewhere = {f"dashboard/{pattern.pattern}" for pattern in urls.urlpatterns if hasattr(pattern.callback, "deed")}
    found = {url for url in patterns(get_resolver()) if not url.startswith(("api/", "admin/^(?P<app_label>"))}
    found -= elsewhere
    assert found <= known, found - known


def test_every_socket_is_in_the_table():
    sockets = Path(asgi.__file__).read_text().partition("urls = [")[2].partition("]")[0]
    assert sockets.count("path(") == len(SOCKETS) + 1  # and the one for nobody
    for path in SOCKETS:
        assert f'path("{path}"' in sockets


@pytest.fixture
def things(fleet: Any, log: Any, token: Any) -> dict[type[Any], Any]:
    """One row of each model."""
    token("read")
    Worker.objects.create(replica="r", pid=1, started=timezone.now(), seen=timezone.now())
    AccessAttempt.objects.create(username="x", ip_address="192.0.2.7", failures_since_start=1, attempt_time=None)
    person("member", "Viewer")
    return {model: model.objects.order_by("pk").first().pk for model in MODELS}


def client_of(who: str) -> Client:
    role, staff, level = PEOPLE[who]
    client = Client(raise_request_exception=False)
    if who != "nobody":
        user = person("someone", role, is_staff=staff)
        client.force_login(user)
        if level is None:
            User.objects.filter(pk=user.pk).update(is_active=False)
    return client


@pytest.mark.parametrize("who", PEOPLE)
def test_the_admin_asks_the_policy(who: str, things: dict[type[Any], Any]) -> None:
    client = client_of(who)
    _, staff, level = PEOPLE[who]
    for model, (see, add, change, remove) in MODELS.items():
        item = f"/{label(model)}{things[model]}/"
        pages = {f"/{label(model)}": see, f"/{label(model)}add/": add, f"{item}change/": see, f"{item}delete/": remove}
        for path, needed in pages.items():
            answer = client.get(path)
            if level is None:
                assert answer.status_code == 302, path
                assert client.get(path, follow=True).redirect_chain[-1][0].startswith("/dashboard/sign-in/"), path
            elif staff and needed is not None and level >= max(needed, Level.READ):
                assert answer.status_code == 200, (path, answer.status_code)
            else:
                denied = answer.status_code == 403 or (answer.status_code == 302 and "login" in answer["Location"])
                assert denied, (path, answer.status_code)
                assert client.get(path, follow=True).status_code == 403, path
        # What may only be seen cannot be changed by sending the form all the same.
        if level is not None and (not staff or change is None or level < change):
            assert client.post(f"{item}change/", {"title": "x"}, follow=True).status_code == 403, item


@pytest.mark.parametrize("who", PEOPLE)
def test_pages_ask_for_what_they_need(who: str) -> None:
    client = client_of(who)
    _, staff, level = PEOPLE[who]
    for path, needed in PAGES.items():
        answer = client.get(f"/{path}", follow=True)
        ended = answer.redirect_chain[-1][0].split("?")[0] if answer.redirect_chain else f"/{path}"
        if needed == "anybody":
            # Whoever has signed in is sent on, and told there that they have no role.
            assert answer.status_code in ((200, 410) if level is not Level.NOTHING else (403, 410)), path
        elif level is None:
            assert ended == "/dashboard/sign-in/", (path, ended)
        elif needed == "person" or (level > Level.NOTHING and (needed == "role" or staff)):
            assert answer.status_code == 200, (path, answer.status_code)
        else:
            assert answer.status_code == 403, (path, answer.status_code)


# --- on the wire: the socket and the metrics -------------------------------------------------------------------------

CLOSED = {"nobody": 4401, "revoked": 4401, "expired": 4401}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(database_url("policy"), tmp_path_factory.mktemp("policy"), workers=1)
    yield found
    found.leave()


@pytest.mark.parametrize("which", ["nobody", "read", "operate", "admin", "revoked", "expired"])
def test_the_socket_and_the_metrics_ask_for_a_token_that_may_look(server: Server, which: str) -> None:
    header = {} if which == "nobody" else server.token(which if which not in CLOSED else "admin")
    key = header.get("Authorization", "").removeprefix("Bearer ")
    if which == "revoked":
        server.command("token", "revoke", "_".join(key.split("_")[:2]))
    if which == "expired":
        server.query("UPDATE registry_apitoken SET expires = now() WHERE key = %s", "_".join(key.split("_")[:2]))
    for path in SOCKETS:
        url = f"ws://127.0.0.1:{server.port}/{path}?recent=1"
        with connect(url, additional_headers=header, origin=Origin(server.base)) as socket:
            if which in CLOSED:
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv(5)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == CLOSED[which]
            else:
                assert '"events"' in str(socket.recv(5))
    assert server.get("/metrics", auth=None, headers=header).status == (401 if which in CLOSED else 200)
    operations = server.get("/api/v1/me", auth=None, headers=header).status
    assert operations == (401 if which in CLOSED else 200)
