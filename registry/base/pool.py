"""The process's pool of database connections: it is small, so nobody keeps one while doing something else."""

from django.db import connection


def let_go() -> None:
    """Give this thread's connection back, unless a transaction needs it; the next query takes another."""
    if not connection.in_atomic_block:
        connection.close()
