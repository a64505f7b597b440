"""What somebody has typed of an agent's source, as text, and what its form must know to read it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from registry.actions.inspection import Upstream
from registry.base.errors import Malformed, RegistryError, sentence
from registry.base.yaml_in import parse_either

MAX_TEXT = 64 * 1024  # characters of a field with several lines


@dataclass
class Typed:
    """The fields of all forms, by their names. The password is never shown again."""

    texts: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> dict[str, str]:
        """What the form shows: all but the password."""
        return {name: text for name, text in self.texts.items() if name != "server_password"}

    @property
    def special(self) -> bool:
        """Whether an option is another one than usual, so that the options are shown."""
        usual = {"seconds": "100", "document_seconds": "15"}
        return bool(self.text("keep_last_document")) or any(
            self.text(name) not in ("", text) for name, text in usual.items()
        )

    def text(self, name: str) -> str:
        """A field, without the spaces around it."""
        return self.texts.get(name, "").strip()

    def upstream(self) -> Upstream:
        """User and password of the server; None if neither was typed."""
        user, password = self.text("server_user"), self.texts.get("server_password", "")
        if bool(user) != bool(password):
            words = "It takes both, a user and a password, or neither."
            raise Malformed(words, problems={"server": words})
        return (user, password) if user else None


class SourceForm(Protocol):
    """The fields that one kind has in forms: `templates/parts/sources/<word>.html` shows them."""

    title: str  # on the Register page
    hint: str
    lines: tuple[str, ...]  # fields
    texts: tuple[str, ...]  # fields of several lines
    main: tuple[str, ...]  # fields of which one must be filled in; the first has what is wrong with the whole
    places: Mapping[str, str]  # where what is wrong with a part of the JSON is said, if that is not a field

    def typed(self, source: Any) -> dict[str, str]:
        """The fields as somebody would have typed what is kept."""
        ...

    def value(self, typed: Typed) -> Any:
        """What stands under the kind's key; `Malformed` names fields that cannot be read. It is not checked further."""
        ...


def read_value(text: str, name: str) -> Any:
    """What a field with YAML or JSON says."""
    try:
        return parse_either(text, "this")
    except RegistryError as error:
        raise Malformed(str(error), problems={name: sentence(error)}) from None


def number_of(name: str, text: str) -> float:
    """A number of seconds."""
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Malformed("this is no number", problems={name: "A number of seconds, such as 15."})
    return found
