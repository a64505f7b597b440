"""`${args.x}` in replies and actions: parsed once per version, filled in per request."""

import re
from typing import Any

import orjson

NAMESPACES = ("args", "global_data", "meta_data", "call")
PLACEHOLDER = re.compile(r"\$\{([a-z_]+)((?:\.[A-Za-z0-9_-]+)+)\}")
FRACTION = re.compile(rb"\.0|[0-9]e")  # in JSON that may have a whole number written as 5.0 or 1e16
LARGEST = 2**63  # below which our JSON can say it as an integer
ANY_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")


class Template:
    """A text with placeholders. What is not there is filled in as nothing; objects and lists as JSON."""

    __slots__ = ("pieces", "text")

    def __init__(self, text: str):
        self.text = text
        # Literal texts alternate with paths: ("On ", ("args", "day"), " we have …").
        self.pieces: list[str | tuple[str, ...]] = []
        end = 0
        for found in PLACEHOLDER.finditer(text):
            if found[1] in NAMESPACES:
                self.pieces += [text[end : found.start()], (found[1], *found[2][1:].split("."))]
                end = found.end()
        self.pieces.append(text[end:])

    def check_namespaces(self) -> None:
        """Raise `ValueError` for a placeholder that would be left as it stands."""
        for found in ANY_PLACEHOLDER.finditer(self.text):
            whole = PLACEHOLDER.fullmatch(found[0])
            if not whole or whole[1] not in NAMESPACES:
                known = ", ".join(f"${{{name}.…}}" for name in NAMESPACES)
                raise ValueError(f"{found[0]} is not known here: use {known}")

    def arguments(self) -> list[str]:
        """Names of the arguments that it mentions."""
        return [piece[1] for piece in self.pieces if isinstance(piece, tuple) and piece[0] == "args"]

    def fill(self, values: dict[str, Any]) -> str:
        """The text for these values: one mapping for each namespace."""
        if len(self.pieces) == 1:
            return self.text
        return "".join([spoken(look_up(values, piece)) if isinstance(piece, tuple) else piece for piece in self.pieces])


class TemplateTree:
    """A JSON value whose strings are templates."""

    __slots__ = ("constant", "tree")

    def __init__(self, value: Any):
        self.tree = self.parse(value)
        self.constant = self.tree is value

    def parse(self, value: Any) -> Any:
        """The value with each string that has a placeholder replaced by its template; itself if there is none."""
        if isinstance(value, str):
            template = Template(value)
            return template if len(template.pieces) > 1 else value
        if isinstance(value, dict):
            parsed = {key: self.parse(item) for key, item in value.items()}
            return parsed if any(parsed[key] is not value[key] for key in value) else value
        if isinstance(value, list):
            items = [self.parse(item) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value

    def fill(self, values: dict[str, Any]) -> Any:
        """The JSON value for these values."""
        return self.tree if self.constant else fill_tree(self.tree, values)


def fill_tree(tree: Any, values: dict[str, Any]) -> Any:
    """Fill in every template inside a parsed tree."""
    if isinstance(tree, Template):
        return tree.fill(values)
    if isinstance(tree, dict):
        return {key: fill_tree(item, values) for key, item in tree.items()}
    if isinstance(tree, list):
        return [fill_tree(item, values) for item in tree]
    return tree


def look_up(values: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path, or None."""
    try:
        found: Any = values[path[0]]
    except KeyError:
        return None
    for name in path[1:]:
        if found.__class__ is not dict:  # JSON's only kind of object; isinstance(…, Mapping) costs 1 µs a step
            return None
        found = found.get(name)
    return found


def spoken(value: Any) -> str:
    """A value as it is put into a sentence, 5.0 as "5"; one that JSON cannot write, because it is nested too deeply, is
    nothing.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        text = orjson.dumps(value)
        return (orjson.dumps(without_fractions(value)) if FRACTION.search(text) else text).decode()
    except TypeError:
        return ""


def without_fractions(value: Any) -> Any:
    """A JSON value with an integer for each number that is whole: nobody says "five point zero"."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < LARGEST else value
    if isinstance(value, dict):
        return {key: without_fractions(item) for key, item in value.items()}
    return [without_fractions(item) for item in value] if isinstance(value, list) else value
