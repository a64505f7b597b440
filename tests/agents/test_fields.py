"""Secrets are encrypted in the database; JSON keeps its order there."""

import json
from typing import Any

import pytest
from hypothesis import given
from pytest_django import Settings

from agents.fields import UNREADABLE, EncryptedTextField, OrderedJSONField
from tests.agents.strategies import quick, stored_json

SECRET = "signalwire:pässword"


def written(value: Any) -> Any:
    """What the database gets."""
    return EncryptedTextField().get_prep_value(value)


def read(value: Any) -> Any:
    """What comes back from it."""
    return EncryptedTextField().from_db_value(value, None, None)


def test_a_secret_comes_back_and_is_not_to_be_seen_in_the_database() -> None:
    kept = written(SECRET)
    assert read(kept) == SECRET
    assert "signalwire" not in kept
    assert "pässword" not in kept


def test_equal_secrets_are_kept_in_different_forms() -> None:
    assert written(SECRET) != written(SECRET)


@pytest.mark.parametrize("nothing", ["", None])
def test_no_secret_stays_no_secret(nothing: str | None) -> None:
    assert written(nothing) == nothing
    assert read(nothing) == nothing


def test_a_secret_that_an_old_key_wrote_can_be_read_while_the_old_key_is_a_fallback(settings: Settings) -> None:
    settings.SECRET_KEY = "old"
    kept = written(SECRET)
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = ["older", "old"]
    assert read(kept) == SECRET
    again = written(SECRET)
    settings.SECRET_KEY_FALLBACKS = []
    assert read(again) == SECRET  # what is written now needs the new key alone


def test_a_secret_of_an_unknown_key_is_unreadable_and_says_nothing(settings: Settings) -> None:
    settings.SECRET_KEY = "old"
    kept = written(SECRET)
    settings.SECRET_KEY = "new"
    assert read(kept) == UNREADABLE


def test_what_cannot_be_read_is_not_written_back() -> None:
    with pytest.raises(ValueError, match="must not be saved"):
        written(UNREADABLE)


def test_a_secret_that_was_tampered_with_is_unreadable() -> None:
    kept = written(SECRET)
    middle = len(kept) // 2
    changed = kept[:middle] + ("A" if kept[middle] != "A" else "B") + kept[middle + 1 :]
    for broken in (changed, "plain text", "ü"):
        assert read(broken) == UNREADABLE


@pytest.mark.parametrize("field", [EncryptedTextField(blank=True), OrderedJSONField()])
def test_migrations_know_a_text_column_and_nothing_of_ours(field: Any) -> None:
    _, path, args, kwargs = field.deconstruct()
    assert path == "django.db.models.TextField"
    assert args == []
    assert kwargs == ({"blank": True} if isinstance(field, EncryptedTextField) else {})


def test_json_keeps_the_order_of_its_keys() -> None:
    kept = OrderedJSONField().get_prep_value({"z": 1, "a": {"y": [], "b": None}})
    assert kept == '{"z":1,"a":{"y":[],"b":null}}'
    assert list(OrderedJSONField().from_db_value(kept, None, None)) == ["z", "a"]


def test_no_json_is_null() -> None:
    assert OrderedJSONField().get_prep_value(None) is None
    assert OrderedJSONField().from_db_value(None, None, None) is None


@quick
@given(stored_json)
def test_any_json_comes_back_as_it_was(value: Any) -> None:
    field = OrderedJSONField()
    back = field.from_db_value(field.get_prep_value(value), None, None)
    assert json.dumps(back) == json.dumps(value)
