"""The search of the top bar."""

from typing import Any

import pytest
from django.test import Client

from registry.actions import agents
from registry.reports.search import Hit, find, only_one
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def search(fleet) -> Any:
    client = Client()
    client.force_login(person("vic", "Viewer"))
    return lambda text, **headers: client.get("/dashboard/search/", {"q": text}, headers=headers)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(hit.kind, hit.name) for hit in find(text, 5)]


def test_all_that_somebody_may_look_for_is_found(fleet, actor):
    write_events([{"call_id": "call-abc-1"}, {"call_id": "call-abc-2"}, {"call_id": "call-xyz"}])
    agents.update_agent("info-line", title="The pharmacist's line", by=actor)
    found = kinds("PHARM")
    assert found[:3] == [("agent", "pharmacy"), ("agent", "info-line"), ("route", "/pharmacy")]
    assert ("sip", "pharmacy") in found
    assert kinds("sip:pharmacy@example.com") == [("sip", "pharmacy")]
    assert kinds("call-abc") == [("call", "call-abc-1"), ("call", "call-abc-2")]
    assert kinds("cal") == []
    assert kinds("%%%%") == kinds(" ") == kinds("\0") == []


def test_the_one_thing_that_was_meant_is_opened(search):
    assert search("pharmacy")["Location"] == "/dashboard/agents/pharmacy/"
    assert search("/pharmacy")["Location"] == "/dashboard/agents/pharmacy/routing/"
    write_events([{"call_id": "call/1"}])
    assert search("call/1")["Location"] == "/dashboard/calls/call~2F1/"
    assert search("pharm").status_code == 200


def test_what_belongs_to_several_is_not_opened():
    exact = [Hit("agent", "a", "a", exact=True), Hit("sip", "a", "b", exact=True)]
    assert only_one(exact) is None
    assert only_one(exact[:1]) == exact[0]
    assert only_one([Hit("agent", "abc", "abc")]) is None


def test_while_typing_there_are_a_few_links(search):
    headers = {"HX-Request": "true", "HX-Target": "found"}
    text = search("i", **headers).content.decode()
    assert "<html" not in text
    assert 1 < text.count("<a ") <= 8
    assert 'aria-label="Agents"' in text
    assert "Nothing is called zzz" in search("zzz", **headers).content.decode()
    assert "<a" not in search("", **headers).content.decode()


def test_the_page_has_a_next_step(search):
    assert "Nothing is called zzz" in search("zzz").content.decode()
    assert "What are you looking for?" in search("").content.decode()


def test_few_queries(search, django_assert_max_num_queries):
    with django_assert_max_num_queries(14):
        search("pharm")


def test_what_is_not_found_is_looked_for_in_the_log(search):
    assert 'href="/dashboard/log/?filter=no%20such"' in search("no such").content.decode()
