"""Tokens: shown once, refused at once, never more than their owner, and no faster than they may."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from registry.actions import people
from registry.actions.tokens import check_token, create_token, look_at_token, revoke_token, state_of
from registry.base.errors import Malformed, NotFound
from registry.models import ApiToken
from registry.policy import Deed, Level
from tests.registry.actions.test_actions import at_once

ApiTokenEvent = ApiToken.events.rel.related_model


@pytest.fixture
def made(db, actor):
    return create_token("ci", "operate", by=actor)


@pytest.fixture
def bob(db, actor):
    return people.add_member("bob", "Operator", by=actor)


def columns() -> str:
    """All that the database keeps of tokens and their audit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM registry_apitoken t UNION ALL SELECT e::text FROM registry_apitokenevent e")
        return " ".join(row[0] for row in cursor.fetchall())


def test_a_token_is_shown_once_and_only_its_digest_is_kept(made):
    secret = made.text.rpartition("_")[2]
    assert made.text == f"{made.token.key}_{secret}"
    assert len(secret) == 48
    assert made.token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in columns()
    assert made.token.author == "alice"


@pytest.mark.parametrize(
    ("name", "scope", "days", "field"),
    [("", "read", 90, "name"), ("x" * 101, "read", 90, "name"), ("a", "all", 90, "scope"), ("a", "read", 0, "days"),
     ("a", "read", 3651, "days")],
)  # fmt: skip
def test_what_cannot_be_a_token_is_refused_beside_its_field(db, actor, name, scope, days, field):
    with pytest.raises(Malformed) as refusal:
        create_token(name, scope, by=actor, days=days)
    assert list(refusal.value.problems) == [field]


def test_a_good_token_says_who_it_is_and_that_it_was_used(made):
    verdict = check_token(made.text)
    assert (verdict.principal.name, verdict.principal.token) == ("ci", made.token.key)
    assert (verdict.problem, verdict.wait) == ("", None)
    made.token.refresh_from_db()
    assert timezone.now() - made.token.last_used < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [("read", Deed.SEE, Deed.CHANGE), ("operate", Deed.CHANGE, Deed.ADMINISTER), ("admin", Deed.ADMINISTER, None)],
)
def test_a_scope_opens_so_much_and_no_more(db, actor, scope, may, may_not):
    principal = check_token(create_token("a", scope, by=actor).text).principal
    assert principal.may(may)
    assert may_not is None or not principal.may(may_not)


@pytest.mark.parametrize(
    "text", ["", "swb_", "Bearer x", "swb_aaaaaaaaaaaa_" + "0" * 48, "swb_aaaaaaaaaaaa_" + "0" * 49]
)
def test_what_is_no_token_is_refused(db, text):
    assert check_token(text).problem
    assert not check_token(text).principal.may(Deed.SEE)


def test_a_right_key_with_another_secret_is_refused_and_not_counted(made):
    assert check_token(f"{made.token.key}_{'0' * 48}").problem == "there is no such token"
    made.token.refresh_from_db()
    assert made.token.last_used is None


def test_a_token_may_never_more_than_its_owner_may_now(bob, actor):
    text = create_token("bobs", "admin", by=actor, owner=bob).text
    assert check_token(text).principal.level == Level.OPERATE
    people.set_role("bob", "Viewer", by=actor)
    assert check_token(text).principal.level == Level.READ
    people.set_role("bob", None, by=actor)
    assert check_token(text).principal.level == Level.NOTHING
    people.set_role("bob", "Admin", by=actor)
    assert check_token(text).principal.level == Level.ADMIN
    people.add_member("eve", "Admin", by=actor)
    people.set_active("bob", False, by=actor)
    assert check_token(text).principal.level == Level.NOTHING


def test_a_token_ends(made):
    ApiToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert "is expired since" in check_token(made.text).problem
    assert state_of(ApiToken.objects.get()) == "expired"


def test_a_token_without_an_end_lives_until_it_is_revoked(db, actor):
    made = create_token("a", "read", by=actor, days=None)
    assert made.token.expires is None
    assert check_token(made.text).problem == ""


def test_a_revoked_token_is_refused_at_once_and_stays_so(made, actor):
    assert revoke_token(made.token.key, by=actor)[1] is True
    assert "is revoked since" in check_token(made.text).problem
    assert "is revoked since" in look_at_token(made.token.key).problem
    assert revoke_token(made.text, by=actor)[1] is False, "the whole token is understood too"
    with pytest.raises(NotFound, match="token list"):
        revoke_token("swb_nobodys", by=actor)


def test_looking_at_a_token_counts_no_request(made, settings):
    settings.API_REQUESTS_PER_MINUTE = 1
    for _ in range(3):
        assert look_at_token(made.token.key).principal.may(Deed.CHANGE)
    made.token.refresh_from_db()
    assert made.token.last_used is None
    assert check_token(made.text).wait is None
    assert look_at_token("swb_nobodys").problem


def test_above_its_rate_a_token_is_told_how_long_to_wait(made, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    assert [check_token(made.text).wait for _ in range(3)] == [None] * 3
    wait = check_token(made.text).wait
    assert 18 < wait <= 20
    ApiToken.objects.update(last_used=timezone.now() - timedelta(seconds=wait))
    assert check_token(made.text).wait is None
    assert check_token(made.text).wait > 0
    ApiToken.objects.update(last_used=timezone.now() - timedelta(days=1))
    assert [check_token(made.text).wait is None for _ in range(4)] == [True, True, True, False], (
        "no more than a minute's"
    )


def test_one_allowance_is_shared_by_all_who_ask_at_once(transactional_db, actor, settings):
    settings.API_REQUESTS_PER_MINUTE = 10
    text = create_token("shared", "read", by=actor).text
    outcomes = at_once(*[lambda: [check_token(text).wait for _ in range(5)]] * 4)
    assert sum(wait is None for outcome in outcomes for wait in outcome) == 10


def test_tokens_leave_audit_rows_by_any_door(transactional_db, actor):
    made = create_token("ci", "operate", by=actor)
    revoke_token(made.token.key, by=actor)
    check_token(made.text)
    ApiToken.objects.update(scope="admin")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE registry_apitoken SET expires = NULL")
        cursor.execute("DELETE FROM registry_apitoken")
    rows = list(ApiTokenEvent.objects.filter(pgh_obj=made.token.pk).order_by("pgh_id"))
    assert [row.pgh_label for row in rows] == ["insert", "update", "update", "update", "delete"]
    assert rows[0].pgh_context.metadata["user"] == "alice"
    assert rows[2].pgh_context is None
    assert User.objects.count() == 0
