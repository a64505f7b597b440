"""What every change of the registry has in common: its actor, its transaction, what it tells afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pghistory
import psycopg.errors
from django.db import IntegrityError, OperationalError, connection, transaction

from registry.base.errors import Busy, Conflict
from registry.heartbeats import Everywhere, wait_for
from registry.models import RegistryChange
from registry.secret_key import refuse_another_key
from registry.triggers import ADVISORY_LOCK

LOCK_SECONDS = 10  # how long a change waits for the one before it


@dataclass(frozen=True)
class Actor:
    """Who changes something, through which door."""

    name: str
    via: str  # command, api, admin, dashboard, serve
    address: str = ""
    request_id: str = ""
    token: str = ""  # visible key of the token that was used
    may_run_code: bool = False  # may have Python agents loaded, and remote ones inside the network


@dataclass
class Change:
    """What an action did. `revision` and `everywhere` are filled in by `changing`, the rest by the action."""

    agent: str = ""
    # What everybody is told, by `as_json`:
    route: str = ""
    version: int | None = None
    changed: bool = True  # False = everything was so already
    sip: list[str] = field(default_factory=list)  # names gained or lost
    skipped: dict[str, str] = field(default_factory=dict)  # automatic names that another agent has: name → its owner
    warnings: list[str] = field(default_factory=list)
    credentials: tuple[str, str] | None = None  # made up just now: show them once
    of_code: list[str] = field(default_factory=list)  # secrets that a Python agent's own code asks for, in words
    revision: int = 0
    everywhere: Everywhere | None = None  # if the caller waited for the workers
    # What the door that asked makes sentences of:
    renewed: list[str] = field(default_factory=list)  # by an update: version, SIP names, credentials, signing key
    of_fleet: bool = False  # from now on the fleet's credentials are the agent's
    state: str = ""  # that the agent is in now, if that was what the action was about
    message: str = ""  # what callers of a paused agent hear
    # What is needed to go on from here:
    tag: str = ""  # of what was changed, as it was before anybody else could change it again
    made: int = 0  # id of the route that was made
    former: dict[str, Any] = field(default_factory=dict)  # what was removed or moved, so that it can be put back

    def as_json(self) -> dict[str, Any]:
        """The change as the API tells it, and as the commands' --json begins."""
        return {
            "agent": self.agent,
            "route": self.route,
            "version": self.version,
            "changed": self.changed,
            "sip": self.sip,
            "sip_skipped": self.skipped,
            "warnings": self.warnings,
            "credentials": shown_once(self.credentials),
            "of_code": self.of_code,
            "revision": self.revision,
            "everywhere": self.everywhere.as_json() if self.everywhere else None,
        }

    @property
    def skipped_lines(self) -> list[str]:
        """What is said of each name that was skipped."""
        return [f"SIP name {name} was skipped: agent {owner} has it" for name, owner in self.skipped.items()]


def shown_once(credentials: tuple[str, str] | None) -> dict[str, str] | None:
    """Credentials that were made up just now, as JSON."""
    return dict(zip(("user", "password"), credentials, strict=True)) if credentials else None


@contextmanager
def changing(by: Actor, agent: str = "", *, wait: bool = False) -> Iterator[Change]:
    """A transaction that has the registry to itself and whose audit rows name the actor; gives the change to fill in.

    At its end the change has the revision from which on all is so. `wait`: after the commit, for before it they could
    not see it, it waits until the workers serve that, and the change says how many do.

    Raises `WrongSecret`, before anything is written, in a process that has another secret key than the database.
    """
    change = Change(agent)
    context = {key: value for key, value in vars(by).items() if value and key != "may_run_code"}
    try:
        with pghistory.context(**{"user": context.pop("name"), **context}), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            refuse_another_key()  # with the lock: `serve` may be taking the database over for another one
            yield change
            change.revision = RegistryChange.newest()  # with the lock: so it is this change's own
    except IntegrityError as error:
        # Somebody wrote beside the actions. The database's own rule has held; say which.
        cause = error.__cause__
        words = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
        raise Conflict(f"the database refused: {words or error}") from error
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise Busy(f"another change has been running for {LOCK_SECONDS} s: try again") from error
        if isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
            raise Busy("somebody was changing the same rows beside the actions, by SQL say: try again") from error
        raise
    if wait:
        change.everywhere = wait_until_everywhere(change.revision)


def wait_until_everywhere(revision: int) -> Everywhere:
    """Wait for the workers; if the database goes away meanwhile the change is done, and nobody can say how far."""
    try:
        return wait_for(revision)
    except OperationalError:
        return Everywhere(revision, 0, 1, ("any: the database went away after the change",))


@contextmanager
def one_view() -> Iterator[None]:
    """A transaction that sees one moment of the database, so that revision and rows belong together."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
