"""What somebody has typed of a Python class or a remote server, and the source that it means."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.sources import PythonSource, RemoteSource
from dashboard.fields import MAX_LINE
from registry.actions.inspection import Upstream
from registry.base.errors import Malformed, RegistryError, sentence
from registry.base.yaml_in import parse_either
from registry.base.yaml_out import to_yaml

MAX_TEXT = 64 * 1024  # characters of arguments and lists of URLs
FIELDS = (
    "class",
    "script",
    "script_route",
    "arguments",
    "url",
    "more_urls",
    "server_user",
    "server_password",
    "seconds",
    "document_seconds",
    "keep_last_document",
)
LINES = ("arguments", "more_urls")
MAIN = {"python": "class", "remote": "url"}  # the field that what is wrong with the whole stands beside
PLACES = {"script": "class", "route": "class", "again": "class", "keep_last_document": "url"}


@dataclass
class Typed:
    """The fields of either kind, as text, by their names in the form. The password is never shown again."""

    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Typed":
        """From a form, or from the address of the page."""
        typed = [name for name in FIELDS if name in given]
        return cls({name: given[name][: MAX_TEXT if name in LINES else MAX_LINE] for name in typed})

    @classmethod
    def of_source(cls, source: PythonSource | RemoteSource) -> "Typed":
        """As somebody would have typed what is kept."""
        if isinstance(source, PythonSource):
            arguments = to_yaml(source.arguments).rstrip() if source.arguments else ""
            return cls(
                {
                    "class": source.class_ or "",
                    "script": source.script or "",
                    "script_route": source.route or "",
                    "arguments": arguments,
                }
            )
        texts = {
            "url": source.url,
            "more_urls": "\n".join(source.more_urls),
            "seconds": f"{source.seconds:g}",
            "document_seconds": f"{source.document_seconds:g}",
        }
        return cls(texts | ({"keep_last_document": "on"} if source.keep_last_document else {}))

    @property
    def shown(self) -> dict[str, str]:
        """What the form shows: all but the password."""
        return {name: text for name, text in self.texts.items() if name != "server_password"}

    @property
    def nothing_yet(self) -> bool:
        """Whether neither a class, nor a script, nor a URL was typed."""
        return not any(self.text(name) for name in ("class", "script", "url"))

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

    def value(self, kind: str) -> dict[str, Any]:
        """The JSON of the source; `Malformed` names fields that cannot be read. It is not checked further."""
        return {kind: self.python_value() if kind == "python" else self.remote_value()}

    def python_value(self) -> dict[str, Any]:
        """A class with its arguments, or a script with a route in it."""
        if self.text("script"):
            return {"script": self.text("script"), "route": self.text("script_route") or "/"}
        if not self.text("class"):
            raise Malformed("name the class", problems={"class": "Name it as module:Class, such as fleet.sales:Agent."})
        return {"class": self.text("class")} | ({"arguments": found} if (found := self.arguments()) else {})

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments."""
        text = self.text("arguments")
        if not text:
            return {}
        try:
            found = parse_either(text, "this")
        except RegistryError as error:
            raise Malformed(str(error), problems={"arguments": sentence(error)}) from None
        if not isinstance(found, dict):
            words = "These must be keywords with their values, such as voice: rime.spore."
            raise Malformed(words, problems={"arguments": words})
        return found

    def remote_value(self) -> dict[str, Any]:
        """A URL, further ones, and options that were given."""
        if not self.text("url"):
            raise Malformed("give the URL", problems={"url": "Give the agent's URL on its server."})
        more = [line.strip() for line in self.texts.get("more_urls", "").splitlines() if line.strip()]
        found: dict[str, Any] = {"url": self.text("url")} | ({"more_urls": more} if more else {})
        for name in ("seconds", "document_seconds"):
            if text := self.text(name):
                found[name] = number_of(name, text)
        return found | ({"keep_last_document": True} if self.text("keep_last_document") else {})

    def upstream(self) -> Upstream:
        """User and password of the server; None if neither was typed."""
        user, password = self.text("server_user"), self.texts.get("server_password", "")
        if bool(user) != bool(password):
            words = "It takes both, a user and a password, or neither."
            raise Malformed(words, problems={"server": words})
        return (user, password) if user else None


def number_of(name: str, text: str) -> float:
    """A number of seconds."""
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Malformed("this is no number", problems={name: "A number of seconds, such as 15."})
    return found


def problems_of(error: RegistryError, kind: str) -> dict[str, str]:
    """What is wrong, by the form's fields."""
    found: dict[str, str] = {}
    for path, text in error.problems.items():
        first = path.removeprefix(kind).strip(".").partition(".")[0]
        place = PLACES.get(first, first) or MAIN[kind]
        words = sentence(text)
        found[place] = f"{found[place]} {words}" if place in found else words
    return found or {MAIN[kind]: sentence(error)}
