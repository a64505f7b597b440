"""Makes the database ready for the workers: migrations and the first initialisation, by one replica at a time."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator

from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

MIGRATION_LOCK = 0x7377626D  # "swbm" in ASCII
LOCK_SECONDS = 300  # how long a replica waits for another one's migrations
POLL_SECONDS = 0.2

Say = Callable[[str], None]
# What is wrong with the address, and does not pass: SQLSTATE 28P01, 28000 and 3D000. While connecting libpq tells no
# codes, only the server's words; of one that speaks another language they are tried again like any other trouble.
REFUSALS = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|not permitted to log in"
    r"|(role|database) \".*\" does not exist|no such (user|database)",
)


class PrepareError(Exception):
    """The database is there, and cannot be used; the message says why and what to do."""


def reason(error: Exception) -> str:
    """A database's error in one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


def is_refusal(error: Exception) -> bool:
    """Whether the server does not want us: a wrong password, an unknown user or database."""
    return REFUSALS.search(str(error)) is not None


def prepare(*, example: bool, say: Say) -> bool:
    """Migrate and initialise; leaves no connection open. Whether this was the very first start.

    Raises PrepareError, or Django's OperationalError when the database is away.
    """
    from registry.actions.transaction import Actor
    from registry.base.errors import RegistryError
    from registry.installation import initialise

    try:
        with only_replica(say), connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")  # it is meant for pages; a migration takes what it takes
            migrate(say)
            done = initialise(example=example, by=Actor("serve", "serve"))
    except RegistryError as error:
        raise PrepareError(str(error)) from error
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError as error:  # such as no right to make tables
        raise PrepareError(f"the database cannot be prepared: {reason(error)}") from error
    finally:
        close_connections()
    if done.registered:
        say(f"registered the example fleet: {', '.join(done.registered)}")
    if done.reencrypted:
        say(f"encrypted the secrets of {done.reencrypted} agents with the present secret key")
    return done.first


@contextlib.contextmanager
def only_replica(say: Say) -> Iterator[None]:
    """Hold a lock that all replicas share; on a connection of its own, so that nothing done meanwhile can lose it."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            end = time.monotonic() + LOCK_SECONDS
            told = False
            while True:  # asked again and again: a statement that waits would run into the statement time-out
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK])
                if cursor.fetchone()[0]:
                    break
                if time.monotonic() > end:
                    raise PrepareError("another replica has been migrating this database for too long: see its log")
                if not told:
                    told = True
                    say("waiting for another replica, which is migrating the database")
                time.sleep(POLL_SECONDS)
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])  # the connection may go to a pool
    finally:
        own.close()


def migrate(say: Say) -> None:
    """Apply what is not applied yet."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say(f"applying {len(plan)} migration{'s' if len(plan) > 1 else ''}")
        call_command("migrate", interactive=False, verbosity=0)


def close_connections() -> None:
    """Close this process's connections and its pool."""
    for opened in connections.all(initialized_only=True):
        opened.close()
        if isinstance(opened, DatabaseWrapper):
            opened.close_pool()
