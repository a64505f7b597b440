"""The forms of all kinds of agents that have one, and the form that serves for any other."""

from collections.abc import Mapping
from typing import Any

from agents.kind import Kind
from agents.kinds import kind_of_source
from agents.python.kind import PYTHON
from agents.remote.kind import REMOTE
from agents.sources import Source
from dashboard.fields import MAX_LINE
from dashboard.sources.form import MAX_TEXT, SourceForm, Typed, read_value
from dashboard.sources.python import PythonForm
from dashboard.sources.remote import RemoteForm
from registry.base.errors import Malformed, RegistryError, sentence
from registry.base.yaml_out import to_yaml


class AnyForm:
    """A source as YAML: `templates/parts/sources/any.html`."""

    title = ""  # the Register page takes it by Import
    hint = ""
    lines: tuple[str, ...] = ()
    texts: tuple[str, ...] = ("source_text",)
    main: tuple[str, ...] = ("source_text",)
    places: Mapping[str, str] = {}

    def typed(self, source: Source) -> dict[str, str]:
        """What is kept, as people write it."""
        inner = kind_of_source(source).inner(source.given())
        return {"source_text": to_yaml(inner).rstrip() if inner else ""}

    def value(self, typed: Typed) -> Any:
        """What was typed."""
        if not typed.text("source_text"):
            raise Malformed("there is nothing", problems={"source_text": "Say what it is, as YAML or JSON."})
        return read_value(typed.text("source_text"), "source_text")


FORMS: dict[str, SourceForm] = {  # in the order of the Register page
    PYTHON.word: PythonForm(),
    REMOTE.word: RemoteForm(),
}
ANY = AnyForm()


def form_of(kind: Kind[Any]) -> SourceForm:
    """The form of a kind."""
    return FORMS.get(kind.word, ANY)


def templates_of(kind: Kind[Any], what: str = "") -> list[str]:
    """The templates that show a kind's form, or its `what`: its own, else the one for any."""
    return [f"parts/sources/{word}{what}.html" for word in (kind.word, "any")]


def typed_of(given: Mapping[str, str]) -> Typed:
    """From a form, or from the address of the page: the fields of whatever kind."""
    texts: dict[str, str] = {}
    for form in (*FORMS.values(), ANY):
        for names, most in ((form.lines, MAX_LINE), (form.texts, MAX_TEXT)):
            texts |= {name: given[name][:most] for name in names if name in given}
    return Typed(texts)


def typed_of_source(source: Source) -> Typed:
    """As somebody would have typed what is kept."""
    return Typed(form_of(kind_of_source(source)).typed(source))


def value_of(typed: Typed, kind: Kind[Any]) -> Any:
    """The JSON of a version; `Malformed` names fields that cannot be read. It is not checked further."""
    return kind.unkeyed(form_of(kind).value(typed))


def nothing_yet(typed: Typed) -> bool:
    """Whether nothing was typed that says what an agent is."""
    return not any(typed.text(name) for form in FORMS.values() for name in form.main)


def problems_of(error: RegistryError, kind: Kind[Any]) -> dict[str, str]:
    """What is wrong, by the form's fields."""
    form = form_of(kind)
    known = {*form.lines, *form.texts, "server"}
    found: dict[str, str] = {}
    for path, text in error.problems.items():
        first = path.removeprefix(kind.key).strip(".").partition(".")[0]
        place = form.places.get(first, first)
        place = place if place in known else form.main[0]
        words = sentence(text)
        found[place] = f"{found[place]} {words}" if place in found else words
    return found or {form.main[0]: sentence(error)}
