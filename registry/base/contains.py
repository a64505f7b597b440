"""The search for a text in columns: whatever its characters, in any case, as Postgres's ILIKE compares."""

from typing import Any

from django.db.models import CharField, Lookup, TextField

from registry.base.text import like


def contains(column: str, value: str) -> str:
    """The condition in SQL, with a parameter in `value` that `like` has made."""
    return f"{column} ILIKE {value}"


class HasText(Lookup):
    """`name__has_text="x"`. Django's icontains compares UPPER of both, which may find other rows."""

    lookup_name = "has_text"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """Column ILIKE pattern."""
        column, parameters = self.process_lhs(compiler, connection)
        return contains(column, "%s"), (*parameters, like(str(self.rhs)))


def register() -> None:
    """Let all texts be searched so."""
    CharField.register_lookup(HasText)
    TextField.register_lookup(HasText)
