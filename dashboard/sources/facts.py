"""What is known of an agent of whatever kind, for people. No secret is among it."""

from functools import singledispatch
from typing import Any

from agents.definition import AgentDefinition
from agents.kinds import kind_of, kind_of_source
from agents.sources import AnyFunction, Source
from dashboard.agents.functions import Answerer, FunctionRow, function_rows, parameters_of

SHOWN_DIGEST = 12  # characters


@singledispatch
def functions_of(source: Source) -> list[FunctionRow]:
    """A version's functions; of one that is not built here as they were seen."""
    return [row_of(name, function, source) for name, function in kind_of_source(source).functions(source).items()]


functions_of.register(AgentDefinition, function_rows)  # with what its handlers do


def row_of(name: str, function: AnyFunction, source: Source) -> FunctionRow:
    """One function."""
    return FunctionRow(
        name,
        function.description or "",
        function.secure,
        True,
        parameters_of(function.parameters),
        answerer(function, source),
    )


def answerer(function: AnyFunction, source: Source) -> Answerer:
    """What answers it."""
    if not function.runs_here:
        return Answerer("elsewhere", ["SignalWire runs it, or asks another server; Switchboard does not see it."])
    kind = kind_of_source(source)
    return Answerer(kind.answerer or kind.word, [kind.answered_by(source)])


def comparable(definition: Any) -> Any:
    """A version's JSON as fields to compare: of a source without what was seen, but for the names of functions."""
    return kind_of(definition).comparable(definition)


def as_given(definition: Any) -> Any:
    """A version's JSON as people write it: `register` and `publish` take it."""
    return kind_of(definition).as_given(definition)


def digest_of(definition: Any) -> str:
    """The beginning of the digest of the code that a version was made of; "" without."""
    return kind_of(definition).digest(definition)[:SHOWN_DIGEST]


def functions_in(definition: Any) -> list[str]:
    """The names of a version's functions, of whatever kind; nothing is checked."""
    return kind_of(definition).function_names(definition)
