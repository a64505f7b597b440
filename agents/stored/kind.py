"""Stored agents as a kind: definitions, from which we answer ourselves."""

from collections.abc import Callable, Mapping
from typing import Any

from agents.definition import AgentDefinition, Function
from agents.kind import Kind, refuse_variables
from agents.runners import Making
from agents.stored.checks import check
from agents.stored.version import StoredVersion
from agents.swml.conversion import definition_of, is_document


class StoredKind(Kind[AgentDefinition]):
    """The usual kind."""

    word = AgentDefinition.KIND
    label = "Stored"
    icon = "file-pen"
    noun = "definition"
    bare = True
    edited = True
    how_to_offer_mcp = "publish a definition with `mcp: true` first"

    @property
    def key(self) -> str:
        """Under which bodies and documents have it."""
        return "definition"

    def keyed(self, value: Any) -> dict[str, Any]:
        """Under its key."""
        return {self.key: value}

    def unkeyed(self, inner: Any) -> Any:
        """A version is the definition itself."""
        return inner

    def inner(self, value: Any) -> dict[str, Any]:
        """Likewise."""
        return value if isinstance(value, dict) else {}

    def path(self, path: str) -> str:
        """Below its key."""
        return f"{self.key}.{path}".removesuffix(".")

    def as_written(self, value: Any) -> Any:
        """All of it is."""
        return value

    def comparable(self, value: Any) -> Any:
        """All its fields."""
        return value

    def function_names(self, value: Any) -> list[str]:
        """The names of its functions."""
        functions = self.inner(value).get("functions")
        return list(functions) if isinstance(functions, dict) else []

    def offers_mcp(self, value: Any) -> bool:
        """Whether it says so."""
        return bool(self.inner(value).get("mcp"))

    def read(self, value: Any) -> AgentDefinition:
        """The definition; `InvalidDefinition` lists every problem by field."""
        return AgentDefinition.read(value)

    def check(self, value: Any, refused: Callable[[str], str]) -> AgentDefinition:
        """The definition, also of a plain SWML document, with what is checked only when it is saved."""
        definition = AgentDefinition.read(definition_of(value) if is_document(value) else value)
        check(definition)
        refuse_variables(definition, refused)
        return definition

    def functions(self, source: AgentDefinition) -> Mapping[str, Function]:
        """Its functions."""
        return source.functions

    def local(self, source: AgentDefinition, making: Making, environment: Mapping[str, str]) -> StoredVersion:
        """A prepared version."""
        return StoredVersion(making.number, source, making.key, environment)


STORED = StoredKind()
