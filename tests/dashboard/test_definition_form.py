"""The form of a definition: nothing that it does not show is lost, and what is typed lands where it belongs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict

from dashboard.definition.editor import Editor, sent_editor
from dashboard.definition.layout import Block, Field, walk
from dashboard.definition.tree import pack, unpack, written
from registry.actions.definitions import read_definition
from registry.base.errors import Malformed
from registry.base.yaml_in import read_fleet

ROOT = Path(__file__).resolve().parents[2]
RICH: dict[str, Any] = {
    "prompt": {
        "sections": [
            {"title": "Role", "body": "You\nbook.\r\n", "subsections": [{"title": "Sub", "bullets": ["a", " b "]}]},
            {"title": "Rules", "bullets": ["one", "two"], "numberedBullets": True},
        ],
        "temperature": 0.7, "top_p": "${global_data.p}", "llm_params": {"seed": 1},
        "contexts": {"default": {"steps": [{"name": "greet", "text": "Hello", "step_criteria": "greeted"}]}},
    },
    "post_prompt": {"sections": [{"title": "Summary"}], "temperature": 0.1},
    "languages": [{"name": "English", "code": "en-US", "voice": "rime.spore", "params": {"stability": 0.5}}],
    "hints": ["Elm", {"hint": "a", "pattern": "b", "replace": ""}],
    "pronounce": [{"replace": "API", "with": "A P I", "ignore_case": True}],
    "params": {"z": 1, "a": [1, {"y": None, "b": 1e16}], "text": " spaces \n"},
    "global_data": {"with.dots": {"": 1, "~/#\"\n~2": 2}, "opens": "08:00", "no": "no"},
    "functions": {
        "zeta": {
            "description": "Last in the alphabet, first here",
            "parameters": {
                "type": "object", "additionalProperties": True, "required": ["when", "gone"],
                "properties": {
                    "when": {"enum": ["a"], "type": "string", "description": "When", "minLength": 1},
                    "a/b#\"~1\n": {"type": ["string", "null"]}, "open": {},
                },
            },
            "handler": {"reply": "Yes ${args.when}", "actions": [{"say": "Thanks."}], "post_process": True},
            "secure": False, "fillers": {"en-US": ["One moment."]},
        },
        "alpha": {
            "description": "Connect", "parameters": {"department": {"type": "string"}},
            "handler": {"match": {
                "argument": "department",
                "cases": {"sales.eu": {"reply": "Sales", "transfer": "sales"}, "b": {"actions": [{"hangup": {}}]}},
                "default": {"reply": "No"},
            }},
        },
        "hook": {"description": "d", "handler": {"webhook": {"url": "https://x.example.com", "timeout": 3.5,
                                                             "headers": {"X-A": "b"}}}},
        "short": {"description": "d", "handler": {"webhook": "https://x.example.com/h"}},
        "mapped": {"description": "d", "handler": {"data_map": {"output": {"response": "x"}}}},
    },
    "record_call": {"format": "mp3"}, "auto_answer": False, "debug_events": 1, "native_functions": ["check_time"],
    "post_ai": [{"hangup": {}}], "sections": {"more": [{"hangup": {}}]},
}  # fmt: skip


def definitions() -> Iterator[Any]:
    for path in ("tests/fleet.yaml", "registry/example_fleet.yaml"):
        for entry in read_fleet(ROOT / path):
            yield pytest.param(read_definition(entry.definition).stored(), id=entry.name)
    yield pytest.param(RICH, id="as given")
    yield pytest.param(read_definition(RICH).stored(), id="rich")
    yield pytest.param({"prompt": "wrong", "functions": [1], "languages": {"a": 1}, "other": {"x": 1}}, id="broken")
    yield pytest.param({"prompt": {"text": 5, "sections": "x"}, "functions": {"f": 1, "g": {"handler": "x"}}}, id="odd")


def fields_of(editor: Editor) -> list[Field]:
    return [each for each in walk(editor.parts()) if isinstance(each, Field)]


def sent(editor: Editor, **changes: str) -> QueryDict:
    """What a browser sends of an editor's form; `changes`: by the beginning of the path and label."""
    query = QueryDict(mutable=True)
    query["base"], query["state"] = editor.base, editor.state
    for place in editor.open_places:
        query.appendlist("open", place)
    for field in fields_of(editor):
        lines = field.value.splitlines() if field.kind == "line" else [field.value.replace("\n", "\r\n")]
        query.appendlist(field.name, "".join(lines))
    return query


def with_all_open(definition: Any) -> Editor:
    """The editor with every function open."""
    editor = Editor.of_saved(definition, "form", "")
    query = sent(editor)
    if isinstance(definition.get("functions"), dict):
        query.setlist("open", [written(["functions", name]) for name in definition["functions"]])
    return sent_editor(query, query.getlist("open"))


def after(editor: Editor, changes: dict[tuple[str, str], str], deed: str = "") -> Editor:
    """The editor after some fields, by path and label, were typed into and something was done."""
    query = sent(editor)
    found = {(field.path, field.label): field.name for field in fields_of(editor)}
    for key, text in changes.items():
        query[found[key]] = text
    result = sent_editor(query, query.getlist("open"))
    if deed:
        result.carry_out(deed)
    return result


def opened(definition: Any, name: str) -> Editor:
    return after(Editor.of_saved(definition, "form", ""), {}, f"open:{written(['functions', name])}")


@pytest.mark.parametrize("definition", list(definitions()))
def test_a_form_that_is_sent_as_it_came_changes_nothing(definition: Any) -> None:
    editor = with_all_open(definition)
    again = sent_editor(sent(editor), editor.open_places)
    assert not again.problems
    assert json.dumps(again.tree) == json.dumps(definition)


@pytest.mark.parametrize("definition", list(definitions()))
def test_yaml_and_back_changes_nothing(definition: Any) -> None:
    editor = Editor.of_saved(definition, "form", "")
    editor.carry_out("view:yaml")
    query = QueryDict(mutable=True)
    query["yaml"] = editor.text.replace("\n", "\r\n")
    again = sent_editor(query, [])
    again.carry_out("view:form")
    assert (again.view, again.problems, json.dumps(again.tree)) == ("form", {}, json.dumps(definition))


def test_fields_of_every_kind_land_where_they_belong() -> None:
    editor = after(
        with_all_open(RICH),
        {
            ("prompt.sections.0.body", "Body"): "You sell.\r\nNow.",
            ("prompt.sections.1.bullets", "Points, one a line"): "one\r\n\r\n three ",
            ("prompt.temperature", "Temperature"): "0.25",
            ("prompt.top_p", "Top p"): "",
            ("languages.0.voice", "Voice"): "rime.other",
            ("params", "Parameters, as YAML"): "b: [1]\na: 2",
            ("functions.zeta", "Name"): "omega",
            ("functions.zeta", "As YAML"): "fillers: {en-US: [Wait.]}\nactive: false",
            ("functions.zeta.parameters.properties.when", "Name"): "day",
            ("functions.zeta.parameters.properties.when", "As YAML"): "enum: [a, b]",
            ("functions.zeta.handler.reply", "Reply"): "On ${args.day}",
            ("functions.alpha.handler.match.cases.sales.eu", "Value"): "sales",
            ("auto_answer", "Answer the call"): "1",
        },
    )
    assert not editor.problems
    tree = editor.tree
    assert tree["prompt"]["sections"][0] == {**RICH["prompt"]["sections"][0], "body": "You sell.\nNow."}
    assert tree["prompt"]["sections"][1]["bullets"] == ["one", "three"]
    assert (tree["prompt"]["temperature"], "top_p" in tree["prompt"]) == (0.25, False)
    assert tree["languages"] == [{**RICH["languages"][0], "voice": "rime.other"}]
    assert json.dumps(tree["params"]) == '{"b": [1], "a": 2}'
    assert list(tree["functions"]) == ["omega", "alpha", "hook", "short", "mapped"]
    omega = tree["functions"]["omega"]
    assert list(omega["parameters"]["properties"]) == ["day", 'a/b#"~1\n', "open"]
    assert omega["parameters"]["required"] == ["day", "gone"]
    assert omega["parameters"]["properties"]["day"] == {"enum": ["a", "b"], "type": "string", "description": "When"}
    assert (omega["fillers"], omega["active"], omega["secure"]) == ({"en-US": ["Wait."]}, False, False)
    assert list(tree["functions"]["alpha"]["handler"]["match"]["cases"]) == ["sales", "b"]
    assert "auto_answer" not in tree
    assert json.dumps(tree["global_data"]) == json.dumps(RICH["global_data"])


def test_adding_moving_and_removing() -> None:
    editor = Editor.of_saved(RICH, "form", "")
    for deed, seen in [
        ("add:/prompt/sections", lambda tree: tree["prompt"]["sections"][2] == {}),
        ("down:/prompt/sections/#0", lambda tree: tree["prompt"]["sections"][1]["title"] == "Role"),
        ("up:/functions/alpha", lambda tree: list(tree["functions"])[:2] == ["alpha", "zeta"]),
        ("remove:/functions/hook", lambda tree: "hook" not in tree["functions"]),
        ("add:/functions", lambda tree: tree["functions"]["new_function"] == {"handler": {}}),
        (
            "add:/functions/new_function/parameters/properties",
            lambda tree: (
                tree["functions"]["new_function"]["parameters"]["properties"] == {"new_parameter": {"type": "string"}}
            ),
        ),
        ("add:/languages", lambda tree: tree["languages"][1] == {}),
    ]:
        editor = after(editor, {}, deed)
        assert seen(editor.tree), deed
    assert editor.open_places == ["/functions/new_function"]


def test_what_is_done_to_something_that_was_renamed_at_the_same_time() -> None:
    editor = after(
        opened(RICH, "zeta"),
        {
            ("functions.zeta", "Name"): "omega",
            ("functions.zeta.parameters.properties.when", "Name"): "day",
        },
        "remove:/functions/zeta/parameters/properties/when",
    )
    assert list(editor.tree["functions"]["omega"]["parameters"]["properties"]) == ['a/b#"~1\n', "open"]
    assert editor.open_places == ["/functions/omega"]


@pytest.mark.parametrize(
    ("kind", "handler"),
    [
        ("transfer", {**RICH["functions"]["zeta"]["handler"], "transfer": ""}),
        ("webhook", {"webhook": ""}),
        ("data_map", {"data_map": {}}),
    ],
)  # fmt: skip
def test_another_kind_of_handler(kind: str, handler: Any) -> None:
    editor = after(opened(RICH, "zeta"), {("functions.zeta.handler", "Handler"): kind})
    assert editor.tree["functions"]["zeta"]["handler"] == handler


def test_what_cannot_be_read_stays_as_typed_and_nothing_else_is_done() -> None:
    editor = after(
        opened(RICH, "zeta"),
        {
            ("params", "Parameters, as YAML"): "a: [1",
            ("functions.zeta", "Name"): "alpha",
            ("prompt", "More about the prompt, as YAML"): "text: hello",
            ("languages.0.name", "Language"): "Deutsch",
        },
        "remove:/functions/alpha",
    )
    assert set(editor.problems) == {"params", "functions.zeta", "prompt"}
    assert "alpha" in editor.tree["functions"]
    assert editor.tree["languages"][0]["name"] == "Deutsch"
    parts = editor.parts()
    troubled = {each.label: each.value for each in walk(parts) if isinstance(each, Field) and each.problem}
    assert troubled["Parameters, as YAML"] == "a: [1"
    assert all(problem.target for problem in editor.listed)
    assert all(part.open for part in parts if part.problems)


def test_problems_stand_beside_their_field_or_the_nearest_thing_above_it() -> None:
    editor = opened(RICH, "alpha")
    editor.problems = {
        "functions.alpha.handler.match.cases.sales.eu.reply": "one",
        "functions.zeta.handler.reply": "two",
        "languages.0.params.stability": "three",
        "prompt": "four",
        "no.such.thing": "five",
    }
    parts = editor.parts()
    by_id = {each.id: each for each in walk(parts)}
    seen = {problem.text: by_id.get(problem.target) for problem in editor.listed}
    assert isinstance(seen["one"], Field)
    assert seen["one"].label == "Reply"
    assert isinstance(seen["two"], Block)
    assert (seen["two"].look, seen["two"].problem) == ("summary", "handler.reply: two")
    assert isinstance(seen["three"], Field)
    assert seen["three"].problem == "params.stability: three"
    assert seen["four"] is parts[0]
    assert seen["five"] is None


def test_problems_of_the_yaml_view_have_lines() -> None:
    editor = Editor.of_saved(RICH, "yaml", "")
    editor.problems = {"functions.alpha.handler.match.cases.sales.eu.reply": "x", "params.nothing": "y"}
    editor.parts()
    lines = editor.text.split("\n")
    assert [lines[problem.line - 1].strip() for problem in editor.listed] == ["reply: Sales", "params:"]
    query = QueryDict(mutable=True)
    query["yaml"] = "prompt:\n  text: [1"
    broken = sent_editor(query, [])
    broken.carry_out("view:form")
    broken.parts()
    assert (broken.view, broken.listed[0].line, broken.text) == ("yaml", 3, query["yaml"])
    query["yaml"] = '{"line 7": 1, "line 7": 2}'
    twice = sent_editor(query, [])
    twice.parts()
    assert twice.listed[0].line == 0, "a key that a sentence mentions is no place"


def test_hostile_texts_are_problems_and_no_errors_of_ours() -> None:
    deep = ("[" * 900 + "]" * 900, '{"a":' * 500 + "1" + "}" * 500)
    for text in (
        *deep, "a: &x 1\nb: *x", "a: 2020-01-01", "\x00", "1: 2", "a: .nan", '{"a": "\\ud800"}', "", "- a",
        "a: " + "9" * 5000,
    ):  # fmt: skip
        query = QueryDict(mutable=True)
        query["yaml"] = text
        editor = sent_editor(query, [])
        editor.carry_out("view:form")
        editor.parts()
        assert (editor.view, list(editor.problems), editor.text) == ("yaml", ["definition"], text), text[:40]


DEEP: Any = 1
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "state", ["", pack({"a": DEEP}), pack({"a": "\ud800"}), "x", "AAAA", pack([1]), pack({"a": "x" * 5_000_000})]
)
def test_a_state_that_is_none_is_refused(state: str) -> None:
    with pytest.raises(Malformed):
        sent_editor(QueryDict(f"state={state.replace('+', '%2B')}"), [])


def test_names_of_fields_that_do_not_fit_are_refused() -> None:
    for name in (
        "line:x",
        "line:/#x",
        "rest:x?a",
        "line:/hints/#5",
        "line:/prompt/text/x",
        "key:/nothing",
        "line:[]",
    ):
        query = QueryDict(mutable=True)
        query["state"], query[name] = pack({"prompt": {"text": "x"}, "hints": []}), "typed"
        with pytest.raises(Malformed):
            sent_editor(query, [])
    assert unpack(pack({"a": "ä"})) == {"a": "ä"}
