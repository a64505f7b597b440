"""Whether the database can be reached at all, as far as an error tells."""

import psycopg
from django.db import Error, InterfaceError

RETRY_SECONDS = 5  # when to try again
# Connection exceptions; the server is shutting down, has crashed, or is starting; it has no connection left
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
AWAY = ("08", "57P01", "57P02", "57P03", "53300")


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached, rather than that it refused something."""
    cause = error.__cause__ if isinstance(error, Error) else error
    if isinstance(cause, psycopg.InterfaceError) or (cause is None and isinstance(error, InterfaceError)):
        return True  # the connection is closed
    # Without a code it is libpq's own word, or the pool's: the server said nothing.
    return isinstance(cause, psycopg.OperationalError) and (cause.sqlstate is None or cause.sqlstate.startswith(AWAY))
