"""What `${args.x}` becomes."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from agents.definition.templates import NAMESPACES, Template, TemplateTree, look_up, spoken
from tests.agents.strategies import json_values, nested, quick, stored_json, template_pieces

VALUES = {
    "args": {"day": "Monday", "n": 3, "yes": True, "no": None, "list": [1, "a"], "deep": {"x-1": {"y": "found"}}},
    "global_data": {"opens": "08:00"},
    "meta_data": None,
    "call": {"from": "+1555"},
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("No placeholder.", "No placeholder."),
        ("On ${args.day}.", "On Monday."),
        ("${args.day}${args.n}", "Monday3"),
        ("${args.yes} ${args.list} ${args.deep}", 'true [1,"a"] {"x-1":{"y":"found"}}'),
        ("${args.deep.x-1.y}", "found"),
        ("[${args.no}${args.gone}${args.day.x}${args.list.0}${meta_data.x}${call.to}]", "[]"),
        ("${global_data.opens} ${call.from}", "08:00 +1555"),
        ("$ {args.day} $${args.day} {args.day} $args.day", "$ {args.day} $Monday {args.day} $args.day"),
        ("${vars.x} ${args} ${args.} ${args.a b} ${ARGS.day} ${args.day", None),
    ],
)
def test_placeholders_are_filled_in_and_all_else_stays_as_it_is(text: str, filled: str | None) -> None:
    assert Template(text).fill(VALUES) == (text if filled is None else filled)


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    values = {"args": {"a": "${args.b}", "b": "secret"}}
    assert Template("${args.a}!").fill(values) == "${args.b}!"


def test_the_arguments_that_a_template_mentions_are_known() -> None:
    assert Template("${args.a} ${call.from} ${args.b.c} ${global_data.d}").arguments() == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["${foo.x}", "${args}", "${args.}", "${", "${args.a b}", "${args.a${args.b}}", "a ${}"]
)
def test_a_placeholder_that_would_be_left_as_it_stands_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not known here"):
        Template(text).check_namespaces()


@pytest.mark.parametrize("text", ["", "plain $5", "{x}", "${args.a} ${global_data.b.c} ${meta_data.d} ${call.from}"])
def test_known_placeholders_are_not_refused(text: str) -> None:
    Template(text).check_namespaces()


def test_a_value_that_json_cannot_write_is_spoken_as_nothing() -> None:
    assert spoken(nested(100, "x")).count("{") == 100
    assert spoken(nested(1000, "x")) == ""


def test_a_path_leads_through_objects_only() -> None:
    assert look_up({"a": {"b": 1}}, ("a", "b")) == 1
    assert look_up({"a": ["b"]}, ("a", "0")) is None
    assert look_up({"a": "text"}, ("a", "upper")) is None


def test_a_tree_without_placeholders_is_handed_out_as_it_is() -> None:
    tree = [{"say": "Thank you."}, {"hold": 300}]
    assert TemplateTree(tree).fill(VALUES) is tree


def test_a_tree_is_filled_in_and_stays_unchanged_itself() -> None:
    tree = {"a": ["${args.day}", 1, None], "b": {"c": "x ${call.from}", "d": "plain"}}
    before = orjson.dumps(tree)
    assert TemplateTree(tree).fill(VALUES) == {"a": ["Monday", 1, None], "b": {"c": "x +1555", "d": "plain"}}
    assert orjson.dumps(tree) == before


def tree_of(pieces: list[Any]) -> str:
    """The text of a template of literals and paths."""
    return "".join(piece if isinstance(piece, str) else f"${{{'.'.join(piece)}}}" for piece in pieces)


@quick
@given(template_pieces, json_values, json_values)
def test_a_template_never_raises_and_never_leaves_a_known_placeholder(pieces: list[Any], args: Any, other: Any) -> None:
    text = tree_of(pieces)
    filled = Template(text).fill({"args": args, "global_data": other})
    if "${" not in str([args, other]):
        assert not any(f"${{{name}." in filled for name in NAMESPACES)


@quick
@given(template_pieces)
def test_a_template_puts_each_value_into_its_own_place(pieces: list[Any]) -> None:
    values: dict[str, Any] = {}
    expected = []
    for piece in pieces:
        if isinstance(piece, str):
            expected.append(piece)
            continue
        place = values
        for name in piece[:-1]:
            inside = place.setdefault(name, {})
            place = inside if isinstance(inside, dict) else {}  # an earlier path has ended here
        place.setdefault(piece[-1], "<" + ".".join(piece) + ">")
    # What each path leads to, told by walking the values by hand.
    text = tree_of(pieces)
    for piece in pieces:
        if not isinstance(piece, str):
            text = text.replace(tree_of([piece]), said_at(values, piece))
    assert Template(tree_of(pieces)).fill(values) == text


def said_at(values: Any, path: tuple[str, ...]) -> str:
    """The text at a path."""
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    if isinstance(values, dict):
        return orjson.dumps(values).decode()
    return values or ""


@quick
@given(stored_json, json_values)
def test_filling_a_tree_changes_texts_only(tree: Any, args: Any) -> None:
    filled = TemplateTree(tree).fill({"args": args})
    assert filled == tree  # no text of the strategy has a placeholder of ours


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.0, "5"),
        (-0.0, "0"),
        (5.5, "5.5"),
        (1e16, "10000000000000000"),
        (1e300, "1e+300"),
        (["a", 5.0, [2.0, 2.5]], '["a",5,[2,2.5]]'),
        ({"n": 3.0, "version": "1.0"}, '{"n":3,"version":"1.0"}'),
        ("5.0", "5.0"),
    ],
)
def test_a_whole_number_is_said_without_a_fraction(value: Any, text: str) -> None:
    assert Template("${args.n}").fill({"args": {"n": value}}) == text
    assert TemplateTree([{"say": "${args.n}"}]).fill({"args": {"n": value}}) == [{"say": text}]
