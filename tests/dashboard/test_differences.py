"""Differences of two JSON values: by field and line by line."""

from typing import Any

from dashboard.differences import MAX_LINES, field_differences, line_differences, whole_lines


def shown(before: Any, after: Any, **options: bool) -> list[str]:
    return [
        f"{line.kind or '='} {line.number} {line.start}{f'[{line.mark}]' if line.mark else ''}{line.end}"
        for line in line_differences(before, after, **options).lines
    ]


def test_fields_are_named_by_their_path_in_their_order():
    before = {"a": {"b": [1, 2]}, "gone": None, "same": 1}
    after = {"a": {"b": [1, 3, {"x": ""}]}, "same": 1, "new": "text"}
    found = [(each.path, each.before, each.after) for each in field_differences(before, after)]
    assert found == [
        ("a.b.1", "2", "3"), ("a.b.2", "", '{"x": ""}'), ("gone", "null", ""), ("new", "", "text"),
    ]  # fmt: skip
    assert not field_differences(before, before)


def test_the_order_of_keys_is_a_difference():
    assert [each.path for each in field_differences({"f": {"a": 1, "b": 2}}, {"f": {"b": 2, "a": 1}})] == ["f (order)"]


def test_a_long_value_is_cut():
    (found,) = field_differences({"a": ""}, {"a": "x" * 10_000})
    assert len(found.after) < 3_000


def test_lines_show_what_differs_inside_them():
    assert shown({"a": "You sell pumps."}, {"a": "You repair pumps."}) == [
        "= 1 {", 'del 2   "a": "You [sell] pumps."', 'add 2   "a": "You [repair] pumps."', "= 3 }",
    ]  # fmt: skip
    found = line_differences([1, 2], [1, 2, 3])
    assert (found.added, found.removed, found.same) == (2, 1, False)


def test_equal_parts_are_folded_unless_the_whole_is_wanted():
    before = {str(number): number for number in range(40)}
    after = {**before, "20": "twenty"}
    folded = shown(before, after)
    assert folded[0] == "fold ··· 18 lines unchanged"
    assert len(folded) == 10
    assert len(shown(before, after, whole=True)) == 43
    assert line_differences(before, before).same


def test_what_is_too_large_is_said_and_not_compared():
    assert line_differences(list(range(5_000)), [f"{number}" for number in range(5_000)]).too_large
    one_more = line_differences(list(range(100_000)), [*range(50_000), "x", *range(50_000, 100_000)])
    assert (one_more.added, one_more.removed) == (1, 0)
    assert len(whole_lines(list(range(10_000))).lines) == MAX_LINES + 1
