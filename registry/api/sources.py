"""What an agent is, as operations take and show it: a definition, or what another kind has under its key.

Fields and enumerations are made of the kinds that there are when this is imported.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from agents.kind import Kind
from agents.kinds import KINDS, keys, kind_of
from registry.actions.inspection import Upstream
from registry.actions.instead import NOTHING

DEFINITION: Any = {"prompt": {"text": "You answer questions about opening hours. We are open from 9 to 5."}}
Definition = Annotated[
    dict[str, Any],
    Field(
        description="an AgentDefinition (docs/definition.md; its JSON Schema is at /api/v1/definition-schema), "
        "or a SWML document, which becomes one",
        examples=[DEFINITION],
    ),
]
UPSTREAM = frozenset({"user", "password"})  # of a server: kept apart, and encrypted
OTHERS = [kind for kind in KINDS.values() if not kind.bare]  # than a definition
if TYPE_CHECKING:
    KindWord = str
else:
    KindWord = Literal[tuple(KINDS)]


class Strict(Schema):
    """A body in which every field is known: a wrong word is an error and not a wish that nobody hears."""

    model_config = ConfigDict(extra="forbid")


class CredentialsIn(Strict):
    """A user and a password."""

    user: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class SourceGiven(Strict):
    """Exactly one of what an agent can be."""

    definition: Definition = Field(default_factory=dict)

    @field_validator("definition")
    @classmethod
    def is_a_definition(cls, definition: dict[str, Any]) -> dict[str, Any]:
        """What is kept of other agents is given beside it."""
        if not (kind := kind_of(definition)).bare:
            raise ValueError(f"give `{kind.key}` instead of `definition`, not in it")
        return definition

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        """Nothing is chosen on the sender's behalf."""
        if ("definition" in self.model_fields_set) + len(self.others) != 1:
            *all_but_one, last = [f"`{key}`" for key in keys()]
            raise ValueError(f"give one of {', '.join(all_but_one)} and {last}")
        return self

    @property
    def others(self) -> list[tuple[Kind[Any], Any]]:
        """What is given instead of a definition."""
        return [(kind, given) for kind in OTHERS if (given := getattr(self, kind.key)) is not None]

    @property
    def source(self) -> dict[str, Any]:
        """As actions take it."""
        for kind, given in self.others:
            found: dict[str, Any] = kind.unkeyed(plain(given, UPSTREAM if kind.has_upstream else frozenset()))
            return found
        return self.definition

    @property
    def upstream(self) -> Upstream:
        """User and password of the agent's own server, as actions take them."""
        for kind, given in self.others:
            if kind.has_upstream and "user" in given.model_fields_set:
                return (given.user, given.password) if given.user and given.password else NOTHING
        return None


def plain(given: Any, without: frozenset[str]) -> Any:
    """What was sent of it, and no more."""
    if not isinstance(given, BaseModel):
        return given
    return given.model_dump(by_alias=True, exclude_unset=True, exclude=set(without))


class FoundFunctionOut(Schema):
    """A function, as the agent's own document describes it."""

    description: str = ""
    parameters: dict[str, Any] = {}
    secure: bool = True
    runs_here: bool = Field(True, description="false: the platform runs it, or calls somebody else for it")


class FoundOut(Schema):
    """What was seen of an agent when it was registered or reloaded."""

    name: str = Field("", description="that it gives itself")
    functions: dict[str, FoundFunctionOut] = {}
    mcp: bool = Field(False, description="it offers its functions as MCP tools")
    callbacks: list[str] = Field([], description="sub-paths of its routing callbacks")
    sip: list[str] = Field([], description="SIP names that it claims")
    not_served: list[str] = Field([], description="what the original serves and we do not, in words")


class SourceShown(Schema):
    """What an agent is. Of Python and remote ones, as it was given: it can be sent back."""


if TYPE_CHECKING:

    class SourceIn(SourceGiven):
        """With a field for each kind."""

    class SourceOut(SourceShown):
        """Likewise."""
else:
    SourceIn = create_model(
        "SourceIn",
        __base__=SourceGiven,
        **{
            kind.key: ((kind.body or dict[str, Any]) | None, Field(None, description=kind.body_help or None))
            for kind in OTHERS
        },
    )
    SourceOut = create_model(
        "SourceOut",
        __base__=SourceShown,
        **{kind.key: (dict[str, Any] | None, Field(None, description=kind.shown_help or None)) for kind in OTHERS},
        found=(FoundOut | None, Field(None, description="null for agents that are built here")),
    )
