"""Which definitions are accepted, what is said of the others, and what is kept."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import orjson
import pytest
from hypothesis import given

from agents.definition import MAX_DEFINITION_BYTES, AgentDefinition, deeper_than
from agents.errors import InvalidDefinition
from tests.agents.building import PROMPT, problems, twin, with_function
from tests.agents.strategies import anything, definitions, nearly_definitions, nested, quick

DAY = {"type": "object", "properties": {"day": {"type": "string"}}}
SECTION = {"prompt": {"sections": [{"numbered": True}]}}
MATCH = {"argument": "day", "cases": {"Monday": {"reply": "Open."}}, "default": {"reply": "Closed."}}


# --- what is accepted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["booking-desk", "pharmacy", "info-line"])
def test_the_fleet_of_the_tests_is_accepted_and_kept_as_it_was_given(name: str) -> None:
    given_one = twin(name)
    if name == "booking-desk":
        given_one["post_prompt"] = {"text": given_one["post_prompt"]}  # the long form of the same
    assert AgentDefinition.read(twin(name)).stored() == given_one


def test_a_post_prompt_may_be_a_plain_text() -> None:
    read = AgentDefinition.read({"prompt": PROMPT, "post_prompt": "Summarise the call."})
    assert read.post_prompt is not None
    assert read.post_prompt.text == "Summarise the call."


def test_bare_properties_are_wrapped_into_a_schema() -> None:
    read = AgentDefinition.read(with_function(parameters={"day": {"type": "string"}}))
    assert read.functions["act"].parameters == DAY


def test_a_function_without_parameters_takes_none() -> None:
    definition = AgentDefinition.read(with_function())
    assert definition.functions["act"].parameters == {"type": "object", "properties": {}}
    assert "parameters" not in definition.stored()["functions"]["act"]


def test_functions_are_secure_unless_their_author_says_otherwise() -> None:
    assert AgentDefinition.read(with_function()).functions["act"].secure
    assert not AgentDefinition.read(with_function(secure=False)).functions["act"].secure


def test_the_order_of_functions_parameters_and_data_is_kept() -> None:
    act = {"description": "Act", "handler": {"reply": "Done."}, "parameters": {"z": {}, "m": {}, "a": {}}}
    given_one = {"prompt": PROMPT, "params": {"z": 1, "a": {"y": 1, "b": 2}}, "functions": {"zeta": act, "alpha": act}}
    kept = AgentDefinition.read(given_one).stored()
    assert list(kept["functions"]) == ["zeta", "alpha"]
    assert list(kept["functions"]["zeta"]["parameters"]["properties"]) == ["z", "m", "a"]
    assert json.dumps(kept["params"]) == '{"z": 1, "a": {"y": 1, "b": 2}}'


def test_null_inside_data_is_kept() -> None:
    kept = AgentDefinition.read({"prompt": PROMPT, "params": {"a": None}, "global_data": {"b": [None]}}).stored()
    assert kept["params"] == {"a": None}
    assert kept["global_data"] == {"b": [None]}


def test_transfer_targets_are_listed_by_function() -> None:
    match = {**MATCH, "cases": {"a": {"transfer": "sales"}, "b": {"transfer": "support"}, "c": {"reply": "No."}}}
    definition = with_function(parameters=DAY, handler={"match": match})
    definition["functions"]["bill"] = {"description": "Bill", "handler": {"transfer": "billing"}}
    definition["functions"]["talk"] = {"description": "Talk", "handler": {"reply": "Hello."}}
    assert AgentDefinition.read(definition).transfer_targets() == {"act": {"sales", "support"}, "bill": {"billing"}}


def test_a_definition_cannot_be_changed_once_it_is_read() -> None:
    definition = AgentDefinition.read(twin("info-line"))
    with pytest.raises(ValueError, match="frozen"):
        definition.hints = ["Elm Street"]  # type: ignore[misc]


# --- what is refused, and where the problem is said to be -------------------------------------------------------------

REFUSED: list[tuple[Any, str, str]] = [
    (None, "definition", "must be an object"),
    ([], "definition", "must be an object"),
    ({}, "prompt", "is missing"),
    ({"prompt": "Hello."}, "prompt", "must be an object"),
    ({"prompt": {}}, "prompt", "needs either text or sections"),
    ({"prompt": {"text": "a", "sections": [{"body": "b"}]}}, "prompt", "needs either text or sections"),
    ({"prompt": {"text": ""}}, "prompt.text", "must not be empty"),
    (SECTION, "prompt.sections.0", "needs a title, a body, bullets or subsections"),
    ({"prompt": PROMPT, "promt": 1}, "promt", "is not a word of a definition"),
    ({"prompt": PROMPT, "hints": "Elm"}, "hints", "input should be a valid list"),
    ({"prompt": PROMPT, "post_prompt": ""}, "post_prompt.text", "must not be empty"),
    ({"prompt": PROMPT, "languages": [{"name": "English", "code": "en-US"}]}, "languages.0.voice", "is missing"),
    ({"prompt": {"text": "a\0b"}}, "prompt.text", "must not contain the NUL character"),
    ({"prompt": {"text": "\ud800"}}, "prompt.text", "must not contain half of a surrogate pair"),
    ({"prompt": PROMPT, "params": {"a": float("nan")}}, "params.a", "nan is not a JSON number"),
    (
        {"prompt": {"text": "x", "max_tokens": 2**70}},
        "prompt.max_tokens",
        "1180591620717411303424 does not fit into 64 bits",
    ),
    ({"prompt": PROMPT, "params": {"a": [2**63]}}, "params.a.0", "9223372036854775808 does not fit into 64 bits"),
    ({"prompt": PROMPT, "params": {"a": {5: 1}}}, "params.a", "the key 5 must be a text: put it in quotes"),
    ({"prompt": PROMPT, "params": {"\0": 1}}, "params", "must not contain the NUL character"),
    (
        {"prompt": PROMPT, "global_data": {"a": b"x"}},
        "global_data.a",
        "b'x' is a bytes, which JSON does not have: put it in quotes",
    ),
]


@pytest.mark.parametrize(("value", "path", "problem"), REFUSED)
def test_a_problem_is_named_with_the_path_of_its_field(value: Any, path: str, problem: str) -> None:
    assert problems(value) == {path: problem}


NO_SCHEMA = "must be a JSON Schema of an object: {type: object, properties: …}"
KNOWN = "use ${args.…}, ${global_data.…}, ${meta_data.…}, ${call.…}"
REFUSED_FUNCTIONS = [
    ({"description": ""}, "description", "must not be empty"),
    ({"secure": "yes"}, "secure", "input should be a valid boolean"),
    ({"handler": None}, "handler", "must be an object"),
    ({"handler": {}}, "handler", "needs a reply, actions or a transfer"),
    ({"handler": {"transfer": ""}}, "handler.transfer", "must not be empty"),
    ({"handler": {"actions": [{}]}}, "handler.actions", "an action must not be empty"),
    ({"handler": {"reply": "${foo.x}"}}, "handler.reply", "${foo.x} is not known here: " + KNOWN),
    ({"handler": {"reply": "${args}"}}, "handler.reply", "${args} is not known here: " + KNOWN),
    ({"handler": {"reply": "a ${args.x"}}, "handler.reply", "${args.x is not known here: " + KNOWN),
    ({"handler": {"reply": "${args.x}"}}, "handler.reply", "names ${args.x}, which is not among the parameters"),
    ({"handler": {"match": MATCH, "reply": "Hello."}}, "handler.reply", "is not a word of a definition"),
    ({"handler": {"match": MATCH}}, "handler.match.argument", "'day' is not among the parameters"),
    ({"handler": {"match": {**MATCH, "cases": {}}}}, "handler.match.cases", "must not be empty"),
    ({"handler": {"match": {**MATCH, "cases": {"<5 days": {}}}}}, "handler.match.cases.<5 days", None),
    (
        {"handler": {"match": {**MATCH, "cases": {"Yes": {"reply": "a"}, " yes": {"reply": "b"}}}}},
        "handler.match.cases",
        "the cases 'Yes' and ' yes' are the same but for their case",
    ),
    ({"parameters": {"day": "string"}}, "parameters", NO_SCHEMA),
    ({"parameters": {"type": "array"}}, "parameters", "type must be object: the model sends named arguments"),
    ({"parameters": {"properties": {"a": {"type": "text"}}}}, "parameters", None),
    ({"parameters": {"properties": {"a": {"pattern": "("}}}}, "parameters", None),
    ({"parameters": {"properties": {"a": {"$ref": "#/$defs/gone"}}}}, "parameters", None),
    (
        {"parameters": {"properties": {"a": {"items": [{"$ref": "https://example.com/s"}]}}}},
        "parameters",
        "$ref must stay inside the schema (#/…), not 'https://example.com/s'",
    ),
]


@pytest.mark.parametrize(("words", "path", "problem"), REFUSED_FUNCTIONS)
def test_a_problem_of_a_function_is_named_with_the_path_of_its_field(
    words: dict[str, Any], path: str, problem: str | None
) -> None:
    found = problems(with_function(**words))
    assert list(found) == [f"functions.act.{path}".rstrip(".")]
    if problem is None:  # the words are the JSON Schema library's, or said elsewhere
        assert found.popitem()[1].startswith(("is no JSON Schema: ", "needs a reply"))
    else:
        assert found.popitem()[1] == problem


@pytest.mark.parametrize("name", ["", "9lives", "find-slot", "find slot", "find_slot\n", "größe"])
def test_a_function_name_that_the_platform_cannot_call_is_refused(name: str) -> None:
    definition = with_function()
    definition["functions"][name] = definition["functions"].pop("act")
    assert problems(definition)["functions"].startswith(f"{name!r} is not a function name")


def test_a_reply_may_name_any_argument_if_the_schema_says_that_it_takes_more() -> None:
    parameters = {"type": "object", "properties": {}, "additionalProperties": True}
    AgentDefinition.read(with_function(parameters=parameters, handler={"reply": "${args.whatever}"}))


def test_a_reply_of_a_case_that_names_an_unknown_argument_is_refused() -> None:
    match = {**MATCH, "cases": {"a": {"reply": "${args.day} ${args.hour}"}}}
    found = problems(with_function(parameters=DAY, handler={"match": match}))
    path = "functions.act.handler.match.cases.a.reply"
    assert found == {path: "names ${args.hour}, which is not among the parameters"}


def test_every_problem_is_listed_and_the_exception_says_them_all() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        AgentDefinition.read({"hints": [5], "functions": {"act": {}}})
    assert set(refused.value.problems) == {"prompt", "hints.0", "functions.act.description", "functions.act.handler"}
    assert "prompt: is missing\n" in str(refused.value)


def test_a_definition_that_is_too_large_is_refused() -> None:
    text = "x" * (MAX_DEFINITION_BYTES - len('{"prompt":{"text":""}}'))
    assert AgentDefinition.read({"prompt": {"text": text}}).prompt.text == text
    assert problems({"prompt": {"text": text + "x"}}) == {"definition": "has 524,289 bytes, more than 524,288"}


@pytest.mark.parametrize("levels", [99, 240, 256, 3000])
def test_a_definition_that_is_nested_too_deeply_is_refused(levels: int) -> None:
    too_deep = {"definition": "is nested too deeply: more than 100 levels"}
    assert problems({"prompt": PROMPT, "params": nested(levels, [])}) == too_deep
    assert problems({"prompt": {"sections": [{"subsections": nested(levels, [])}]}}) == too_deep


def test_a_definition_of_a_hundred_levels_is_accepted() -> None:
    definition = {"prompt": PROMPT, "params": nested(98, [])}
    assert not deeper_than(100, definition)
    assert deeper_than(99, definition)
    assert AgentDefinition.read(definition).stored() == definition


# --- a schema fetches nothing -----------------------------------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A web server that notes the paths that it was asked for: its URL, and the paths."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("word", ["$schema", "$ref", "$dynamicRef", "$recursiveRef", "$id"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_schema_makes_us_ask_nobody(asked: tuple[str, list[str]], word: str, inside: bool) -> None:
    url, paths = asked
    schema: dict[str, Any] = {word: f"{url}/{word}", "type": "object"}
    if inside:
        schema = {"type": "object", "properties": {"a": schema}}
    with contextlib.suppress(InvalidDefinition):
        AgentDefinition.read(with_function(parameters=schema))
    assert paths == []


def test_a_schema_of_an_unknown_dialect_is_refused(asked: tuple[str, list[str]]) -> None:
    found = problems(with_function(parameters={"type": "object", "$schema": asked[0]}))
    assert found["functions.act.parameters"].startswith("is no JSON Schema: Unknown meta-schema")


# --- whatever comes ---------------------------------------------------------------------------------------------------


@quick
@given(anything | nearly_definitions())
def test_whatever_is_read_is_accepted_or_refused_with_its_problems(value: Any) -> None:
    found: dict[str, str] = {}
    try:
        kept = AgentDefinition.read(value).stored()
    except InvalidDefinition as refused:
        kept, found = {}, refused.problems
    assert bool(kept) != bool(found)
    orjson.dumps([kept, found])  # the API answers with either


@quick
@given(definitions)
def test_a_definition_comes_back_from_storage_as_it_was_given(value: dict[str, Any]) -> None:
    kept = AgentDefinition.read(value).stored()
    assert kept == value
    again = AgentDefinition.read(orjson.loads(orjson.dumps(kept))).stored()
    assert orjson.dumps(again) == orjson.dumps(kept)  # in bytes, so that the order of keys counts
