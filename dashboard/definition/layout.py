"""The form of a definition: what it is made of. What stands in which part is in parts.py."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from dashboard.definition.fields import show_as
from dashboard.definition.form import rest_shown
from dashboard.definition.tree import Path, dotted, get, written


@dataclass
class Field:
    """A control. `look`: how wide or high it is, as classes; `choices`: of a select, or suggestions of a line."""

    name: str
    kind: str
    path: str
    label: str
    value: str
    help: str = ""
    problem: str = ""
    choices: Sequence[str] = ()
    suggestions: str = ""  # the id of a datalist

    @property
    def id(self) -> str:
        """The control's id: short, for places have any characters."""
        return f"f-{hashlib.blake2s(self.name.encode(), digest_size=5).hexdigest()}"

    is_field = True


@dataclass
class Button:
    """An act on the form, which changes nothing that is saved."""

    deed: str
    label: str
    icon: str
    about: str = ""  # what it acts on, for those who only hear its label


@dataclass
class Block:
    """Some of the form: a part with a heading, a row of fields, an item of a list, a line that tells something."""

    look: str  # part, row, item, table, more, summary
    path: str = ""
    title: str = ""
    facts: str = ""
    badge: str = ""
    help: str = ""
    open: bool = False
    problem: str = ""
    children: list["Field | Block"] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    is_field = False

    @property
    def id(self) -> str:
        """To be linked to. What folds away more of something is known by what is in it."""
        name = self.children[0].id if self.look == "more" else f"{self.look} {self.path} {self.title}"
        return f"b-{hashlib.blake2s(name.encode(), digest_size=5).hexdigest()}"

    @property
    def problems(self) -> int:
        """How many problems are in it."""
        return bool(self.problem) + sum(
            bool(child.problem) if isinstance(child, Field) else child.problems for child in self.children
        )


@dataclass(frozen=True)
class Problem:
    """What is wrong, and the id of the element that it is beside; "" if the form has none for it."""

    path: str
    text: str
    target: str = ""
    line: int = 0


class Maker:
    """Makes fields for a definition. `typed`: texts that could not be read, by name."""

    def __init__(self, tree: Any, typed: Mapping[str, str], opened: Sequence[Path] = ()):
        self.tree = tree
        self.typed = typed
        self.opened = set(opened)

    def field(
        self,
        kind: str,
        path: Path,
        label: str,
        model: type[BaseModel] | None = None,
        *,
        help: str = "",  # noqa: A002
        suggestions: str = "",
        choices: Sequence[str] = (),
    ) -> Field:
        """A field for the value at a place; its help is what the model says of the last word."""
        kind, text = show_as(kind, get(self.tree, path))
        name = f"{kind}:{written(path)}"
        text = self.typed.get(name, text)
        if choices and text and text not in choices:
            choices = [text, *choices]
        return Field(
            name, kind, dotted(path), label, text, help or described(model, str(path[-1])), "", choices, suggestions
        )

    def rest(self, path: Path, keys: Sequence[str], label: str, *, help: str = "") -> Field:  # noqa: A002
        """A field for all that an object has besides these keys."""
        name = f"rest:{written(path)}?{','.join(keys)}"
        text = self.typed.get(name, rest_shown(get(self.tree, path), list(keys)))
        return Field(name, "yaml", dotted(path), label, text, help)

    def key(self, path: Path, label: str, *, help: str = "") -> Field:  # noqa: A002
        """A field for the name of something."""
        name = f"key:{written(path)}"
        return Field(name, "line", dotted(path), label, self.typed.get(name, str(path[-1])), help)

    def items(self, path: Path) -> list[Path]:
        """The places of what is in a list or an object."""
        found = get(self.tree, path)
        if isinstance(found, list):
            return [(*path, number) for number in range(len(found))]
        return [(*path, key) for key in found] if isinstance(found, dict) else []


def described(model: type[BaseModel] | None, word: str) -> str:
    """What a model's field says of itself."""
    for name, about in model.model_fields.items() if model else ():
        if word in (name, about.alias):
            return about.description or ""
    return ""


def item_buttons(path: Path, about: str, place: int, count: int) -> list[Button]:
    """To move an item and to take it away."""
    where = written(path)
    found = [Button(f"up:{where}", "Move up", "arrow-up", about)] if place else []
    if place < count - 1:
        found.append(Button(f"down:{where}", "Move down", "arrow-down", about))
    return [*found, Button(f"remove:{where}", "Remove", "trash-2", about)]


def walk(children: Sequence[Field | Block]) -> Iterator[Field | Block]:
    """Everything in a form, from its beginning to its end."""
    for child in children:
        yield child
        if isinstance(child, Block):
            yield from walk(child.children)


def place_problems(parts: list[Block], problems: Mapping[str, str]) -> list[Problem]:
    """Put each problem beside its field, or the nearest thing above it, and open what holds it."""
    fields: dict[str, Field] = {}
    blocks: dict[str, Block] = {}
    for each in walk(parts):
        if isinstance(each, Field):
            fields.setdefault(each.path, each)
        elif each.path:
            blocks.setdefault(each.path, each)
    found = [placed(path, text, fields, blocks) for path, text in problems.items()]
    for part in parts:
        open_troubled(part)
    return found


def placed(path: str, text: str, fields: Mapping[str, Field], blocks: Mapping[str, Block]) -> Problem:
    """One problem, put where it belongs."""
    where = path
    while where:
        target = (blocks.get(where) or fields.get(where)) if where == path else (fields.get(where) or blocks.get(where))
        if where == path and where in fields and not fields[where].name.startswith(("rest:", "key:")):
            target = fields[where]
        if target is not None:
            said = text if where == path else f"{path[len(where) + 1 :]}: {text}"
            target.problem = f"{target.problem}; {said}" if target.problem else said
            return Problem(path, text, target.id)
        where = where.rpartition(".")[0]
    return Problem(path, text)


def open_troubled(block: Block) -> bool:
    """Open whatever has a problem in it."""
    inside = [open_troubled(child) if isinstance(child, Block) else bool(child.problem) for child in block.children]
    troubled = bool(block.problem) or any(inside)
    block.open = block.open or troubled
    return troubled
