"""What an agent's version is, once it is read: the questions that the registry asks of it, whatever its kind.

An `AgentDefinition` answers them, too (agents/definition/); what only one kind knows is asked of the kind
(agents/kinds.py).
"""

from typing import Any, ClassVar, Protocol

from pydantic import Field

from agents.definition.parts import Object, Part, Text, Word

MAX_WORD = 2000  # characters of a URL, a path, the name of a class in the API's bodies


class Source(Protocol):
    """What a version says, checked."""

    KIND: ClassVar[str]  # the word of its kind

    def stored(self) -> dict[str, Any]:
        """The JSON of a version."""
        ...

    def given(self) -> dict[str, Any]:
        """The same as people write it."""
        ...

    def transfer_targets(self) -> dict[str, set[str]]:
        """Names of the agents that functions transfer to, by function."""
        ...

    def variables(self) -> dict[str, str]:
        """The environment variables that it refers to, by the path of the field that does."""
        ...

    def webhook_urls(self) -> dict[str, str]:
        """URLs that this server would call for single functions, by function."""
        ...


class AnyFunction(Protocol):
    """A function of an agent, as whoever calls it must know it."""

    @property
    def description(self) -> str | None:
        """What it does."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """Its JSON Schema."""
        ...

    @property
    def secure(self) -> bool:
        """Whether it needs a token."""
        ...

    @property
    def runs_here(self) -> bool:
        """False: the platform runs it, or calls somebody else for it."""
        ...


class FoundFunction(Part):
    """A SWAIG function that an agent was seen to have, as its document describes it."""

    description: Text = ""
    parameters: Object = {}
    secure: bool = True
    runs_here: bool = True  # False: the platform runs it, or calls somebody else for it


class Found(Part):
    """What was seen of an agent when it was registered or reloaded; never written by people."""

    name: Text = ""  # that it gives itself
    functions: dict[Word, FoundFunction] = {}
    mcp: bool = False  # it offers its functions as MCP tools
    callbacks: list[Text] = []  # sub-paths of its routing callbacks, without slashes at their ends
    sip: list[Text] = []  # SIP names that it claims
    origins: list[Text] = []  # of a remote server: the origins that it writes into its documents, without userinfo
    private: bool = False  # a remote server inside the network, which somebody who may has allowed
    not_served: list[Text] = []  # what the original served and we do not, in words


class KeyedSource(Part):
    """What stands under a key of its own in a version's JSON."""

    KIND: ClassVar[str]
    SEEN: ClassVar[tuple[str, ...]] = ()  # fields that nobody writes

    def stored(self) -> dict[str, Any]:
        """The JSON of a version."""
        return {self.KIND: self.model_dump(mode="json", by_alias=True, exclude_defaults=True)}

    def given(self) -> dict[str, Any]:
        """The same without what was found: what people write, and fleet documents hold."""
        return {self.KIND: self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=set(self.SEEN))}

    @property
    def paths(self) -> frozenset[str]:
        """Sub-paths that it answers besides the usual ones."""
        return frozenset()

    def transfer_targets(self) -> dict[str, set[str]]:
        """Nobody knows before it runs."""
        return {}

    def variables(self) -> dict[str, str]:
        """References to the environment: there are none."""
        return {}

    def webhook_urls(self) -> dict[str, str]:
        """URLs that this server would call for single functions: none."""
        return {}


def validate_arguments() -> Any:
    """The field of that name, which people write."""
    return Field(
        False,
        description="check arguments by the function's JSON Schema before it runs; its own code may expect more",
    )


class ElsewhereSource(KeyedSource):
    """What has to be looked at to know what it is: it runs in processes of its own, or on another server."""

    SEEN = ("found", "code")

    validate_arguments: bool = validate_arguments()
    found: Found = Found()
    again_count: int = Field(
        0, alias="again", ge=0, description="how often it was reloaded without a change to its code"
    )

    def again(self) -> dict[str, Any]:
        """What people wrote, as a version that differs from the one before all the same."""
        given = self.given()
        given[self.KIND]["again"] = self.again_count + 1
        return given
