"""Tags and filters of the dashboard's templates."""

from types import SimpleNamespace

from dashboard.templatetags.switchboard import codes


def test_names_in_a_sentence_are_code_with_commas_between_them_and_escaped() -> None:
    assert codes(["/sales", "<b>"]) == "<code>/sales</code>, <code>&lt;b&gt;</code>"
    assert codes([SimpleNamespace(path="/sales")], "path") == "<code>/sales</code>"
    assert codes({"hours": 1, "prices": 2}) == "<code>hours</code>, <code>prices</code>"
    assert codes("") == ""
