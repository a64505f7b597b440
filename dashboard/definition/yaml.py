"""A definition as YAML text, and the lines of it that its problems are about."""

from collections.abc import Iterable
from typing import Any

import yaml

from registry.base.yaml_in import QuickLoader
from registry.base.yaml_out import to_yaml


def text_of(definition: Any) -> str:
    """A JSON value as YAML, as fleets are written, but for the items of lists: they begin behind their dash."""
    return to_yaml(definition, beside_dash=True)


def lines_of(text: str, paths: Iterable[str]) -> dict[str, int]:
    """The line (from 1) where each dotted path stands in a text, or the nearest thing above it that is there.

    Not with yaml.CSafeLoader: its composer recurses in C, and a few kilobytes of brackets end the process.
    """
    try:
        root = yaml.compose(text, Loader=QuickLoader)  # type: ignore[arg-type]
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return {path: line_of(root, path) for path in paths}


def line_of(node: Any, path: str) -> int:
    """The line of a dotted path. Keys can have dots in them: the longest one that fits is taken."""
    line = 1
    rest = path
    while rest and node is not None:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = within_mapping(node, rest)
        elif isinstance(node, yaml.SequenceNode):
            number, _, others = rest.partition(".")
            if number.isdigit() and len(number) < 9 and int(number) < len(node.value):
                item = node.value[int(number)]
                found = item, item, others
        if found is None:
            break
        mark, node, rest = found
        line = mark.start_mark.line + 1
    return line


def within_mapping(node: yaml.MappingNode, path: str) -> tuple[Any, Any, str] | None:
    """The key that a path begins with, its value, and the rest of the path."""
    best: tuple[Any, Any, str] | None = None
    longest = -1
    for key, value in node.value:
        word = key.value if isinstance(key, yaml.ScalarNode) else ""
        if len(word) > longest and (path == word or path.startswith(f"{word}.")):
            best, longest = (key, value, path[len(word) + 1 :]), len(word)
    return best
