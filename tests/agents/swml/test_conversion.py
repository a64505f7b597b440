"""A plain SWML document becomes a definition; what has no place in one is named, never dropped."""

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition
from agents.stored.checks import check
from agents.swml.conversion import LOST, NO_AI, definition_of, is_document
from agents.swml.document import EXAMPLE_URLS, AnyToken, render
from tests.agents.building import PROMPT, ai_of
from tests.agents.stored.test_fidelity import CONTEXTS, FULL, PLAIN, full, plain, theirs, with_contexts
from tests.agents.strategies import anything, definitions, quick


def document(*verbs: Any, **ai: Any) -> dict[str, Any]:
    """A document with these verbs and then an ai verb."""
    return {"version": "1.0.0", "sections": {"main": [*verbs, {"ai": {"prompt": PROMPT, **ai}}]}}


def rendered(definition: dict[str, Any]) -> dict[str, Any]:
    """The document of a definition."""
    read = AgentDefinition.read(definition)
    found: dict[str, Any] = orjson.loads(orjson.dumps(render(read, EXAMPLE_URLS, AnyToken())))
    return found


def problems(value: dict[str, Any]) -> dict[str, str]:
    """What is wrong with a document."""
    with pytest.raises(InvalidDefinition) as refused:
        definition_of(value)
    return refused.value.problems


@pytest.mark.parametrize("agent", [full, with_contexts, plain])
def test_a_document_of_the_sdk_is_rendered_again_as_it_was(agent: Any) -> None:
    before = theirs(agent())
    assert is_document(before)
    assert rendered(definition_of(before)) == before


@pytest.mark.parametrize("definition", [FULL, CONTEXTS, PLAIN])
def test_our_own_document_comes_back_as_well(definition: dict[str, Any]) -> None:
    before = rendered(definition)
    assert rendered(definition_of(before)) == before
    assert not is_document(definition)


@quick
@given(definitions)
def test_any_document_of_ours_is_rendered_again_as_it_was(value: dict[str, Any]) -> None:
    before = rendered(value)
    assert rendered(definition_of(before)) == before


def test_a_small_document_becomes_a_small_definition() -> None:
    before = document("answer", {"play": {"url": "say:Hello"}}, hints=["Acme"])
    before["sections"]["main"].append({"hangup": {}})
    definition = definition_of(before)
    assert definition == {
        "prompt": PROMPT,
        "hints": ["Acme"],
        "post_answer": [{"play": {"url": "say:Hello"}}],
        "post_ai": [{"hangup": {}}],
    }
    check(AgentDefinition.read(definition))


def test_verbs_find_their_places_around_the_answer() -> None:
    ring = {"play": {"urls": ["ring:us"], "auto_answer": False}}
    record = {"record_call": {"format": "wav"}}
    answered = definition_of(document(ring, {"answer": {"max_duration": 60}}, record))
    assert (answered["pre_answer"], answered["answer"]) == ([ring], {"max_duration": 60})
    assert answered["post_answer"] == [record]
    ringing = definition_of(document(ring))
    assert (ringing["auto_answer"], ringing["post_answer"]) == (False, [ring])


def test_functions_are_still_answered_by_whom_they_were() -> None:
    functions = [
        {"function": "own", "description": "d", "web_hook_url": "https://a.example.com/own"}
        | {"web_hook_auth_user": "u", "web_hook_auth_password": "env:AGENT_SECRET_CRM"},
        {"function": "default", "purpose": "d", "argument": {"type": "object", "properties": {}}},
        {"function": "mapped", "description": "d", "data_map": {"output": {"response": "ok"}}},
    ]
    swaig = {"functions": functions, "defaults": {"web_hook_url": "https://a.example.com/swaig"}}
    definition = definition_of(document(SWAIG=swaig))
    assert {name: function["handler"] for name, function in definition["functions"].items()} == {
        "own": {
            "webhook": {
                "url": "https://a.example.com/own",
                "auth_user": "u",
                "auth_password": "env:AGENT_SECRET_CRM",
                "direct": True,
            }
        },
        "default": {"webhook": {"direct": True}},
        "mapped": {"data_map": {"output": {"response": "ok"}}},
    }
    assert definition["web_hook_url"] == "https://a.example.com/swaig"
    entries = ai_of(rendered(definition))["SWAIG"]["functions"]
    assert [entry.get("web_hook_url") for entry in entries] == ["https://a.example.com/own", None, None]
    assert entries[0]["web_hook_auth_password"] == "env:AGENT_SECRET_CRM"


def test_both_ways_of_saying_something_are_understood() -> None:
    voice = {"name": "English", "code": "en-US", "voice": "elevenlabs.josh:turbo"}
    definition = definition_of(document(post_prompt="Summarise.", languages=[voice]))
    assert definition["post_prompt"] == {"text": "Summarise."}
    assert definition["languages"][0]["engine"] == "elevenlabs"


NO_URL = {"functions": [{"function": "f", "description": "d"}]}
TWICE = {"functions": [{"function": "f", "description": "d", "data_map": {"output": {"response": "a"}}}] * 2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (document(zzz={"a": 1}), {"sections.main.0.ai.zzz": LOST}),
        (document(SWAIG={"native_functions": ["check_time"], "zzz": 1}), {"sections.main.0.ai.SWAIG.zzz": LOST}),
        ({**document(), "signature": "x"}, {"signature": LOST}),
        ({**document(), "version": "2.0.0"}, {"version": LOST}),
        (document(SWAIG={"defaults": {"web_hook_url": "https://a.example.com", "x": 1}}), {
            "sections.main.0.ai.SWAIG": LOST,
        }),
        (document({"play": {}, "hangup": {}}), {
            "post_answer.0": "must have one key, the verb, such as {play: {url: …}}",
        }),
        (document({"record_call": {}}, {"answer": {}}), {
            "pre_answer.0.record_call": "cannot run before the call is answered: move it to post_answer",
        }),
        (document(SWAIG=NO_URL), {
            "SWAIG.functions.0": "f has neither web_hook_url nor data_map: nobody would answer it",
        }),
        (document(SWAIG=TWICE), {"SWAIG.functions.1": "is the second function called 'f'"}),
        (document(SWAIG={"functions": ["f"]}), {"SWAIG.functions.0": "needs a name, as function: …"}),
        (document(prompt={"text": "a", "pom": [{"body": "b"}]}), {"prompt": "needs either text or sections"}),
        ({"sections": {"main": [{"play": {"url": "say:a"}}]}}, {"sections.main": NO_AI}),
        ({"sections": {"main": [{"ai": "x"}]}}, {"sections.main": NO_AI}),
        ({"sections": {"main": {}}}, {"sections.main": "must be a list of verbs"}),
        ({"sections": []}, {"sections.main": "must be a list of verbs"}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_cannot_be_expressed_is_named(value: dict[str, Any], expected: dict[str, str]) -> None:
    assert problems(value) == expected


@quick
@given(anything, anything)
def test_whatever_calls_itself_a_document_is_read_or_refused(main: Any, ai: Any) -> None:
    for value in ({"sections": main}, {"sections": {"main": main}}, {"sections": {"main": [{"ai": ai}]}}):
        with contextlib.suppress(InvalidDefinition):
            AgentDefinition.read(definition_of(value))
