"""Who may do what."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from registry.policy import NEEDS, NOBODY, ROLES, Deed, Level, of_user

MAY = {
    None: {Deed.LEARN},
    "Viewer": {Deed.LEARN, Deed.SEE},
    "Operator": {Deed.LEARN, Deed.SEE, Deed.REHEARSE, Deed.CHANGE, Deed.REVEAL},
    "Admin": set(Deed),
}


def make(role=None, **options):
    user = User.objects.create_user("bob", **options)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return User.objects.get(pk=user.pk)


def allowed(user):
    return {deed for deed in Deed if of_user(user).may(deed)}


def test_every_deed_needs_something_known():
    assert set(NEEDS) == set(Deed)


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_so_much(db, role):
    assert allowed(make(role)) == MAY[role]


def test_the_roles_are_there_from_the_beginning(db):
    assert set(ROLES) <= set(Group.objects.values_list("name", flat=True))


def test_the_highest_of_several_roles_counts_and_other_groups_do_not(db):
    user = make("Viewer")
    user.groups.add(Group.objects.get(name="Operator"), Group.objects.create(name="Superhero"))
    assert of_user(User.objects.get()).level == Level.OPERATE


def test_a_superuser_may_everything_and_staff_alone_nothing(db):
    assert allowed(make(is_superuser=True)) == MAY["Admin"]
    User.objects.all().delete()
    assert allowed(make(is_staff=True)) == MAY[None]


@pytest.mark.parametrize("options", [{}, {"is_superuser": True}])
def test_whoever_is_switched_off_may_nothing(db, options):
    assert allowed(make("Admin", is_active=False, **options)) == MAY[None]


def test_strangers_may_learn_only():
    assert of_user(AnonymousUser()) == NOBODY
    assert allowed(AnonymousUser()) == MAY[None]


def test_roles_are_looked_up_once(db, django_assert_num_queries):
    user = make("Viewer")
    with django_assert_num_queries(1):
        allowed(user)
