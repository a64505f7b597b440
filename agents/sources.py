"""What an agent's version can be: a definition, a Python class or script of the SDK's, or a server elsewhere.

A version's JSON is a definition as it is, or an object with the one key `python` or `remote`. `read_source` tells them
apart; each answers the same questions, so that versions, drafts and comparisons know no kinds.
"""

import re
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field, ValidationError, field_validator, model_validator
from yarl import URL

from agents.definition import MAX_DEFINITION_BYTES, AgentDefinition, deeper_than
from agents.definition.agent import MAX_DEPTH, problems_of
from agents.definition.parts import Object, Part, Text, Word
from agents.errors import InvalidDefinition

CLASS_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", re.ASCII)
MAX_ENDPOINTS = 16
KINDS = ("python", "remote")  # keys of versions that are no definitions
SEEN = ("found", "code")  # fields of theirs that nobody writes


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


class Source(Part):
    """What Python and remote agents have in common with definitions: the questions that the registry asks."""

    KIND: ClassVar[Literal["python", "remote"]]

    validate_arguments: bool = Field(
        False,
        description="check arguments by the function's JSON Schema before it runs; its own code may expect more",
    )
    found: Found = Found()
    again_count: int = Field(
        0, alias="again", ge=0, description="how often it was reloaded without a change to its code"
    )

    def stored(self) -> dict[str, Any]:
        """The JSON of a version."""
        return {self.kind(): self.model_dump(mode="json", by_alias=True, exclude_defaults=True)}

    def given(self) -> dict[str, Any]:
        """The same without what was found: what people write, and fleet documents hold."""
        return {self.kind(): self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=set(SEEN))}

    def again(self) -> dict[str, Any]:
        """What people wrote, as a version that differs from the one before all the same."""
        given = self.given()
        given[self.kind()]["again"] = self.again_count + 1
        return given

    @classmethod
    def kind(cls) -> Literal["python", "remote"]:
        """The agent's kind."""
        return cls.KIND

    def transfer_targets(self) -> dict[str, set[str]]:
        """Nobody knows before it runs."""
        return {}

    def variables(self) -> dict[str, str]:
        """References to the environment: there are none."""
        return {}

    def webhook_urls(self) -> dict[str, str]:
        """URLs that this server would call for single functions: none."""
        return {}


class PythonSource(Source):
    """An `AgentBase` subclass, or what a script registers with the SDK's AgentServer at one of its routes."""

    KIND = "python"

    class_: Word | None = Field(None, alias="class", description="MODULE:CLASS, an AgentBase subclass")
    script: Word | None = Field(None, description="path of a script below a folder of AGENT_PATH")
    route: Word | None = Field(None, description="route at which the script registers the agent")
    arguments: Object = Field(default={}, description="keyword arguments of the class")
    code: Text = Field("", description="digest of the code that was seen (switchboard_host/seeing.py)")

    @model_validator(mode="after")
    def one_of_two(self) -> "PythonSource":
        """A class, or a script and a route."""
        if (self.class_ is None) == (self.script is None):
            raise ValueError("needs a class (MODULE:CLASS), or a script and a route in it")
        if self.class_ is not None and self.route is not None:
            raise ValueError("a class has no route of its own: the agent is registered at one")
        if self.script is not None and self.route is None:
            raise ValueError("needs the route at which the script registers the agent")
        if self.script is not None and self.arguments:
            raise ValueError("a script makes its agents itself: it takes no arguments")
        return self

    @field_validator("class_")
    @classmethod
    def names_a_class(cls, name: str | None) -> str | None:
        """`package.module:Class`."""
        if name is not None and not CLASS_NAME.match(name):
            raise ValueError("must be MODULE:CLASS, such as fleet.sales:SalesAgent")
        return name

    def __str__(self) -> str:
        return self.class_ or f"{self.script} {self.route}"


class RemoteSource(Source):
    """A SWML server elsewhere, at one or several equal endpoints."""

    KIND = "remote"

    url: Word = Field(description="the agent's URL on its server, without credentials: http://host:3000/sales")
    more_urls: list[Word] = Field(
        default=[], max_length=MAX_ENDPOINTS - 1, description="further instances of the same agent"
    )
    seconds: float = Field(100, gt=0, le=110, description="for a function or another request of a call to answer")
    document_seconds: float = Field(15, gt=0, le=110, description="for a document")
    keep_last_document: bool = Field(
        False, description="serve the last good document while the server is down; it may hold another caller's data"
    )

    @property
    def endpoints(self) -> list[str]:
        """All URLs, in their order."""
        return [self.url, *self.more_urls]

    @field_validator("url")
    @classmethod
    def without_credentials(cls, url: str) -> str:
        """An http(s) URL without userinfo, query and fragment, and without a slash at its end."""
        return checked_url(url)

    @field_validator("more_urls")
    @classmethod
    def all_without(cls, urls: list[str]) -> list[str]:
        """The same for each."""
        return [checked_url(url) for url in urls]

    @model_validator(mode="after")
    def all_different(self) -> "RemoteSource":
        """An endpoint counts once."""
        if len(set(self.endpoints)) != len(self.endpoints):
            raise ValueError("duplicate URL")
        return self

    def __str__(self) -> str:
        return self.url


AnySource = AgentDefinition | PythonSource | RemoteSource


def checked_url(url: str) -> str:
    """An endpoint's URL as it is kept; `ValueError` says what is wrong, and never repeats a password."""
    if "@" in url:
        raise ValueError("must not contain a user and password: they are given apart, and kept encrypted")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if " " in url or not url.isprintable() or "?" in url or "#" in url:
        raise ValueError("must be a plain address, without spaces, query and fragment")
    try:
        parts = URL(url)
        good = bool(parts.host) and parts.port is not None
    except ValueError:
        good = False
    if not good:
        raise ValueError("its host or port cannot be understood; a port is a number from 1 to 65535")
    return url.rstrip("/")


def read_source(value: Any) -> AnySource:
    """What a version's JSON says; `InvalidDefinition` lists every problem by field."""
    kind = kind_of(value)
    if kind is None:
        return AgentDefinition.read(value)
    model: type[PythonSource | RemoteSource] = PythonSource if kind == "python" else RemoteSource
    if deeper_than(MAX_DEPTH, value):
        raise InvalidDefinition({kind: f"is nested too deeply: more than {MAX_DEPTH} levels"})
    try:
        source = model.model_validate(value[kind])
    except ValidationError as error:
        problems = problems_of(error)
        whole = problems.pop("definition", None)
        found = {f"{kind}.{path}": problem for path, problem in problems.items()}
        raise InvalidDefinition(({kind: whole} if whole else {}) | found) from None
    size = len(orjson.dumps(source.stored()))
    if size > MAX_DEFINITION_BYTES:
        raise InvalidDefinition({kind: f"has {size:,} bytes, more than {MAX_DEFINITION_BYTES:,}"})
    return source


def kind_of(value: Any) -> str | None:
    """`python` or `remote` for a value that is such a source, right or wrong; None for a definition."""
    if isinstance(value, dict) and len(value) == 1:
        (key,) = value
        return key if key in KINDS else None
    return None
