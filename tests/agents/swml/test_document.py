"""The SWML document: shape, key order, URLs and tokens."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from agents.definition import AgentDefinition
from agents.definition.variables import resolve
from agents.swml.document import PreparedDocument, Urls, pause_document, render
from agents.tokens import FOR_DEFAULTS, FOR_POST_PROMPT, for_function
from tests.agents.building import ENVIRONMENT, KEY, NOW, PROMPT, URL, ai_of, token_in, twin, with_function
from tests.agents.strategies import definitions, quick

BASE = b"https://voice.example.com"
URLS = Urls(URL, BASE.decode())


def document(**ai: Any) -> dict[str, Any]:
    """A document with this ai verb."""
    return {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"ai": ai}]}}


# As the reference writes them (docs/contract.md, 3.1), but with the registered route in their URLs.
BOOKING = document(
    prompt={
        "pom": [
            {
                "title": "Role",
                "body": "You book appointments at the Elm Street clinic.",
                "bullets": ["Be brief", "Offer two slots"],
            }
        ]
    },
    post_prompt={"text": "Summarise the appointment as JSON."},
    post_prompt_url=f"{URL}/post_prompt/?__token=T1",
    SWAIG={
        "functions": [
            {
                "function": "find_slot",
                "description": "Find a free slot",
                "parameters": {
                    "type": "object",
                    "properties": {"day": {"type": "string", "description": "Day of the week"}},
                    "required": ["day"],
                },
                "web_hook_url": f"{URL}/swaig/?__token=T2",
            }
        ],
        "defaults": {"web_hook_url": f"{URL}/swaig/?__token=T3"},
    },
    params={"end_of_speech_timeout": 700},
    hints=["Elm Street", "Dr Okafor"],
    languages=[{"name": "English", "code": "en-US", "voice": "rime.spore"}],
)
PHARMACY = document(
    prompt={"pom": [{"title": "Role", "body": "You take refill orders."}]},
    SWAIG={
        "functions": [
            {
                "function": "refill",
                "description": "Order a refill",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "number": {"type": "string", "description": "Prescription number"},
                        "count": {"type": "integer"},
                    },
                    "required": ["number"],
                },
                "web_hook_url": f"{URL}/swaig/?__token=T1",
            }
        ],
        "defaults": {"web_hook_url": f"{URL}/swaig/?__token=T2"},
    },
    params={},
    languages=[{"name": "Spanish", "code": "es-US", "voice": "gcloud.es-US-Neural2-A"}],
    global_data={"opens": "08:00"},
)
INFO = document(
    prompt={"pom": [{"title": "Role", "body": "You tell callers the opening hours."}]},
    params={},
)


@pytest.mark.parametrize(
    ("name", "expected", "tokens"),
    [("booking-desk", BOOKING, [b"T1", b"T2", b"T3"]), ("pharmacy", PHARMACY, [b"T1", b"T2"]), ("info-line", INFO, [])],
)
def test_a_twin_has_the_document_of_the_reference_in_its_order(
    name: str, expected: dict[str, Any], tokens: list[bytes]
) -> None:
    prepared = PreparedDocument(AgentDefinition.read(twin(name)), {})
    assert prepared.splice(URL.encode(), BASE, tokens) == orjson.dumps(expected)


def rendered(definition: dict[str, Any]) -> dict[str, Any]:
    """The ai verb of a definition's document; each token is its purpose."""
    read = AgentDefinition.read(definition)
    tokens = {purpose: purpose.decode() for purpose in PreparedDocument(read, {}).purposes}
    return ai_of(render(read, URLS, tokens))


def test_an_insecure_function_has_no_url_of_its_own_and_relies_on_the_defaults() -> None:
    swaig = rendered(with_function(secure=False))["SWAIG"]
    assert list(swaig["functions"][0]) == ["function", "description", "parameters"]
    assert swaig["defaults"] == {"web_hook_url": f"{URL}/swaig/?__token=defaults"}


def test_functions_come_in_the_order_of_the_definition_each_with_a_token_of_its_own() -> None:
    definition = with_function()
    definition["functions"] = dict.fromkeys(("zeta", "alpha", "mid"), definition["functions"]["act"])
    entries = rendered(definition)["SWAIG"]["functions"]
    assert [(entry["function"], token_in(entry["web_hook_url"])) for entry in entries] == [
        ("zeta", "function:zeta"), ("alpha", "function:alpha"), ("mid", "function:mid"),
    ]  # fmt: skip


def test_a_function_without_parameters_renders_an_empty_schema() -> None:
    assert rendered(with_function())["SWAIG"]["functions"][0]["parameters"] == {"type": "object", "properties": {}}


def test_handlers_stay_with_us() -> None:
    entry = rendered(with_function(handler={"reply": "The code is 4711."}))["SWAIG"]["functions"][0]
    assert "4711" not in str(entry)
    assert set(entry) == {"function", "description", "parameters", "web_hook_url"}


def test_a_prompt_of_one_text_is_rendered_as_text() -> None:
    assert rendered({"prompt": {"text": "Be kind."}}) == {"prompt": {"text": "Be kind."}, "params": {}}


def test_a_section_has_the_words_that_are_set_in_the_order_of_the_sdk() -> None:
    section = {
        "numberedBullets": True,
        "numbered": True,
        "subsections": [{"bullets": ["x"], "title": "Sub"}],
        "bullets": ["1"],
        "body": "B",
        "title": "T",
    }
    pom = rendered({"prompt": {"sections": [section]}})["prompt"]["pom"]
    assert pom == [section]
    assert list(pom[0]) == ["title", "body", "bullets", "subsections", "numbered", "numberedBullets"]


@pytest.mark.parametrize(
    ("voice", "split"),
    [
        ("rime.spore:mistv2", {"voice": "spore", "engine": "rime", "model": "mistv2"}),
        ("elevenlabs.josh:turbo_v2_5", {"voice": "josh", "engine": "elevenlabs", "model": "turbo_v2_5"}),
        ("a.b.c:d:e", {"voice": "b.c", "engine": "a", "model": "d:e"}),
        ("rime.spore", {"voice": "rime.spore"}),
        ("spore", {"voice": "spore"}),
        ("spore:mist", {"voice": "spore:mist"}),
        (".spore:mist", {"voice": ".spore:mist"}),
        ("rime.:mist", {"voice": "rime.:mist"}),
        ("gcloud.es-US-Neural2-A", {"voice": "gcloud.es-US-Neural2-A"}),
    ],
)
def test_a_voice_is_split_into_engine_voice_and_model(voice: str, split: dict[str, str]) -> None:
    language = rendered({"prompt": PROMPT, "languages": [{"name": "English", "code": "en-US", "voice": voice}]})
    assert language["languages"] == [{"name": "English", "code": "en-US", **split}]
    assert list(language["languages"][0]) == ["name", "code", *split]


def test_the_ai_verb_has_its_keys_in_the_order_of_the_sdk() -> None:
    definition = {**twin("booking-desk"), "global_data": {"a": 1}}
    assert list(rendered(dict(reversed(definition.items())))) == [
        "prompt", "post_prompt", "post_prompt_url", "SWAIG", "params", "hints", "languages", "global_data",
    ]  # fmt: skip


def test_a_url_that_json_must_escape_is_escaped() -> None:
    prepared = PreparedDocument(AgentDefinition.read(with_function()), {})
    url = 'https://u:a"b\\c@voice.example.com/ü'
    assert ai_of(orjson.loads(prepared.splice(url.encode(), BASE, [b"T1", b"T2"])))["SWAIG"]["defaults"] == {
        "web_hook_url": f"{url}/swaig/?__token=T2"
    }


def test_each_of_many_public_urls_gets_its_own_document() -> None:
    prepared = PreparedDocument(AgentDefinition.read(with_function()), {})
    for number in (0, 1, 1, 0, 2, 0):
        spliced = orjson.loads(prepared.splice(f"https://{number}.example.com".encode(), BASE, [b"T1", b"T2"]))
        assert ai_of(spliced)["SWAIG"]["defaults"]["web_hook_url"] == f"https://{number}.example.com/swaig/?__token=T2"


@pytest.mark.parametrize("tokens", [[], [b"T1"], [b"T1", b"T2", b"T3"]])
def test_a_document_is_never_made_with_too_few_or_too_many_tokens(tokens: list[bytes]) -> None:
    prepared = PreparedDocument(AgentDefinition.read(with_function()), {})
    with pytest.raises(ValueError, match="zip"):
        prepared.splice(URL.encode(), BASE, tokens)


def test_a_paused_agent_says_its_message_and_hangs_up() -> None:
    assert orjson.loads(pause_document('We are "closed".\nCall tomorrow.')) == {
        "version": "1.0.0",
        "sections": {
            "main": [{"answer": {}}, {"play": {"url": 'say:We are "closed".\nCall tomorrow.'}}, {"hangup": {}}]
        },
    }


@quick
@given(definitions)
def test_any_definition_is_spliced_to_what_it_renders_with_tokens_that_are_good(value: dict[str, Any]) -> None:
    definition = AgentDefinition.read(value)
    prepared = PreparedDocument(definition, ENVIRONMENT)
    minted = KEY.mint(7, int(NOW) + 60, prepared.purposes, "C7")
    spliced = orjson.loads(prepared.splice(URL.encode(), BASE, minted))
    tokens = {purpose: token.decode() for purpose, token in zip(prepared.purposes, minted, strict=True)}
    assert spliced == orjson.loads(orjson.dumps(resolve(render(definition, URLS, tokens), ENVIRONMENT)))

    ai = ai_of(spliced)
    purposes = {}
    if "post_prompt" in value:
        purposes[FOR_POST_PROMPT] = ai["post_prompt_url"]
    if "functions" in value:
        purposes[FOR_DEFAULTS] = ai["SWAIG"]["defaults"]["web_hook_url"]
    for entry in ai.get("SWAIG", {}).get("functions", []):
        function = definition.functions[entry["function"]]
        if function.runs_here:
            assert ("web_hook_url" in entry) == function.secure
        if function.runs_here and function.secure:
            purposes[for_function(entry["function"])] = entry["web_hook_url"]
    assert len(purposes) == len(minted)
    for purpose, url in purposes.items():
        assert KEY.version_of(token_in(url), purpose, ["C7"], NOW) == 7
