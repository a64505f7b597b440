"""What was sent from the form, applied to the definition that it was made of.

The form carries the whole definition along (`state`, packed). A field changes it only if its text is no longer the one
that the definition had there: so what the form does not show, and the order of keys, cannot be lost. The name of a
field is its kind and its place: `line:/languages/#0/name`.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.errors import InvalidDefinition
from agents.swml.conversion import definition_of, is_document
from dashboard.definition.fields import KINDS, FieldProblem, newlines, show_as, value_of, yaml_shown
from dashboard.definition.tree import (
    MISSING,
    Path,
    dotted,
    get,
    misfit,
    move,
    put,
    read_path,
    rename,
    replace_others,
    unpack,
)

HANDLERS = ("reply", "transfer", "match", "webhook", "data_map")
# Parts of the names of fields that are no values: what stands besides the shown keys, whether a parameter is required,
# which handler a function has, what a key is called. In this order they are applied, after the values.
STAGES = ("rest", "required", "handler", "key")
NEW: dict[str, Any] = {
    "sections": {},
    "languages": {},
    "pronounce": {},
    "functions": {"handler": {}},
    "properties": {"type": "string"},
    "cases": {},
}  # what is added to a list or an object of this name
KEYS = {"functions": "new_function", "properties": "new_parameter", "cases": "new value"}
OPENED = frozenset({"functions"})  # added ones are opened


@dataclass
class Edited:
    """The definition as it was sent. `typed`: texts that cannot be read, by the names of their fields."""

    tree: Any
    typed: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    opened: list[Path] = field(default_factory=list)  # the functions that are open
    renamed: list[tuple[Path, str]] = field(default_factory=list)


def read_form(posted: Mapping[str, str], opened: list[str] | None = None) -> Edited:
    """What the form says. `opened`: the places of open functions."""
    tree = unpack(posted.get("state", ""))
    if not isinstance(tree, dict):
        raise misfit(())
    edited = Edited(tree, opened=[read_path(text) for text in opened or []])
    base = copy.deepcopy(tree)
    later: dict[str, list[tuple[Any, str, str]]] = {stage: [] for stage in STAGES}
    for name, sent in posted.items():
        kind, separator, place = name.partition(":")
        if separator and kind in later:
            later[kind].append((place, name, newlines(sent)))
        elif separator and kind in KINDS:
            apply_value(edited, base, kind, read_path(place), name, newlines(sent))
    for place, name, sent in later["rest"]:
        apply_rest(edited, base, place, name, sent)
    for place, _, sent in later["required"]:
        apply_required(edited.tree, read_path(place), sent == "1")
    for place, _, sent in later["handler"]:
        apply_handler(edited.tree, read_path(place), sent)
    for place, name, sent in sorted(later["key"], key=lambda each: -len(read_path(each[0]))):
        apply_key(edited, read_path(place), name, sent)
    edited.opened = [at_present(edited, path) for path in edited.opened]
    return edited


def apply_value(edited: Edited, base: Any, kind: str, path: Path, name: str, sent: str) -> None:
    """A field with a value."""
    before = get(base, path)
    if kind == "yaml":
        changed = sent != yaml_shown(before)
    else:
        shown_as, shown = show_as(kind, before)
        changed = sent != shown or shown_as != kind
    if not changed:
        return
    try:
        put(edited.tree, path, KINDS[kind].read(sent))
    except FieldProblem as problem:
        note(edited, name, path, sent, str(problem))


def apply_rest(edited: Edited, base: Any, place: str, name: str, sent: str) -> None:
    """What stands in an object besides the keys that have fields of their own: `rest:/place?key,key`."""
    whole, keys = rest_place(place)
    object_now, object_before = get(edited.tree, whole), get(base, whole)
    if sent == rest_shown(object_before, keys):
        return
    try:
        others = value_of(sent) if sent.strip() else {}
        if not isinstance(others, dict):
            raise FieldProblem("must be an object: one key a line, such as key: value")
        if twice := next((key for key in others if key in keys), None):
            raise FieldProblem(f"{twice} has a field of its own")
    except FieldProblem as problem:
        note(edited, name, whole, sent, str(problem))
        return
    now = replace_others(object_now if isinstance(object_now, dict) else {}, keys, others)
    if whole:
        put(edited.tree, whole, now)
    else:
        edited.tree = now


def rest_place(place: str) -> tuple[Path, list[str]]:
    """The object and its shown keys, of a `rest` field's name."""
    path, _, keys = place.rpartition("?")
    return read_path(path) if path else (), [key for key in keys.split(",") if key]


def rest_shown(value: Any, keys: list[str]) -> str:
    """What stands in an object besides these keys, as YAML."""
    others = {key: item for key, item in value.items() if key not in keys} if isinstance(value, dict) else {}
    return yaml_shown(others) if others else ""


def apply_required(tree: Any, path: Path, wanted: bool) -> None:
    """Whether a parameter must be given."""
    if len(path) < 2:
        raise misfit(path)
    *above, _, name = path
    required = get(tree, [*above, "required"])
    known = list(required) if isinstance(required, list) else []
    if (name in known) is wanted:
        return
    known = [*known, name] if wanted else [each for each in known if each != name]
    put(tree, (*above, "required"), known or MISSING)


def handler_of(handler: Any) -> str:
    """The word for a function's handler."""
    if isinstance(handler, dict):
        for word in ("match", "webhook", "data_map", "transfer"):
            if word in handler:
                return word
    return "reply"


def apply_handler(tree: Any, path: Path, wanted: str) -> None:
    """Another kind of handler; a reply and a transfer can be both, the others replace what was there."""
    before = get(tree, path)
    if wanted not in HANDLERS or wanted == handler_of(before):
        return
    outcome = before if isinstance(before, dict) and handler_of(before) in ("reply", "transfer") else {}
    made: dict[str, Any] = {
        "reply": {key: value for key, value in outcome.items() if key != "transfer"},
        "transfer": {**outcome, "transfer": ""},
        "match": {"match": {"argument": "", "cases": {"new value": {}}, "default": outcome}},
        "webhook": {"webhook": ""},
        "data_map": {"data_map": {}},
    }[wanted]
    put(tree, path, made)


def apply_key(edited: Edited, path: Path, name: str, sent: str) -> None:
    """Another name for a function, a parameter or a case; two of one name cannot be."""
    *above, last = path
    if sent == "".join(str(last).splitlines()):
        return
    parent = get(edited.tree, above)
    if not sent.strip():
        note(edited, name, path, sent, "needs a name")
    elif isinstance(parent, dict) and sent in parent:
        note(edited, name, path, sent, f"there is a {sent!r} already")
    else:
        rename(edited.tree, path, sent)
        edited.renamed.append((path, sent))
        required = get(edited.tree, [*above[:-1], "required"]) if above and above[-1] == "properties" else None
        if isinstance(required, list):
            required[:] = [sent if each == last else each for each in required]


def note(edited: Edited, name: str, path: Path, sent: str, problem: str) -> None:
    """A text that cannot be read stays as it was typed."""
    edited.typed[name] = sent
    edited.problems[dotted(path) or "definition"] = problem


def at_present(edited: Edited, path: Path) -> Path:
    """Where something is that the form has at this place, once its keys are renamed."""
    names = dict(edited.renamed)
    return tuple(names.get(path[: at + 1], part) for at, part in enumerate(path))


def carry_out(edited: Edited, deed: str) -> Path:
    """Add, remove, move, open or close something: `add:/languages`. The place that it is about."""
    verb, _, place = deed.partition(":")
    path = at_present(edited, read_path(place))
    if verb == "add":
        return add(edited, path)
    if get(edited.tree, path) is MISSING:
        raise misfit(path)
    if verb == "remove":
        put(edited.tree, path, MISSING)
        edited.opened = [each for each in edited.opened if each != path]
    elif verb in ("up", "down"):
        move(edited.tree, path, -1 if verb == "up" else 1)
    elif verb == "open":
        edited.opened = [*(each for each in edited.opened if each != path), path]
    elif verb == "close":
        edited.opened = [each for each in edited.opened if each != path]
    elif verb == "sections":
        in_sections(edited.tree, path)
    else:
        raise misfit(path)
    return path


def add(edited: Edited, path: Path) -> Path:
    """Something new at the end of a list or an object; its place."""
    word = str(path[-1])
    if word not in NEW:
        raise misfit(path)
    there = get(edited.tree, path)
    made = copy.deepcopy(NEW[word])
    if word in KEYS:
        known = there if isinstance(there, dict) else {}
        name = KEYS[word]
        key = next(key for number in range(1, len(known) + 2) if (key := name_of(name, number)) not in known)
        if there is MISSING and word == "properties":
            put(edited.tree, (*path[:-1], "type"), "object")
        put(edited.tree, (*path, key), made)
        found: Path = (*path, key)
    else:
        items = [*there, made] if isinstance(there, list) else [made]
        put(edited.tree, path, items)
        found = (*path, len(items) - 1)
    if word in OPENED:
        edited.opened.append(found)
    return found


def name_of(name: str, number: int) -> str:
    """new_function, new_function_2 …"""
    return name if number == 1 else f"{name}{'_' if '_' in name else ' '}{number}"


def in_sections(tree: Any, path: Path) -> None:
    """One text becomes the body of the first section."""
    prompt = get(tree, path)
    if not isinstance(prompt, dict):
        raise misfit(path)
    items = [
        ("sections", [{"body": value} if value else {}]) if key == "text" else (key, value)
        for key, value in prompt.items()
        if key != "sections"
    ]
    prompt.clear()
    prompt.update(items)
    prompt.setdefault("sections", [{}])


def from_text(text: str) -> Any:
    """The definition that a YAML or JSON text says; a plain SWML document becomes one. Raises `FieldProblem`."""
    value = value_of(text)
    if is_document(value):
        try:
            return definition_of(value)
        except InvalidDefinition as error:
            raise FieldProblem(str(error)) from None
    if not isinstance(value, dict):
        raise FieldProblem("a definition is an object: prompt: …")
    return value
