"""Rows that something has written, put back into an empty database: what took hundreds of statements takes one.

They come back as they were, with their ids and times, and triggers do not see them again: the change feed and the audit
have what they had. Sequences have gone on meanwhile, so no new row gets an id of theirs.
"""

from collections.abc import Callable
from typing import LiteralString, cast

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

TABLES = """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = 'public'::regnamespace ORDER BY relname"""
COLUMNS = """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass
    AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"""
WITHOUT_TRIGGERS = "SET LOCAL session_replication_role = replica"  # nor checks of keys: in any order
WITH_TRIGGERS = "SET LOCAL session_replication_role = origin"


def written_by(write: Callable[[], object]) -> str:
    """What this writes into tables that are empty, as statements. The database is afterwards as it was."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TABLES)
        empty = [name for (name,) in cursor.fetchall() if not rows_of(cursor, name)]
        write()
        statements = [WITHOUT_TRIGGERS, *filter(None, (rows_of(cursor, name) for name in empty)), WITH_TRIGGERS]
        transaction.set_rollback(True)
    return ";\n".join(statements)


def rows_of(cursor: CursorWrapper, table: str) -> str:
    """The statement that would write all rows of a table; "" if it has none."""
    cursor.execute(COLUMNS, [f'"{table}"'])
    names = [sql.Identifier(name) for (name,) in cursor.fetchall()]
    values = sql.SQL(" || ', ' || ").join(sql.SQL("quote_nullable({}::text)").format(name) for name in names)
    cursor.execute(sql.SQL("SELECT '(' || {} || ')' FROM {}").format(values, sql.Identifier(table)))
    rows = [sql.SQL(cast(LiteralString, row)) for (row,) in cursor.fetchall()]
    if not rows:
        return ""
    start = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ")
    return (start.format(sql.Identifier(table), sql.SQL(", ").join(names)) + sql.SQL(", ").join(rows)).as_string()


def may_put_back() -> bool:
    """Whether we may write past triggers in this database, for which one is its superuser."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        return bool(cursor.fetchone()[0])


def put_back(statements: str) -> None:
    """Write them again, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(statements)
