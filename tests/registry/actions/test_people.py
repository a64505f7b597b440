"""Accounts, roles and sign-in links."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from registry.actions import people
from registry.actions.etags import ANY
from registry.actions.transaction import Actor
from registry.base.errors import Conflict, Malformed, NotFound, Outdated
from registry.models import Member, Membership
from tests.registry.actions.test_actions import at_once

MemberEvent = Member.events.rel.related_model
MembershipEvent = next(m for m in Membership._meta.apps.get_models() if m.__name__ == "MembershipEvent")


@pytest.fixture
def bob(db, actor):
    return people.add_member("bob", "viewer", by=actor, email="bob@example.com")


def parts(link):
    return link.removeprefix(people.LINK).strip("/").split("/")


def test_links_that_are_open_outlive_an_update_of_ours():
    assert people.SignInTokens.key_salt == "registry.people.SignInTokens", "it is part of what links prove"


def test_an_account_has_a_role_and_no_password(bob):
    assert people.given_role(bob) == "Viewer"
    assert not bob.has_usable_password()
    assert not bob.is_staff


@pytest.mark.parametrize(
    ("name", "role", "email", "field"),
    [("a b", "viewer", "", "username"), ("x" * 151, "viewer", "", "username"), ("bo", "boss", "", "role"),
     ("bo", "viewer", "bo", "email"), ("", "viewer", "", "username")],
)  # fmt: skip
def test_what_cannot_be_an_account_is_refused_beside_its_field(db, actor, name, role, email, field):
    with pytest.raises(Malformed) as refusal:
        people.add_member(name, role, by=actor, email=email)
    assert list(refusal.value.problems) == [field]


def test_a_name_that_is_taken_is_a_conflict(bob, actor):
    with pytest.raises(Conflict, match="there is an account bob already"):
        people.add_member("bob", "admin", by=actor)


# --- roles -----------------------------------------------------------------------------------------------------------


def test_somebody_has_one_role(bob, actor):
    assert people.set_role("bob", "operator", by=actor) is True
    assert people.set_role("bob", "Operator", by=actor) is False
    assert [group.name for group in bob.groups.all()] == ["Operator"]
    assert people.set_role("bob", None, by=actor) is True
    assert not bob.groups.exists()


def test_other_groups_stay(bob, actor):
    bob.groups.add(Group.objects.create(name="night shift"))
    people.set_role("bob", None, by=actor)
    assert [group.name for group in bob.groups.all()] == ["night shift"]


def test_a_superuser_with_another_role_is_none_any_more(bob, actor):
    User.objects.create_superuser("root")
    assert people.set_role("root", "Admin", by=actor) is True
    assert people.set_role("root", "Admin", by=actor) is False
    people.set_role("bob", "Admin", by=actor)
    people.set_role("root", "viewer", by=actor)
    assert not User.objects.get(username="root").is_superuser


def test_the_last_admin_stays_one(bob, actor):
    people.set_role("bob", "Admin", by=actor)
    values = {"role": "Viewer", "active": True, "staff": False, "email": ""}
    for change in (
        lambda: people.set_role("bob", "viewer", by=actor),
        lambda: people.set_role("bob", None, by=actor),
        lambda: people.set_active("bob", False, by=actor),
        lambda: people.update_member("bob", by=actor, **values),
        lambda: people.update_member("bob", by=actor, **(values | {"role": "Admin", "active": False})),
    ):
        with pytest.raises(Conflict, match="bob is the last Admin"):
            change()
    people.add_member("eve", "Admin", by=actor)
    people.set_active("eve", False, by=actor)
    with pytest.raises(Conflict):  # one who is switched off does not count
        people.set_role("bob", None, by=actor)
    people.set_active("eve", True, by=actor)
    assert people.set_role("bob", None, by=actor) is True


def test_of_two_last_admins_who_demote_each_other_one_stays(transactional_db, actor):
    for name in ("bob", "eve"):
        people.add_member(name, "Admin", by=actor)
    outcomes = at_once(*[lambda name=name: people.set_role(name, None, by=actor) for name in ("bob", "eve")])
    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["Conflict", "bool"]
    assert len(people.admins()) == 1


def test_everything_of_an_account_at_once(bob, actor):
    tag = people.member_tag(bob)
    values = {"role": "Operator", "active": False, "staff": True, "email": "b@example.com"}
    assert people.update_member("bob", by=actor, expected=[tag], **values) is True
    assert people.update_member("bob", by=actor, expected=[ANY], **values) is False
    member = User.objects.get()
    assert (member.email, member.is_staff, member.is_active) == ("b@example.com", True, False)
    assert people.given_role(member) == "Operator"
    with pytest.raises(Outdated):
        people.update_member("bob", by=actor, expected=[tag], **values)
    with pytest.raises(Malformed):
        people.update_member("bob", by=actor, **(values | {"email": "nobody"}))


def test_whoever_is_not_there_cannot_be_changed(db, actor):
    for change in (
        lambda: people.set_role("bob", None, by=actor),
        lambda: people.set_active("bob", True, by=actor),
        lambda: people.make_sign_in_link("bob", by=actor),
        lambda: people.get_user("bob"),
    ):
        with pytest.raises(NotFound, match="member list"):
            change()


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_works_once_also_within_its_second(bob, actor):
    link = parts(people.make_sign_in_link("bob", by=actor))
    assert people.owner_of(*link) == bob
    assert people.use_link(*link) == bob
    assert people.use_link(*link) is None
    assert people.owner_of(*link) is None


def test_signing_in_ends_all_links(bob, actor):
    first, second = (parts(people.make_sign_in_link("bob", by=actor)) for _ in range(2))
    assert people.use_link(*first)
    assert people.use_link(*second) is None
    assert people.use_link(*parts(people.make_sign_in_link("bob", by=actor)))


def test_a_new_password_ends_a_link(bob, actor):
    link = parts(people.make_sign_in_link("bob", by=actor))
    bob.set_password("x")
    bob.save()
    assert people.owner_of(*link) is None


def test_of_two_at_once_one_gets_in(transactional_db, actor):
    people.add_member("bob", "viewer", by=actor)
    link = parts(people.make_sign_in_link("bob", by=actor))
    outcomes = at_once(*[lambda: people.use_link(*link)] * 4)
    assert [outcome and outcome.username for outcome in outcomes].count("bob") == 1


def test_a_link_is_good_for_a_day(bob, actor, monkeypatch):
    link = parts(people.make_sign_in_link("bob", by=actor))
    for hours, good in ((23, True), (25, False)):
        now = datetime.now() + timedelta(hours=hours)  # noqa: DTZ005 - as Django's generator looks at it
        monkeypatch.setattr(people.SignInTokens, "_now", lambda _self, now=now: now)
        assert (people.owner_of(*link) is not None) is good


def test_a_link_is_nobody_elses(bob, actor):
    people.add_member("eve", "viewer", by=actor)
    encoded = parts(people.make_sign_in_link("eve", by=actor))[0]
    assert people.owner_of(encoded, parts(people.make_sign_in_link("bob", by=actor))[1]) is None


def test_an_account_that_is_switched_off_has_no_link(bob, actor):
    link = parts(people.make_sign_in_link("bob", by=actor))
    people.set_active("bob", False, by=actor)
    assert people.use_link(*link) is None
    with pytest.raises(Conflict, match="switched off"):
        people.make_sign_in_link("bob", by=actor)


# --- the first one ---------------------------------------------------------------------------------------------------


def test_the_first_admin_waits_until_one_has_come(db, actor):
    assert not people.first_admin_waits()
    assert people.add_first_admin(by=actor) is True
    assert people.add_first_admin(by=actor) is False
    admin = User.objects.get()
    assert (admin.username, admin.is_staff, admin.is_superuser, admin.has_usable_password()) == (
        "admin",
        True,
        True,
        False,
    )
    assert people.first_admin_waits()
    people.add_member("bob", "viewer", by=actor)
    assert people.first_admin_waits()
    people.use_link(*parts(people.make_sign_in_link("admin", by=actor)))
    assert not people.first_admin_waits()


@pytest.mark.parametrize("password", [None, "a-long-password"])
def test_nobody_is_made_where_somebody_may_administer(db, actor, password):
    User.objects.create_superuser("root", password=password)
    assert people.add_first_admin(by=actor) is False
    assert not people.first_admin_waits()


def test_an_account_of_that_name_is_never_taken_over(db, actor):
    User.objects.create_user("admin")
    assert people.add_first_admin(by=actor) is False
    assert not people.first_admin_waits()


# --- the audit -------------------------------------------------------------------------------------------------------


def test_everything_about_people_leaves_rows_that_name_the_actor(bob):
    eve = Actor("eve", "admin", address="192.0.2.7", request_id="r-1")
    people.set_role("bob", "operator", by=eve)
    people.set_active("bob", False, by=eve)
    people.set_active("bob", True, by=eve)
    people.make_sign_in_link("bob", by=eve)
    people.note_password_change(bob, by=eve)
    rows = list(MemberEvent.objects.filter(pgh_obj=bob.pk).order_by("pgh_id"))
    assert [row.pgh_label for row in rows] == ["insert", "update", "update", "sign_in_link_made", "password_changed"]
    assert rows[1].pgh_context.metadata == {
        "user": "eve",
        "via": "admin",
        "address": "192.0.2.7",
        "request_id": "r-1",
    }
    roles = MembershipEvent.objects.filter(user=bob.pk).order_by("pgh_id").select_related("group")
    assert [(row.pgh_label, row.group.name) for row in roles] == [
        ("insert", "Viewer"),
        ("delete", "Viewer"),
        ("insert", "Operator"),
    ]


def test_sql_by_hand_and_querysets_leave_rows_too(transactional_db, actor):
    people.add_member("bob", "viewer", by=actor)
    before, roles = MemberEvent.objects.count(), MembershipEvent.objects.count()
    User.objects.update(is_staff=True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET is_superuser = true")
        cursor.execute("UPDATE auth_user SET last_login = now()")
        cursor.execute("DELETE FROM auth_user_groups")
        cursor.execute("DELETE FROM auth_user")
    assert MemberEvent.objects.count() == before + 3, "when somebody signs in is no change of the account"
    assert MembershipEvent.objects.count() == roles + 1
    assert MemberEvent.objects.order_by("pgh_id").last().pgh_context is None
