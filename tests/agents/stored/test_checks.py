"""What is checked when a definition is saved: SWML's schema, by field, and secrets that stand in it."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition
from agents.stored.checks import check
from agents.swml.checker import document_problems
from agents.swml.document import EXAMPLE_URLS, AnyToken, render
from tests.agents.building import PROMPT, with_function
from tests.agents.strategies import definitions, quick


def problems(value: dict[str, Any]) -> dict[str, str]:
    """Everything that is wrong with a definition, found now or when its shape is read."""
    with pytest.raises(InvalidDefinition) as refused:
        check(AgentDefinition.read({"prompt": PROMPT, **value}))
    return refused.value.problems


SECRET = "is a secret: put it into an environment variable and write env:NAME"
PASSWORD = "has a password in it: put the whole URL into an environment variable and write env:NAME"
STEP = {"name": "a", "text": "A"}
REFUSED: list[tuple[dict[str, Any], dict[str, str]]] = [
    # SWML's schema, with the field of the definition
    (
        {"post_answer": [{"sleep": 5}, {"play": {"uri": "say:Hello"}}]},
        {"post_answer.1.play": "needs url or urls", "post_answer.1.play.uri": "is not a word of play"},
    ),
    ({"post_answer": [{"plya": {"url": "say:Hello"}}]}, {"post_answer.0.plya": "did you mean play?"}),
    ({"pre_answer": [{"play": {"urls": 5, "auto_answer": False}}]}, {"pre_answer.0.play.urls": "must be a list"}),
    ({"post_ai": [{"hangup": {"reason": "tired"}}]}, {"post_ai.0.hangup.reason": '"busy" or "decline"'}),
    ({"answer": {"max_duration": "long"}}, {"answer.max_duration": "must be a whole number"}),
    ({"record_call": {"format": "ogg"}}, {"record_call.format": 'must be "wav", "mp3" or "mp4"'}),
    ({"sections": {"later": [{"play": {"url": 5}}]}}, {"sections.later.0.play.url": "must be a URL"}),
    ({"params": {"attention_timeout": "never"}}, {"params.attention_timeout": "must be a whole number"}),
    ({"native_functions": ["check_tyme"]}, {"native_functions.0": 'must be "check_time"'}),
    (
        {"languages": [{"name": "a", "code": "b", "voice": "c", "emotion": "angry"}]},
        {"languages.0.emotion": 'must be "auto"'},
    ),
    ({"internal_fillers": {"next_stop": {"en-US": ["a"]}}}, {"internal_fillers.next_stop": "did you mean next_step?"}),
    ({"prompt": {**PROMPT, "temperature": 9}}, {"prompt.temperature": "must be at most 1.5"}),
    ({"post_prompt": {**PROMPT, "top_p": 9}}, {"post_prompt.top_p": "must be at most 1"}),
    ({"multilingual": {"languages": "all"}}, {"multilingual.languages": "must be a list"}),
    (
        with_function(handler={"data_map": {"webhooks": [{"method": "GET"}]}}),
        {"functions.act.handler.data_map.webhooks.0.url": "is missing"},
    ),
    (
        with_function(handler={"data_map": {"outputs": {"response": "a"}}}),
        {"functions.act.handler.data_map.outputs": "did you mean output?"},
    ),
    (
        with_function(gates=[{"question": "Sure?"}]),
        {"functions.act.gates.0.on_fail": "is missing", "functions.act.gates.0.threshold": "is missing"},
    ),
    # secrets
    ({"mcp_servers": [{"url": "https://a.b", "headers": {"Authorization": "Bearer abc"}}]}, {
        "mcp_servers.0.headers.Authorization": SECRET,
    }),
    ({"params": {"x": [{"password": "abc"}]}}, {"params.x.0.password": SECRET}),
    ({"answer": {"username": "a", "password": "b"}}, {"answer.password": SECRET}),
    ({"post_prompt": "a", "post_prompt_url": "https://u:p@h/x"}, {"post_prompt_url": PASSWORD}),
    ({"web_hook_url": "https://u:p@h/x"}, {"web_hook_url": PASSWORD}),
    (
        with_function(handler={"webhook": {"url": "https://h/x", "headers": {"X-Crm-Key": "abc", "X-Team": "v"}}}),
        {"functions.act.handler.webhook.headers.X-Crm-Key": SECRET},
    ),
    # what does not fit together
    ({"prompt": {"text": "a", "contexts": {"x": {"steps": [STEP]}}}}, {"prompt.contexts": "must be called default"}),
    (
        {"prompt": {"text": "a", "contexts": {"default": {"steps": [{**STEP, "functions": ["nope"]}]}}}},
        {"prompt.contexts.default.steps.0.functions": "there is no function 'nope'"},
    ),
    (
        {"prompt": {"text": "a", "contexts": {"default": {"steps": [{**STEP, "functions": 5}]}}}},
        {"prompt.contexts.default.steps.0.functions": "has the wrong type"},
    ),
    (
        {"prompt": {"text": "a", "contexts": {"default": {"steps": [{**STEP, "valid_steps": ["z"]}]}}}},
        {"prompt.contexts.default.steps.0.valid_steps": "there is no 'z'"},
    ),
    (
        {"prompt": {"text": "a", "contexts": {"default": {"steps": [STEP, STEP]}}}},
        {"prompt.contexts.default": "two steps are called 'a'"},
    ),
    ({"post_answer": [{"play": {"url": "say:a"}, "hangup": {}}]}, {"post_answer.0": "must have one key"}),
    ({"pre_answer": [{"play": {"url": "say:a"}}]}, {"pre_answer.0.play": "add auto_answer: false"}),
    ({"pre_answer": [{"record_call": {}}]}, {"pre_answer.0.record_call": "move it to post_answer"}),
    ({"record_call": 5}, {"record_call": "must be true, false, or an object"}),
    ({"sections": {"main": []}}, {"sections.main": "is made from the rest of the definition"}),
    ({"auto_answer": False, "answer": {"max_duration": 5}}, {"answer": "is of no use"}),
    ({"post_prompt_url": "https://h/x"}, {"post_prompt_url": "is of no use without a post_prompt"}),
    ({"prompt": {**PROMPT, "temperature": True}}, {"prompt.temperature": "must be a number"}),
    ({"prompt": {**PROMPT, "llm_params": {"top_p": 1}}}, {"prompt.llm_params.top_p": "belongs beside llm_params"}),
    # handlers
    (with_function(handler={"webhook": {"direct": True}}), {"functions.act.handler.webhook.url": "no web_hook_url"}),
    (with_function(handler={"webhook": {}}), {"functions.act.handler.webhook.url": "is missing"}),
    (with_function(handler={"webhook": 5}), {"functions.act.handler.webhook": "must be an object"}),
    (with_function(handler={"webhook": "ftp://h/x"}), {"functions.act.handler.webhook.url": "https:// or http://"}),
    (with_function(handler={"webhook": "https://h/${args.x}"}), {"functions.act.handler.webhook.url": "placeholder"}),
    (
        with_function(handler={"webhook": {"url": "ftp://h/x", "direct": True}}),
        {"functions.act.handler.webhook.url": "https:// or http://"},
    ),
    (
        with_function(handler={"webhook": {"url": "https://h/x", "timeout": 90}}),
        {"functions.act.handler.webhook.timeout": "less than or equal to 60"},
    ),
    (
        with_function(handler={"webhook": {"url": "https://h/x", "direct": True, "timeout": 9}}),
        {"functions.act.handler.webhook": "has its own time limit"},
    ),
    (with_function(handler={"data_map": {}}), {"functions.act.handler.data_map": "must not be empty"}),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_problem_points_at_its_field(value: dict[str, Any], expected: dict[str, str]) -> None:
    found = problems(value)
    assert list(found) == list(expected)
    for path, words in expected.items():
        assert words in found[path]


@pytest.mark.parametrize(
    "value",
    [
        {"mcp_servers": [{"url": "https://a.b", "headers": {"Authorization": "Bearer env:AGENT_SECRET_MCP"}}]},
        {"params": {"password": ""}, "global_data": {"token": "${call.token}", "tokens": "many"}},
        {"web_hook_url": "env:AGENT_SECRET_URL"},
        with_function(parameters={"password": {"type": "string"}}),
        with_function(handler={"webhook": "env:AGENT_SECRET_URL"}),
        {"hints": ["password"]},
    ],
    ids=lambda value: str(value)[:60],
)
def test_references_and_words_that_only_look_like_secrets_are_fine(value: dict[str, Any]) -> None:
    check(AgentDefinition.read({"prompt": PROMPT, **value}))


@quick
@given(definitions)
def test_a_rendered_document_passes_the_schema_or_is_refused_on_save(value: dict[str, Any]) -> None:
    definition = AgentDefinition.read(value)
    document = orjson.loads(orjson.dumps(render(definition, EXAMPLE_URLS, AnyToken())))
    if document_problems(document):
        with pytest.raises(InvalidDefinition):
            check(definition)
    else:
        check(definition)


@quick
@given(definitions)
def test_most_definitions_are_right(value: dict[str, Any]) -> None:
    """So that the test above is not one of refusals alone: without verbs that are wrong on purpose, all pass."""
    for word in ("post_answer", "post_ai", "sections", "params"):
        value = {key: item for key, item in value.items() if key != word}
    check(AgentDefinition.read(value))
