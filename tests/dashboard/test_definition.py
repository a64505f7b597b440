"""The editor's pages: what is typed is checked, saved as a draft, published, and never written over a colleague's."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, AgentVersion
from dashboard.definition.tree import pack
from registry.actions import agents, trash, versions
from registry.actions.etags import definition_tag
from registry.actions.transaction import Actor
from registry.actions.versions import get_version
from tests.dashboard.browsing import html_of
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
HERE = "/dashboard/agents/pharmacy/definition/"
BOB = Actor("bob", "dashboard")


@pytest.fixture
def pharmacy(fleet: Any) -> Agent:
    return Agent.objects.get(name="pharmacy")


@pytest.fixture
def browser() -> Client:
    return someone("Operator")


def someone(role: str) -> Client:
    client = Client()
    client.force_login(person(role.lower(), role))
    return client


def definition_with(pharmacy: Agent, **changes: Any) -> dict[str, Any]:
    assert pharmacy.live
    return {**pharmacy.live.definition, **changes}


def sent(pharmacy: Agent, definition: Any, **fields: str) -> dict[str, str]:
    """What the form sends of this definition, edited on top of what the agent has now."""
    pharmacy.refresh_from_db()
    return {"base": definition_tag(pharmacy), "state": pack(definition), **fields}


def state(pharmacy: Agent) -> tuple[int | None, int | None, int]:
    """The numbers of the live version and the draft, and how many versions there are."""
    agent = Agent.objects.select_related("live", "draft").get(pk=pharmacy.pk)
    return agent.live and agent.live.number, agent.draft and agent.draft.number, agent.versions.count()


def test_a_change_in_the_form_becomes_the_draft_and_nothing_else_of_it_changes(pharmacy, browser):
    typed = {"line:/languages/#0/voice": "rime.luna", "note": "another voice"}
    answer = browser.post(f"{HERE}edit/", sent(pharmacy, definition_with(pharmacy), do="save", **typed))
    assert (answer.status_code, answer["Location"]) == (302, HERE)
    assert state(pharmacy) == (1, 2, 2)
    draft = AgentVersion.objects.get(agent=pharmacy, number=2)
    expected = definition_with(pharmacy)
    expected["languages"] = [{**expected["languages"][0], "voice": "rime.luna"}]
    assert json.dumps(draft.definition) == json.dumps(expected)
    assert (draft.note, draft.author) == ("another voice", "operator")
    page = browser.get(HERE).content.decode()
    assert "Draft v2" in page
    assert 'value="rime.luna"' in page
    assert "Draft saved as version 2" in page


def test_form_and_yaml_are_two_views_of_what_was_typed(pharmacy, browser):
    answer = browser.post(f"{HERE}edit/", sent(pharmacy, definition_with(pharmacy), do="view:yaml", **{
        "line:/languages/#0/voice": "rime.luna"
    }))  # fmt: skip
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "voice: rime.luna" in page
    assert state(pharmacy) == (1, None, 1)
    text = "prompt: {text: Hello}\nlanguages: [{name: A, code: en-US, voice: v.w}]\n"
    answer = browser.post(f"{HERE}edit/", {"base": "x", "yaml": text, "do": "view:form"})
    assert (answer.status_code, b"Hello</textarea>" in answer.content) == (200, True)
    broken = browser.post(f"{HERE}edit/", {"base": "x", "yaml": "prompt: [", "do": "view:form"})
    assert (broken.status_code, b"prompt: [</textarea>" in broken.content) == (422, True)
    assert "form-view" not in broken.content.decode()


def test_a_plain_swml_document_becomes_a_definition(pharmacy, browser):
    document = {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"ai": {"prompt": {"text": "Good day"}}}]}}
    answer = browser.post(f"{HERE}edit/", {"base": "x", "yaml": json.dumps(document), "do": "view:form"})
    assert (answer.status_code, b"Good day</textarea>" in answer.content) == (200, True)


def test_only_the_editor_is_sent_to_htmx(pharmacy, browser):
    answer = browser.post(
        f"{HERE}edit/",
        sent(pharmacy, definition_with(pharmacy), do="view:yaml"),
        headers={"HX-Request": "true", "HX-Target": "editor"},
    )
    assert answer["HX-Replace-Url"] == f"{HERE}?view=yaml"
    assert answer.content.decode().strip().startswith('<section class="panel" id="editor"')


def test_problems_stand_beside_their_fields_all_at_once_and_nothing_is_saved(pharmacy, browser):
    broken = definition_with(pharmacy, hints=[1], record_call=7, languages=[{"name": "A", "code": "b"}])
    answer = browser.post(f"{HERE}edit/", sent(pharmacy, broken, do="save"))
    page = html_of(answer)
    assert answer.status_code == 422
    assert "3 problems keep it from being saved" in page
    assert page.count('aria-invalid="true"') >= 3
    assert "is missing" in page
    assert state(pharmacy) == (1, None, 1)


def test_the_check_says_problems_and_difference_and_saves_nothing(pharmacy, browser):
    typed = {"text:/prompt/sections/#0/body": "You take orders."}
    answer = browser.post(f"{HERE}check/", sent(pharmacy, definition_with(pharmacy), **typed))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'class="l add"' in page
    assert "You take <del>refill </del>orders." in page
    assert 'id="problems" class="problems" hx-swap-oob="true"' in page
    assert "keep it from" not in page
    typed = {"line:/languages/#0/voice": ""}
    page = html_of(browser.post(f"{HERE}check/", sent(pharmacy, definition_with(pharmacy), **typed)))
    assert "1 problem keeps it from being saved" in page
    assert "languages.0.voice" in page
    assert "data-for=" in page
    assert "shown as soon as the problems are mended" in page
    assert state(pharmacy) == (1, None, 1)


def test_who_saves_second_is_told_who_was_faster_and_loses_nothing(pharmacy, browser):
    mine = sent(pharmacy, definition_with(pharmacy, hints=["mine"]), do="save", note="my note")
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["theirs"]), by=BOB)
    answer = browser.post(f"{HERE}edit/", mine)
    page = answer.content.decode()
    assert answer.status_code == 412
    assert "bob was faster" in page
    assert "<del>theirs</del>" in page
    assert "<ins>mine</ins>" in page
    assert state(pharmacy) == (1, 2, 2)
    keep = sent(pharmacy, definition_with(pharmacy, hints=["mine"]), do="save")
    assert browser.post(f"{HERE}edit/", keep).status_code == 302
    assert state(pharmacy) == (1, 3, 3)
    assert [get_version(pharmacy, number).definition["hints"] for number in (2, 3)] == [["theirs"], ["mine"]]


def test_taking_theirs_keeps_mine_as_a_version(pharmacy, browser):
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["theirs"]), by=BOB)
    answer = browser.post(f"{HERE}theirs/", sent(pharmacy, definition_with(pharmacy, hints=["mine"])))
    assert answer.status_code == 302
    assert state(pharmacy) == (1, 2, 3)
    assert get_version(pharmacy, 3).definition["hints"] == ["mine"]


def test_who_edits_what_is_not_live_any_more_is_warned_too(pharmacy, browser):
    mine = sent(pharmacy, definition_with(pharmacy, hints=["mine"]), do="save")
    assert browser.get(f"{HERE}changed/?base={mine['base']}").content.strip() == b""
    agents.publish("pharmacy", definition_with(pharmacy, hints=["theirs"]), by=BOB)
    told = html_of(browser.get(f"{HERE}changed/?base={mine['base']}"))
    assert "<b>bob</b> has changed what is live: v2" in told
    assert browser.post(f"{HERE}edit/", mine).status_code == 412
    assert state(pharmacy) == (2, None, 2)


def test_a_draft_is_discarded_and_brought_back(pharmacy, browser):
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["x"]), by=BOB)
    assert browser.post(f"{HERE}discard/").status_code == 302
    assert state(pharmacy) == (1, None, 2)
    page = browser.get(HERE).content.decode()
    assert "Draft v2 is discarded" in page
    assert f'action="{HERE}draft/"' in page
    assert browser.post(f"{HERE}draft/", {"number": "2"}).status_code == 302
    assert state(pharmacy) == (1, 3, 3)
    assert get_version(pharmacy, 3).definition["hints"] == ["x"]


def test_publishing_says_what_will_change_and_can_be_undone(pharmacy, browser):
    write_events([
        {"agent": "pharmacy", "call_id": "a"}, {"agent": "pharmacy", "call_id": "b"},
        {"agent": "pharmacy", "call_id": "b", "kind": "post_prompt"},
    ])  # fmt: skip
    changed = definition_with(pharmacy, hints=["x"], functions={})
    versions.save_draft("pharmacy", changed, by=BOB, note="fewer functions")
    page = html_of(browser.get("/dashboard/agents/pharmacy/publish/"))
    for words in (
        "1 function will not be offered any more: <code>refill</code>",
        "<code>/pharmacy</code>", "<code>refills</code>",
        "1 call is running on v1 and keeps it to the end", "<code>hints</code>", "fewer functions", "2 fields",
    ):  # fmt: skip
        assert words in page, words
    assert "l del" in browser.get("/dashboard/agents/pharmacy/publish/?show=document").content.decode()
    pharmacy.refresh_from_db()
    answer = browser.post("/dashboard/agents/pharmacy/publish/", {"base": definition_tag(pharmacy)})
    assert answer.status_code == 302
    assert state(pharmacy) == (2, None, 2)
    page = browser.get(HERE).content.decode()
    assert "Version 2 is live" in page
    pharmacy.refresh_from_db()
    undo = {"number": "1", "base": definition_tag(pharmacy)}
    assert f'name="base" value="{undo["base"]}"' in page
    assert browser.post("/dashboard/agents/pharmacy/versions/restore/", undo).status_code == 302
    assert state(pharmacy) == (3, None, 3)
    assert get_version(pharmacy, 3).definition == get_version(pharmacy, 1).definition
    assert browser.post("/dashboard/agents/pharmacy/versions/restore/", undo).status_code == 302
    assert state(pharmacy) == (3, None, 3), "what was seen is no longer so"


def test_what_somebody_changed_since_it_was_looked_at_is_not_published(pharmacy, browser):
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["x"]), by=BOB)
    pharmacy.refresh_from_db()
    base = definition_tag(pharmacy)
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["y"]), by=BOB)
    answer = browser.post("/dashboard/agents/pharmacy/publish/", {"base": base})
    assert (answer.status_code, answer["Location"]) == (302, f"{HERE}#publish")
    assert state(pharmacy) == (1, 3, 3)


def test_what_keeps_a_draft_from_being_published_is_listed_with_its_field(pharmacy, browser, settings, monkeypatch):
    settings.AGENT_SECRETS = ["AGENT_SECRET_*"]
    handler = {"webhook": {"url": "https://x.example.com", "headers": {"Authorization": "Bearer env:AGENT_SECRET_A"}}}
    functions = {"hook": {"description": "d", "handler": handler}}
    versions.save_draft("pharmacy", definition_with(pharmacy, functions=functions), by=BOB)
    settings.AGENT_SECRETS = []
    page = browser.get("/dashboard/agents/pharmacy/publish/").content.decode()
    assert "<code>functions.hook.handler.webhook.headers.Authorization</code>" in page
    assert 'aria-disabled="true"' in page


def test_a_viewer_reads_and_changes_nothing(pharmacy):
    viewer = someone("Viewer")
    page = viewer.get(HERE).content.decode()
    assert "You take refill orders." in page
    for word in ('name="do"', "Save draft", "Add a language", 'id="publish"'):
        assert word not in page, word
    assert viewer.get(f"{HERE}preview/").status_code == 200
    for url in ("edit/", "check/", "theirs/", "discard/", "draft/"):
        answer = viewer.post(f"{HERE}{url}", sent(pharmacy, definition_with(pharmacy, hints=["x"]), do="save"))
        assert answer.status_code == 403, url
    assert state(pharmacy) == (1, None, 1)


def test_an_agent_in_the_trash_can_be_read(pharmacy, browser):
    trash.unregister_agent("pharmacy", by=BOB)
    page = browser.get(HERE)
    assert (page.status_code, b"Restore the agent to edit it" in page.content) == (200, True)
    answer = browser.post(f"{HERE}edit/", sent(pharmacy, definition_with(pharmacy, hints=["x"]), do="save"))
    assert answer.status_code == 404


def test_the_pages_ask_the_database_little(pharmacy, browser, django_assert_max_num_queries):
    versions.save_draft("pharmacy", definition_with(pharmacy, hints=["x"]), by=BOB)
    for url in (HERE, f"{HERE}?view=yaml", "/dashboard/agents/pharmacy/publish/", f"{HERE}preview/"):
        with django_assert_max_num_queries(29):
            assert browser.get(url).status_code == 200
    with django_assert_max_num_queries(29):
        browser.post(f"{HERE}check/", sent(pharmacy, definition_with(pharmacy)))


def test_the_largest_definition_fits_into_the_form(pharmacy, browser, settings):
    words = " ".join(f"слово-{number}" for number in range(30_000))
    large = definition_with(pharmacy, prompt={"text": words})
    page = browser.get(HERE)
    assert page.status_code == 200
    form = sent(pharmacy, large, do="save", **{"text:/prompt/text": f"{words}!"})
    request = browser.post(f"{HERE}edit/", form)
    assert request.status_code == 302
    assert get_version(pharmacy, 2).definition["prompt"]["text"] == f"{words}!"
    assert 450_000 < len(words.encode()) < sum(len(value.encode()) for value in form.values()) < settings.MAX_BODY_BYTES


def test_a_large_definition_can_be_edited(pharmacy, browser):
    functions = {
        f"function_{number}": {
            "description": f"Does thing number {number}",
            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
            "handler": {"reply": f"Thing {number}: ${{args.a}}"},
        }
        for number in range(500)
    }
    large = definition_with(pharmacy, functions=functions)
    versions.save_draft("pharmacy", large, by=BOB)
    assert b"function_499" in browser.get(HERE).content
    answer = browser.post(f"{HERE}edit/", sent(pharmacy, large, do="open:/functions/function_250"))
    assert b"Thing 250: ${args.a}</textarea>" in answer.content
    typed = {"text:/functions/function_250/handler/reply": "Other ${args.a}", "open": "/functions/function_250"}
    page = browser.post(f"{HERE}check/", sent(pharmacy, large, **typed)).content.decode()
    assert "lines unchanged" in page or "l add" in page
    assert browser.post(f"{HERE}edit/", sent(pharmacy, large, do="save", **typed)).status_code == 302
    assert get_version(pharmacy, 3).definition["functions"]["function_250"]["handler"]["reply"] == "Other ${args.a}"
