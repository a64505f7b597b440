"""The tab of an agent's versions: the list, comparisons, one version, restore."""

from typing import Any

import pytest
import yaml
from django.test import Client

from agents.models import Agent, AgentVersion
from dashboard.pages.agent import versions
from registry.actions import agents
from registry.actions import versions as version_actions
from registry.actions.transaction import Actor
from registry.actions.versions import get_version
from tests.dashboard.browsing import html_of
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
HERE = "/dashboard/agents/info-line/versions/"
BOB = Actor("bob", "dashboard")


@pytest.fixture
def line(fleet: Any) -> Agent:
    """Three versions, the third of them live, and a draft."""
    for number in (2, 3):
        agents.publish("info-line", {"prompt": {"text": f"Text {number}"}}, by=BOB, note=f"note {number}")
    version_actions.save_draft("info-line", {"prompt": {"text": "Text 4"}, "hints": ["x"]}, by=BOB)
    return Agent.objects.get(name="info-line")


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(person("operator", "Operator"))
    return client


def test_the_list_has_states_notes_authors_and_running_calls(line, browser, django_assert_max_num_queries):
    write_events([
        {"agent": "info-line", "call_id": "a", "version": 2}, {"agent": "info-line", "call_id": "b", "version": 3},
        {"agent": "info-line", "call_id": "c", "version": 3}, {"agent": "info-line", "call_id": "", "version": 3},
    ])  # fmt: skip
    with django_assert_max_num_queries(25):
        answer = browser.get(HERE)
    rows = [(row["number"], row["state"], row["author"], row["calls"]) for row in answer.context["rows"]]
    assert rows == [(4, "draft", "bob", 0), (3, "live", "bob", 2), (2, "retired", "bob", 1), (1, "retired", "alice", 0)]
    assert b"note 3" in answer.content


def test_pages_follow_each_other(line, browser, monkeypatch):
    monkeypatch.setattr(versions, "PAGE", 2)
    first = browser.get(HERE)
    assert ([row["number"] for row in first.context["rows"]], b"?before=3" in first.content) == ([4, 3], True)
    second = browser.get(f"{HERE}?before=3")
    assert ([row["number"] for row in second.context["rows"]], b"?before=1" in second.content) == ([2, 1], False)
    assert b"No version before v1" in browser.get(f"{HERE}?before=1").content
    assert browser.get(f"{HERE}?before=x").status_code == 422


def test_any_two_are_compared_as_fields_and_as_documents(line, browser):
    page = browser.get(f"{HERE}?from=2&to=4").content.decode()
    assert "<code>prompt.text</code>" in page
    assert "<del>Text 2</del>" in page
    assert "<code>hints</code>" in page
    page = browser.get(f"{HERE}?from=2&to=4&view=document").content.decode()
    assert "Text <del>2</del>" in page
    assert "Text <ins>4</ins>" in page
    assert "Both say the same" in browser.get(f"{HERE}?from=2&to=2").content.decode()
    assert [browser.get(f"{HERE}?from={number}&to=2").status_code for number in ("9", "x")] == [404, 422]


def test_one_that_cannot_be_served_any_more_can_be_looked_at(line, browser):
    broken = AgentVersion.objects.create(agent=line, number=5, definition={"prompt": 1}, author="sql")
    page = html_of(browser.get(f"{HERE}?from=2&to={broken.number}&view=document"))
    assert "v5 cannot be served any more" in page
    assert browser.get(f"{HERE}5/").status_code == 200


def test_a_version_is_read_downloaded_and_restored(line, browser):
    page = browser.get(f"{HERE}2/").content.decode()
    assert "text: Text 2" in page
    assert "1 field changes" in page
    assert "Draft v4 stays the draft" in page
    answer = browser.get(f"{HERE}2/yaml/")
    assert answer["Content-Disposition"] == 'attachment; filename="info-line-v2.yaml"'
    assert yaml.safe_load(answer.content) == {"prompt": {"text": "Text 2"}}
    answer = browser.post(f"{HERE}restore/", {"number": "2"})
    assert (answer.status_code, answer["Location"]) == (302, HERE)
    line.refresh_from_db()
    assert line.live
    assert line.live.number == 5
    assert get_version(line, 5).note == "restored from version 2"
    page = browser.get(HERE).content.decode()
    assert "Version 5 is live" in page
    assert '<input type="hidden" name="number" value="3">' in page


def test_restoring_asks_for_a_version_that_there_is(line, browser):
    refused = browser.post(f"{HERE}restore/", {"number": "9"}, headers={"Referer": f"http://testserver{HERE}2/?x=1"})
    assert refused.status_code == 404
    assert f'<a class="button primary" href="{HERE}2/?x=1">Back</a>' in refused.content.decode()
    for elsewhere in (
        "http://evil.example/dashboard/",
        "http://testserver/admin/",
        "javascript:alert(1)",
        "http://[",
        "",
    ):
        refused = browser.post(f"{HERE}restore/", {"number": "9"}, headers={"Referer": elsewhere})
        assert ">Back</a>" not in refused.content.decode()
    assert browser.post(f"{HERE}restore/").status_code == 422


def test_a_viewer_reads_and_restores_nothing(line):
    viewer = Client()
    viewer.force_login(person("viewer", "Viewer"))
    page = viewer.get(f"{HERE}2/").content.decode()
    assert "text: Text 2" in page
    assert "Restore" not in page
    assert viewer.post(f"{HERE}restore/", {"number": "2"}).status_code == 403


def test_what_is_offered_for_comparing_differs(line, browser):
    def offered() -> tuple[int, int]:
        context = browser.get(HERE).context
        return context["from"], context["to"]

    assert offered() == (3, 4)  # live and draft
    version_actions.publish_draft("info-line", by=BOB)
    assert offered() == (3, 4)  # the one before and live
