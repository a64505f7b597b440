import json

import pytest

from registry.base.errors import Malformed
from registry.base.yaml_in import MAX_FILE_BYTES, parse_either, read_fleet, read_yaml


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "agent.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_yaml_and_json_are_read_alike(file):
    value = {"prompt": {"text": "Grüß Gott"}, "hints": ["a", "b"], "params": {"x": 1.5, "y": None, "z": True}}
    assert read_yaml(file(json.dumps(value))) == value
    assert read_yaml(file(json.dumps(value, ensure_ascii=False))) == value
    assert read_yaml(file("prompt:\n  text: Grüß Gott\nhints: [a, b]\nparams: {x: 1.5, y: null, z: true}\n")) == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "not UTF-8: byte 0"),
        ("a: [", "line 1"),
        ("a: b: c", "line 1"),
        ("\tx: 1", "neither YAML nor JSON"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: &x [x, x]\nb: &y [*x, *x]\nc: [*y, *y]", "aliases"),
        ("<<: *nobody", "aliases"),
        ("!!python/object/apply:os.system [echo]", "neither YAML nor JSON"),
        ("a: !!binary x", "neither YAML nor JSON"),
        ("[" * 5000, "neither YAML nor JSON: it is nested too deeply"),
        ("--- 1\n--- 2", "neither YAML nor JSON: line 2, column 1: but found another document"),
        ("a: 1\nb: \0", "line 2, column 4: character 0x0000 is not allowed"),
        ("a:\n  - b\n c: 1", "line 3, column 2: .* begins in line 1, column 1"),
        ("a: 'x\nb: 1", "line 2, column 5: found unexpected end of stream"),
        (
            "prompt: 1\nhints: 2\nprompt: 3",
            "line 3, column 1: duplicate key 'prompt'; the first is in line 1",
        ),
        ("a: {x: 1, 'x': 2}", "line 1, column 11: duplicate key 'x'"),
        ('{"a": 1,\n "a": 2}', "line 2, column 2: duplicate key 'a'"),
        ("1: a\n0x1: b", "line 2, column 1: duplicate key '0x1'"),
        ("b:\n- <<: {a: 1, a: 2}", "line 2, column 14: duplicate key 'a'"),
        ("<<: {a: 1}\n<<: {b: 2}", "line 2, column 1: duplicate key '<<'"),
        ("a: 1\nd: 2020-99-99", "line 2, column 4: '2020-99-99' cannot be read as timestamp"),
        ("a: !!timestamp x", "cannot be read as timestamp"),
        ("a: !!bool x", "cannot be read as bool"),
        ("a: !!int", "cannot be read as int"),
        ("? {a: 1}\n: 2", "neither YAML nor JSON"),
        ("i: " + "1" * 5000, "neither YAML nor JSON"),
        ("x" * (MAX_FILE_BYTES + 1), "more than"),
    ],
)
def test_what_cannot_be_read_is_malformed_and_names_the_file(file, content, words):
    path = file(content)
    with pytest.raises(Malformed, match=words) as refusal:
        read_yaml(path)
    text = str(refusal.value)
    assert text.startswith(str(path))
    assert "unicode string" not in text
    assert "\n" not in text


def test_keys_are_the_same_only_in_one_mapping(file):
    assert read_yaml(file("a: {x: 1}\nb: {x: 1}\nc:\n- x: 1\n- x: 2\n'1': 1\n1: 2\n")) == {
        "a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 2}], "1": 1, 1: 2,
    }  # fmt: skip
    assert read_yaml(file("<<: {a: 1, b: 2}\na: 3")) == {"a": 3, "b": 2}


def test_a_file_that_is_not_there_is_malformed(tmp_path):
    with pytest.raises(Malformed, match="No such file"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(Malformed, match="Is a directory"):
        read_yaml(tmp_path)


def test_a_fleet_is_read_in_its_order(file):
    fleet = read_fleet(file("b:\n  route: /b\n  sip: [x, y]\n  definition: {a: 1}\na: {route: /a, definition: {}}\n"))
    assert [(entry.name, entry.route, entry.sip, entry.definition) for entry in fleet] == [
        ("b", "/b", ("x", "y"), {"a": 1}),
        ("a", "/a", (), {}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "5",
        "",
        "a: 5",
        "a: {}",
        "a: {route: /a}",
        "a: {route: /a, definition: {}, nonsense: 1}",
        "a: null",
        "a: {route: /a, definition: {}, sip: 5}",
        "a: {route: /a, definition: {}, sip: null}",
        "a: {route: /a, definition: {}, sip: help-desk}",
    ],
)
def test_a_fleet_of_another_form_is_malformed(file, content):
    with pytest.raises(Malformed):
        read_fleet(file(content))


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a: 1\nb: [1", "is neither YAML nor JSON: line 3", 3),
        ("line7: 1\nb: &x 1\nc: *x", "line 3, column 4: aliases", 3),
        ("a: 1\nb: \0", "is neither YAML nor JSON: line 2", 2),
        ('{"line 7": 1,\n"a": 1, "a": 2}', "duplicate key 'a' in one object", 0),
        ('{"a": "\\ud800"}', "has a character that cannot be stored", 0),
        ("[" * 5000, "is neither YAML nor JSON: it is nested too deeply", 0),
    ],
)
def test_a_text_without_a_name_is_not_named_and_its_line_is_a_number(text, words, line):
    with pytest.raises(Malformed) as refusal:
        parse_either(text, "")
    assert str(refusal.value).startswith(words)
    assert refusal.value.line == line
