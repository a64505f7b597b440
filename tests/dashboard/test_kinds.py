"""A kind of agent that no page has heard of is listed, has a page with all its tabs, and is changed there."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from agents.models import Agent, AgentVersion
from registry.actions import agents, versions
from tests.agents.echo import EchoKind, echo
from tests.dashboard.browsing import html_of, signed_in, words_of

__all__ = ["echo"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("echo")]
HALL = "/dashboard/agents/hall/"
TABS = ("", "definition/", "document/", "functions/", "routing/", "versions/", "log/", "history/")


@pytest.fixture
def operator(db: None) -> Client:
    cache.clear()
    return signed_in("Operator", "olga")


@pytest.fixture
def hall(operator: Client, actor: Any) -> Any:
    agents.register("hall", "/hall", {"echo": {"says": "hello"}}, by=actor, credentials=("u", "p"))
    return agents.publish("hall", {"echo": {"says": "good bye"}}, by=actor)


def test_it_is_on_the_list_and_a_filter_once_there_are_several_kinds(operator, hall, fleet):
    page = html_of(operator.get("/dashboard/agents/"))
    assert "Echo" in page
    assert "?kind=echo" in page
    words = words_of(operator.get("/dashboard/agents/?kind=echo"))
    assert "hall" in words
    assert "info-line" not in words


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_of_its_page_is_there(operator, hall, tab):
    answer = operator.get(HALL + tab)
    assert answer.status_code == 200
    assert "Echo" in words_of(answer)


def test_its_definition_tab_shows_what_it_is_without_a_page_of_its_own(operator, hall):
    words = words_of(operator.get(f"{HALL}definition/"))
    assert "Says good bye" in words
    assert "Change source" in words
    assert "Reload" not in words
    assert "Look again" not in words
    assert "Credentials of its server" not in words


def test_its_document_and_functions_are_shown_for_any_version(operator, hall):
    assert "good bye" in words_of(operator.get(f"{HALL}document/"))
    assert "hello" in words_of(operator.get(f"{HALL}document/?version=1"))
    functions = words_of(operator.get(f"{HALL}functions/?version=1"))
    assert "Says it louder" in functions
    assert "Answered by an echo of &#x27;hello&#x27;" in functions
    assert "Only the live version runs" not in functions


def test_its_versions_are_compared_by_field_and_by_document_and_restored(operator, hall):
    words = words_of(operator.get(f"{HALL}versions/?from=1&to=2"))
    assert "says" in words
    assert "Document" in words
    assert "good bye" in words_of(operator.get(f"{HALL}versions/?from=1&to=2&view=document"))
    assert "says: hello" in words_of(operator.get(f"{HALL}versions/1/"))
    assert operator.get(f"{HALL}versions/1/yaml/").content == b"echo:\n  says: hello\n"
    operator.post(f"{HALL}versions/restore/", {"number": "1"})
    assert Agent.objects.get().live.definition == {"echo": {"says": "hello"}}


def test_its_source_is_changed_in_a_form_for_any_kind(operator, hall):
    page = f"{HALL}definition/source/"
    assert "says: good bye" in html_of(operator.get(page))
    wrong = operator.post(page, {"source_text": "says: ''"})
    assert (wrong.status_code, "Must not be empty." in words_of(wrong)) == (422, True)
    assert operator.post(page, {"source_text": "- a"}).status_code == 422
    assert operator.post(page, {"source_text": ""}).status_code == 422
    assert operator.post(page, {"source_text": "says: welcome\nloud: true"}).status_code == 302
    assert Agent.objects.get().live.definition == {"echo": {"says": "welcome", "loud": True}}


def test_a_draft_of_it_is_published_with_what_will_change(operator, hall, actor):
    versions.save_draft("hall", {"echo": {"says": "welcome"}}, by=actor)
    words = words_of(operator.get(f"{HALL}publish/"))
    assert "welcome" in words
    base = operator.get(f"{HALL}publish/").context["base"]
    operator.post(f"{HALL}publish/", {"base": base})
    assert Agent.objects.get().live.definition == {"echo": {"says": "welcome"}}


def test_it_has_no_editor(operator, hall):
    answer = operator.post(f"{HALL}definition/edit/", {"do": "save"})
    assert (answer.status_code, "is a Echo agent" in words_of(answer)) == (409, True)


def test_it_is_registered_by_import(operator):
    given = {"source": "import", "text": "echo: {says: hello}", "name": "hall", "route": "/hall", "credentials": "made"}
    checked = words_of(operator.post("/dashboard/register/check/", given))
    assert "valid against the SWML schema" in checked
    assert operator.post("/dashboard/register/", given).status_code == 302
    assert AgentVersion.objects.get().definition == {"echo": {"says": "hello"}}
    wrong = operator.post("/dashboard/register/", given | {"text": "echo: {says: ''}", "name": "hall2"})
    assert (wrong.status_code, "must not be empty" in words_of(wrong)) == (422, True)


def test_the_test_bench_runs_its_functions(operator, hall):
    words = words_of(operator.get("/dashboard/test/?agent=hall&function=shout"))
    assert "Answered here; nobody else is asked." in words
    assert "times" in words


def test_who_registers_what_runs_code_is_said_to_be_an_admin(operator, hall, monkeypatch):
    monkeypatch.setattr(EchoKind, "runs_code", True)
    words = words_of(operator.get(f"{HALL}definition/"))
    assert "an Admin may" in words
    assert "Change source" not in words
