"""Who may do what: one answer for the API, sockets, pages and the admin alike."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser, User

if TYPE_CHECKING:
    from agents.kind import Kind
    from registry.models import ApiToken


class Level(IntEnum):
    """How much somebody may do; each level may what the ones below it may."""

    NOTHING = 0
    READ = 1
    OPERATE = 2
    ADMIN = 3


ROLES = {"Viewer": Level.READ, "Operator": Level.OPERATE, "Admin": Level.ADMIN}  # groups, made by a migration
SCOPES = {"read": Level.READ, "operate": Level.OPERATE, "admin": Level.ADMIN}  # of tokens


class Deed(Enum):
    """What can be done here, as far as some may do the one and not the other."""

    LEARN = "learn"  # the API's own description, which is the same everywhere
    SEE = "see"  # the registry, the routing log, replicas, metrics, the audit; never a secret
    REHEARSE = "rehearse"  # run a function: authors' servers are really asked
    CHANGE = "change"  # register, publish, pause, unregister, map, apply
    RUN_CODE = "run code"  # register and reload Python agents, and remote ones at addresses that are not public
    REVEAL = "reveal"  # an agent's credentials
    ADMINISTER = "administer"  # people, roles, tokens


NEEDS = {
    Deed.LEARN: Level.NOTHING,
    Deed.SEE: Level.READ,
    Deed.REHEARSE: Level.OPERATE,
    Deed.CHANGE: Level.OPERATE,
    Deed.RUN_CODE: Level.ADMIN,
    Deed.REVEAL: Level.OPERATE,
    Deed.ADMINISTER: Level.ADMIN,
}


def to_register(kind: "Kind[Any]") -> Deed:
    """What it takes to register, publish or reload an agent of a kind."""
    return Deed.RUN_CODE if kind.runs_code else Deed.CHANGE


@dataclass(frozen=True)
class Principal:
    """Somebody, or a script, as far as the policy is concerned. `token`: the visible key of the token that was used."""

    name: str
    level: Level
    token: str = ""

    def may(self, deed: Deed) -> bool:
        """Whether the policy allows it."""
        return self.level >= NEEDS[deed]


NOBODY = Principal("", Level.NOTHING)


def of_user(user: User | AnonymousUser) -> Principal:
    """Somebody who has signed in; without a role, or switched off, they may nothing."""
    return Principal(user.get_username(), level_of(user)) if user.is_authenticated else NOBODY


def level_of(user: User | AnonymousUser) -> Level:
    """The highest of a person's roles. Looked up once per request."""
    if not user.is_active:
        return Level.NOTHING
    if user.is_superuser:
        return Level.ADMIN
    known: Level | None = getattr(user, "_switchboard_level", None)
    if known is None:
        names = user.groups.values_list("name", flat=True)
        known = max((ROLES[name] for name in names if name in ROLES), default=Level.NOTHING)
        vars(user)["_switchboard_level"] = known  # like Django's own _perm_cache
    return known


def of_token(token: "ApiToken") -> Principal:
    """A script with a token, in the name of its owner, if it has one; it may never more than they may at present."""
    level = SCOPES.get(token.scope, Level.NOTHING)
    if token.owner is None:
        return Principal(token.name, level, token.key)
    return Principal(token.owner.get_username(), min(level, level_of(token.owner)), token.key)
