"""The state of the editor: a definition, what of it cannot be read yet, and how it is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.definition.fields import FieldProblem, newlines
from dashboard.definition.form import Edited, carry_out, from_text, read_form
from dashboard.definition.layout import Block, Maker, Problem, place_problems
from dashboard.definition.parts import parts_of
from dashboard.definition.tree import MISSING, Path, dotted, pack, written
from dashboard.definition.yaml import lines_of, text_of
from registry.base.errors import Malformed

MAX_PROBLEMS = 100  # that are listed


@dataclass
class Editor:
    """`tree` is MISSING while `text`, the YAML view's, cannot be read. `base`: of what is edited, `definition_tag`."""

    tree: Any
    view: str
    base: str
    text: str = ""
    edited: Edited | None = None
    problems: dict[str, str] = field(default_factory=dict)  # by dotted path
    line: int = 0  # of the text, where it cannot be read
    touched: bool = False  # it came from the page, and may not be saved yet
    listed: list[Problem] = field(default_factory=list)
    note: str = ""
    acted_on: str = ""  # the dotted path of what was added, moved or opened

    @classmethod
    def of_saved(cls, definition: Any, view: str, base: str) -> "Editor":
        """What a version says. What somebody broke by SQL can only be looked at as YAML."""
        if not isinstance(definition, dict):
            view = "yaml"
        return cls(definition, view, base, text_of(definition) if view == "yaml" else "")

    @property
    def opened(self) -> list[Path]:
        """The functions that are open."""
        return self.edited.opened if self.edited else []

    @property
    def open_places(self) -> list[str]:
        """The same, as the form carries them."""
        return [written(path) for path in self.opened]

    @property
    def state(self) -> str:
        """The definition, as the form carries it."""
        return pack({} if self.tree is MISSING else self.tree)

    @property
    def rows(self) -> int:
        """How high the YAML view is."""
        return min(max(self.text.count("\n") + 2, 16), 44)

    def carry_out(self, deed: str) -> None:
        """Another view, or an act on the form. With texts that cannot be read nothing is done: they would be lost."""
        if self.problems:
            return
        if deed == "view:yaml":
            self.text = self.text if self.view == "yaml" else text_of(self.tree)
            self.view = "yaml"
        elif deed == "view:form":
            self.view = "form"
        elif deed not in ("", "look"):
            if self.view != "form":
                raise Malformed("this is an act of the form")
            self.edited = self.edited or Edited(self.tree)
            path = carry_out(self.edited, deed)
            self.tree = self.edited.tree
            self.acted_on = dotted(path)

    def parts(self) -> list[Block]:
        """The form's parts; places the problems. None for the YAML view, whose problems have lines."""
        if self.view == "yaml":
            lines = lines_of(self.text, self.problems)
            self.listed = [
                Problem(path, text, "f-yaml", lines.get(path) or self.line)
                for path, text in list(self.problems.items())[:MAX_PROBLEMS]
            ]
            return []
        typed = self.edited.typed if self.edited else {}
        parts = parts_of(Maker(self.tree, typed, self.opened))
        self.listed = place_problems(parts, self.problems)[:MAX_PROBLEMS]
        for part in parts:
            part.open = part.open or (
                bool(self.acted_on)
                and any(
                    isinstance(block, Block) and block.path and (self.acted_on + ".").startswith(block.path + ".")
                    for block in [part, *part.children]
                )
            )
        return parts


def sent_editor(posted: Mapping[str, str], opened: list[str]) -> Editor:
    """What the page has sent."""
    base, note = posted.get("base", "")[:64], posted.get("note", "")[:500]
    if "yaml" in posted:
        text = newlines(posted["yaml"])
        editor = Editor(MISSING, "yaml", base, text, touched=True, note=note)
        try:
            editor.tree = from_text(text)
        except FieldProblem as problem:
            editor.problems, editor.line = {"definition": str(problem)}, problem.line
        return editor
    edited = read_form(posted, opened)
    return Editor(edited.tree, "form", base, "", edited, dict(edited.problems), touched=True, note=note)
