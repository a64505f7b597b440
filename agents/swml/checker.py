"""Checks SWML verbs when a definition is saved, with errors that point at the field."""

from collections import Counter
from typing import Any, NamedTuple

from agents.swml.findings import FieldPath, findings, shown, suggestion
from agents.swml.schema import validator, verbs

MAX_PROBLEMS = 10  # of one verb: whoever has more begins with these
VERB_DEPTH = 4  # a verb lies at sections, name of the section, position, name of the verb


class Problem(NamedTuple):
    """A field that is wrong, and how. Of a single verb, () is its whole configuration."""

    path: FieldPath
    message: str


def verb_problems(verb: str, config: Any) -> list[Problem]:
    """What is wrong with the configuration of a verb. Nothing is: an empty list."""
    if verb not in verbs():
        return [Problem((), f"{shown(verb)} is not a verb of SWML{suggestion(verb, verbs())}")]
    place = ("sections", "main", 0, verb)
    problems = document_problems({"sections": {"main": [{verb: config}]}})
    return [Problem(path[VERB_DEPTH:] if path[:VERB_DEPTH] == place else (), text) for path, text in problems]


def document_problems(document: Any) -> list[Problem]:
    """What is wrong with a whole document: its shape, and every verb of every section. Paths begin at its root."""
    try:
        errors = list(validator().iter_errors(document))
    except ValueError as error:  # deeper than the validator goes, or no JSON
        return [Problem((), f"cannot be checked: {error}")]
    said = dict.fromkeys(Problem(found.path, found.message(verb_of(found.path))) for found in findings(errors))
    problems, by_verb = [], Counter[FieldPath]()
    for problem in sorted(said, key=lambda problem: in_order(problem.path)):
        by_verb[problem.path[:VERB_DEPTH]] += 1
        if by_verb[problem.path[:VERB_DEPTH]] <= MAX_PROBLEMS:
            problems.append(problem)
    return problems


def verb_of(path: FieldPath) -> str:
    """The verb that a path leads through."""
    return str(path[VERB_DEPTH - 1]) if len(path) >= VERB_DEPTH else "a document"


def in_order(path: FieldPath) -> list[str]:
    """A key that sorts paths, positions by number."""
    return [f"{part:09}" if isinstance(part, int) else part for part in path]
