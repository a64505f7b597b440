"""Every page of the dashboard: what holds for all of them, and who may use them."""

import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.urls.exceptions import Resolver404

from dashboard import urls
from registry.policy import NEEDS, Level
from tests.dashboard.places import PLACES, Place
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
DOORS = {"home", "sign-in", "sign-in-link", "sign-out", "password"}  # tests/test_policy.py has them
CALL = "call-of-the-places"
MOST_QUERIES = 30  # benchmarks/dashboard.py asks the same of 5,000 agents and a million events
VERBS = ("hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete")
ROLES = {"Viewer": Level.READ, "Operator": Level.OPERATE, "Admin": Level.ADMIN}


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inline = ""
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        self.open = tag

    def handle_data(self, data: str) -> None:
        if self.open in ("script", "style") and data.strip():
            self.inline += data

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    @property
    def ids(self) -> Counter[str]:
        return Counter(found["id"] for _, found in self.elements if "id" in found)


@pytest.fixture
def address(fleet: Any) -> Any:
    things = {"agent": "pharmacy", "event": write_events([{"agent": "pharmacy", "call_id": CALL}])[0], "call": CALL}
    return lambda name, place: address_of(name, place, things)


def test_every_url_is_in_the_table_with_its_deed_and_methods():
    found = {
        pattern.name: pattern.callback for pattern in urls.urlpatterns if pattern.name and pattern.name not in DOORS
    }
    assert set(found) == set(PLACES)
    for name, view in found.items():
        assert (view.deed, set(view.methods)) == (PLACES[name].deed, set(PLACES[name].methods)), name


@pytest.mark.parametrize("role", ["", *ROLES])
def test_every_page_opens_for_those_who_may_and_for_nobody_else(role: str, address: Any) -> None:
    client, stranger = Client(raise_request_exception=False), Client()
    client.force_login(person("someone", role))
    level = ROLES.get(role, Level.NOTHING)
    for name, place in PLACES.items():
        method = "get" if "GET" in place.methods else "post"
        url = address(name, place)
        answer = getattr(stranger, method)(url)
        assert (answer.status_code, answer["Location"].startswith("/dashboard/sign-in/")) == (302, True), name
        part = getattr(stranger, method)(url, headers={"HX-Request": "true", "HX-Target": "x"})
        assert (part.status_code, part["HX-Retarget"]) == (401, "#session"), name
        answer = getattr(client, method)(url)
        if level < NEEDS[place.deed]:
            assert answer.status_code == 403, name
        elif method == "get":
            assert answer.status_code == (302 if place.leads else 200), (name, answer.status_code)
        else:
            assert answer.status_code not in (403, 405, 500), (name, answer.status_code)


@pytest.mark.parametrize("role", ["Viewer", "Admin"])
@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if "GET" in place.methods])
def test_what_a_page_names_exists_and_nothing_is_inline(name: str, role: str, address: Any) -> None:
    place = PLACES[name]
    client = Client()
    client.force_login(person("someone", role))
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address(name, place))
    assert len(queries) < MOST_QUERIES, name
    if answer.status_code == 403:
        assert ROLES[role] < NEEDS[place.deed]
        return
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    if not answer["Content-Type"].startswith("text/html"):
        return
    page = Page(answer.content.decode())
    assert not page.inline
    ids = page.ids
    assert not [each for each, count in ids.items() if count > 1]
    for tag, found in page.elements:
        assert "style" not in found, (tag, found)
        assert not [attribute for attribute in found if re.match(r"on[a-z]|hx-on", attribute)], (tag, found)
        for verb in VERBS:
            if found.get(verb):
                assert resolves(found[verb]), (tag, found)
        if tag in ("a", "form"):
            link = found.get("href", "") or found.get("action", "")
            assert not link.startswith("/dashboard/") or resolves(link), (tag, found)
        if place.whole:
            for attribute in ("hx-target", "hx-include", "hx-indicator"):
                for selector in re.findall(r"#([\w-]+)", found.get(attribute, "")):
                    assert selector in ids, (attribute, selector)
            for attribute in ("for", "aria-describedby", "aria-labelledby", "popovertarget", "aria-controls", "list"):
                assert set(found.get(attribute, "").split()) <= set(ids), (tag, attribute, found)


def address_of(name: str, place: Place, things: Mapping[str, str]) -> str:
    """Where a place is, with these things filled in."""
    path = reverse(f"dashboard:{name}", args=[text.format(**things) for text in place.example])
    return f"{path}?{place.query.format(**things)}" if place.query else path


def resolves(url: str) -> bool:
    """Whether a page of ours answers there."""
    try:
        match = resolve(url.partition("?")[0].partition("#")[0])
    except Resolver404:
        return False
    return match.view_name != "dashboard:" and bool(match.url_name or match.route.startswith(("admin", "api")))
