"""What an agent is, as operations take and show it: a definition, a Python class or script, a server elsewhere."""

from typing import Annotated, Any, Self

from ninja import Schema
from pydantic import ConfigDict, Field, field_validator, model_validator

from agents.sources import MAX_ENDPOINTS, kind_of
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
Seconds = Annotated[float, Field(gt=0, le=110)]
MAX_WORD = 2000  # characters of a URL, a path, the name of a class


class Strict(Schema):
    """A body in which every field is known: a wrong word is an error and not a wish that nobody hears."""

    model_config = ConfigDict(extra="forbid")


class CredentialsIn(Strict):
    """A user and a password."""

    user: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class AnyIn(Strict):
    """What Python and remote agents have in common."""

    validate_arguments: bool = Field(
        False,
        description="check arguments by the function's JSON Schema before it runs; its own code may expect more",
    )


class PythonIn(AnyIn):
    """An `AgentBase` subclass, or what a script of the SDK's AgentServer registers at one of its routes."""

    class_: str | None = Field(None, alias="class", max_length=MAX_WORD, description="MODULE:CLASS, in AGENT_PATH")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the class; kept and shown in the clear: no secrets"
    )
    script: str | None = Field(None, max_length=MAX_WORD, description="path of a script below a folder of AGENT_PATH")
    route: str | None = Field(None, max_length=200, description="route at which the script registers the agent")


class RemoteIn(AnyIn):
    """A SWML server elsewhere. What is left out of user and password stays as it is; null: it wants none."""

    url: str = Field(max_length=MAX_WORD, description="the agent's URL on its server, without credentials")
    more_urls: list[str] = Field(
        default_factory=list, max_length=MAX_ENDPOINTS - 1, description="further instances of the same agent"
    )
    user: str | None = Field(None, max_length=200, description="with which the server is asked; never shown again")
    password: str | None = Field(None, max_length=1000)
    seconds: Seconds = Field(100, description="for a function or another request of a call to answer")
    document_seconds: Seconds = Field(15, description="for a document")
    keep_last_document: bool = Field(
        False, description="serve the last good document while the server is down; it may hold another caller's data"
    )

    @model_validator(mode="after")
    def both_or_none(self) -> Self:
        """A user without a password is a mistake."""
        if bool(self.user) != bool(self.password):
            raise ValueError("a user and a password go together")
        return self


class SourceIn(Strict):
    """Exactly one of what an agent can be."""

    definition: Definition = Field(default_factory=dict)
    python: PythonIn | None = Field(None, description="instead of a definition; needs the level admin")
    remote: RemoteIn | None = Field(
        None, description="instead of a definition; at an address that is not public it needs the level admin"
    )

    @field_validator("definition")
    @classmethod
    def is_a_definition(cls, definition: dict[str, Any]) -> dict[str, Any]:
        """What is kept of other agents is given beside it."""
        if kind := kind_of(definition):
            raise ValueError(f"give `{kind}` instead of `definition`, not in it")
        return definition

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        """Nothing is chosen on the sender's behalf."""
        given = ("definition" in self.model_fields_set, self.python is not None, self.remote is not None)
        if sum(given) != 1:
            raise ValueError("give one of `definition`, `python` and `remote`")
        return self

    @property
    def source(self) -> dict[str, Any]:
        """As actions take it."""
        if self.python is not None:
            return {"python": self.python.model_dump(by_alias=True, exclude_unset=True)}
        if self.remote is not None:
            return {"remote": self.remote.model_dump(exclude_unset=True, exclude={"user", "password"})}
        return self.definition

    @property
    def upstream(self) -> Upstream:
        """User and password of a remote agent's server, as actions take them."""
        if self.remote is None or "user" not in self.remote.model_fields_set:
            return None
        user, password = self.remote.user, self.remote.password
        return (user, password) if user and password else NOTHING


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


class SourceOut(Schema):
    """What an agent is. Of Python and remote ones, as it was given: it can be sent back."""

    python: dict[str, Any] | None = Field(None, description="class and arguments, or script and route")
    remote: dict[str, Any] | None = Field(None, description="URLs and limits; never its credentials")
    found: FoundOut | None = Field(None, description="null for agents that are built here")
