"""Statements that are put together of our own pieces."""


def compose(statement: str, /, **pieces: str) -> str:
    """A statement with other SQL of ours in its braces: columns, conditions, statements.

    Whatever somebody has typed or sent is a parameter and never comes here. In f-strings a linter cannot tell one from
    the other, so each of them would have to be silenced; what is composed here can be looked through by its callers.
    """
    return statement.format(**pieces)
