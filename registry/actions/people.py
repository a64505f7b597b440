"""People: their accounts, their roles, and the links with which they first sign in."""

from collections.abc import Iterable

import pghistory
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from registry.actions.etags import Expected, check_expected, tag_of
from registry.actions.transaction import Actor, changing
from registry.base.errors import Conflict, Malformed, NotFound
from registry.models import Member
from registry.policy import ROLES

FIRST = "admin"  # the account that the first start makes
LINK = "/dashboard/sign-in/link/"


class SignInTokens(PasswordResetTokenGenerator):
    """Tokens for sign-in links: good once, because signing in changes what they are made of, for a day."""

    key_salt = "registry.people.SignInTokens"  # part of every open link: it names no module, and stays

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int) -> str:
        """Django's own looks at whole seconds: a link that is used in the second of its making would stay good."""
        return f"{user.pk} {user.password} {user.last_login} {timestamp}"


def add_member(username: str, role: str, *, by: Actor, staff: bool = False, email: str = "") -> Member:
    """Make an account without a password: its owner signs in by a link, and may choose one then."""
    wanted = role_named(role)
    member = Member(username=username, email=email, is_staff=staff)
    member.set_unusable_password()
    try:
        member.clean_fields()
    except ValidationError as error:
        problems = {field: " ".join(messages) for field, messages in error.message_dict.items()}
        raise Malformed("; ".join(problems.values()), problems=problems) from None
    with changing(by):
        if User.objects.filter(username=username).exists():
            raise Conflict(f"there is an account {username} already")
        member.save()
        member.groups.set(groups_named([wanted]))
    return member


def add_first_admin(*, by: Actor) -> bool:
    """Make the account with which the first person signs in, unless somebody may administer already."""
    if admins() or User.objects.filter(username=FIRST).exists():
        return False
    member = add_member(FIRST, "Admin", by=by, staff=True)
    member.is_superuser = True
    with changing(by):
        member.save(update_fields=["is_superuser"])
    return True


def first_admin_waits() -> bool:
    """Whether the first account is still there for the taking: no Admin has ever signed in, or has a password."""
    present = User.objects.filter(pk__in=admins())
    came = any(admin.last_login or admin.has_usable_password() for admin in present)
    return not came and any(admin.username == FIRST for admin in present)


def update_member(
    username: str,
    *,
    by: Actor,
    role: str | None,
    active: bool,
    staff: bool,
    email: str,
    expected: Expected = None,
) -> bool:
    """Change all that there is of somebody's account at once. False = it was so before."""
    check_email(email)
    with changing(by):
        member = get_member(username)
        check_expected(expected, member_tag(member))
        changed = (member.is_staff, member.email) != (staff, email)
        if changed:
            member.is_staff, member.email = staff, email
            member.save(update_fields=["is_staff", "email"])
        switched = active and set_active(username, True, by=by)
        changed |= set_role(username, role, by=by) | switched
        return changed | (not active and set_active(username, False, by=by))


def set_role(username: str, role: str | None, *, by: Actor) -> bool:
    """Give somebody this role and no other, or none. False = it was so before. The last Admin stays one."""
    wanted = None if role is None else role_named(role)
    with changing(by):
        member = get_member(username)
        before = set(member.groups.filter(name__in=ROLES).values_list("name", flat=True))
        after = set() if wanted is None else {wanted}
        if before == after and (wanted == "Admin" or not member.is_superuser):
            return False
        if wanted != "Admin":
            refuse_last_admin(member)
        member.groups.remove(*groups_named(before - after))
        member.groups.add(*groups_named(after - before))
        if member.is_superuser and wanted != "Admin":
            member.is_superuser = False
            member.save(update_fields=["is_superuser"])
    return True


def set_active(username: str, active: bool, *, by: Actor) -> bool:
    """Switch an account on or off: its sessions and tokens with it. False = it was so before."""
    with changing(by):
        member = get_member(username)
        if member.is_active == active:
            return False
        if not active:
            refuse_last_admin(member)
        member.is_active = active
        member.save(update_fields=["is_active"])
    return True


def make_sign_in_link(username: str, *, by: Actor) -> str:
    """The path that signs somebody in, once, within `settings.PASSWORD_RESET_TIMEOUT` seconds; the audit notes it."""
    with changing(by):
        member = get_member(username)
        if not member.is_active:
            raise Conflict(f"the account {username} is switched off")
        pghistory.create_event(member, label="sign_in_link_made")
    return f"{LINK}{urlsafe_base64_encode(force_bytes(member.pk))}/{SignInTokens().make_token(member)}/"


def owner_of(encoded: str, token: str) -> User | None:
    """Whose sign-in link this is; None if it is nobody's, used or too old."""
    try:
        member = User.objects.filter(pk=int(urlsafe_base64_decode(encoded)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return member if member is not None and SignInTokens().check_token(member, token) else None


def use_link(encoded: str, token: str) -> User | None:
    """The same, and from now on it is used: of two who come with it at once, one gets in."""
    with transaction.atomic():
        member = owner_of(encoded, token)
        locked = member and User.objects.select_for_update().get(pk=member.pk)
        if locked is None or not SignInTokens().check_token(locked, token):
            return None
        locked.last_login = timezone.now()  # the token was made of the time before
        locked.save(update_fields=["last_login"])
    return locked


def note_password_change(user: User, *, by: Actor) -> None:
    """Leave an audit row: the triggers do not look at passwords."""
    with changing(by):
        pghistory.create_event(Member.objects.get(pk=user.pk), label="password_changed")


# --- what they have in common ----------------------------------------------------------------------------------------


def member_tag(member: User) -> str:
    """What changes with everything that can be edited of an account."""
    return tag_of([member.username, member.email, member.is_active, member.is_staff, given_role(member)])


def given_role(member: User) -> str | None:
    """The role that somebody has, or will have again when the account is switched on."""
    if member.is_superuser:
        return "Admin"
    names = {group.name for group in member.groups.all()}
    return next((name for name in reversed(ROLES) if name in names), None)


def check_email(email: str) -> None:
    """Raise `Malformed` if it cannot be an address."""
    try:
        User._meta.get_field("email").clean(email, None)
    except ValidationError as error:
        raise Malformed(error.messages[0], problems={"email": error.messages[0]}) from None


def get_member(username: str) -> Member:
    """An account, for changing."""
    member = Member.objects.select_for_update().filter(username=username).first()
    if member is None:
        raise NotFound(f"there is no account {username!r}: `member list` shows them")
    return member


def get_user(username: str) -> User:
    """An account, for looking at."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"there is no account {username!r}: `member list` shows them")
    return user


def role_named(role: str) -> str:
    """The role's name as the group has it; `Malformed` says which there are."""
    for name in ROLES:
        if name.casefold() == role.casefold():
            return name
    words = ", ".join(ROLES)
    raise Malformed(f"the role is one of {words}", problems={"role": f"one of {words}"})


def groups_named(names: Iterable[str]) -> list[Group]:
    """The groups that stand for roles; one that somebody deleted is made again."""
    return [Group.objects.get_or_create(name=name)[0] for name in names]


def admins() -> set[int]:
    """The accounts that may administer."""
    active = User.objects.filter(is_active=True)
    return {
        *active.filter(is_superuser=True).values_list("pk", flat=True),
        *active.filter(groups__name="Admin").values_list("pk", flat=True),
    }


def refuse_last_admin(member: User) -> None:
    """Raise `Conflict` if nobody but this one may administer."""
    if admins() == {member.pk}:
        raise Conflict(f"{member.username} is the last Admin: make somebody else one first")
