"""What a kind of agent is: the questions that all the rest asks of it. `agents/kinds.py` has those that there are.

A kind is one object in one package: whoever has a version's JSON asks `kind_of` for it, and never which one it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from agents.definition import MAX_DEFINITION_BYTES, deeper_than
from agents.definition.agent import MAX_DEPTH, problems_of
from agents.errors import InvalidDefinition
from agents.runners import Engines, Making
from agents.sources import AnyFunction, Found, KeyedSource, Source
from agents.tokens import Key, TokenKey
from agents.wire import LocalVersion, Version

if TYPE_CHECKING:
    from agents.python.launch import Whereabouts
    from agents.remote.probe import Reach

S = TypeVar("S", bound=Source)
K = TypeVar("K", bound=KeyedSource)


class Surroundings(Protocol):
    """What the registry lends to a kind that looks at a source; each is worked out only if it is asked for."""

    may_run_code: bool  # whoever wants it registered may also reach servers inside the network

    def whereabouts(self) -> "Whereabouts":
        """Where code may come from."""
        ...

    def reach(self) -> "Reach":
        """How servers are reached."""
        ...

    def upstream(self, servers: Iterable[str]) -> tuple[str, str] | None:
        """User and password that are given, or kept, for these servers."""
        ...

    def is_secret(self, name: str) -> bool:
        """Whether a value of this name is likely to be one."""
        ...


@dataclass(frozen=True)
class Fact:
    """A line of what was seen, for people. `tone`: ok, warn or "" (neither)."""

    tone: str
    text: str


@dataclass
class Seen:
    """A source that can be served, and what was learnt of it on the way."""

    source: Source
    credentials: str = field(default="", repr=False)  # user:password that its own code asks for
    signing_key: str = field(default="", repr=False)  # likewise
    warnings: list[str] = field(default_factory=list)
    claims: tuple[str, ...] = ()  # SIP names that its code claims


class Kind(ABC, Generic[S]):
    """One kind of agent. What is said here holds for one whose versions are data that we answer from ourselves."""

    word: str  # in rows, filters and addresses
    label: str  # on pages
    answerer = ""  # whom a function is answered by, in a word
    icon: str  # Lucide's
    # The model of what the API's bodies have under its key, and what the API's description says of the two.
    body: type[BaseModel] | None = None
    body_help = ""
    shown_help = ""

    noun = "agent's source"  # what has problems
    bare = False  # a version's JSON is what stands under the key, without it
    here = True  # every version answers in any process: its document and its functions can be tried out
    edited = False  # it has an editor
    by_mark = False  # its documents carry the number of their version in their URLs
    runs_code = False  # looking at it runs code on this server, and so does serving it
    takes_time = False  # looking at it does
    reloads = False  # what it is may change without a change here
    has_upstream = False  # its servers may ask for a user and a password
    secrets_of_code = False  # what an agent has for secrets may be what its code asks for

    how_to_offer_mcp = "its kind has no tools to offer"
    patience = ""  # for whoever waits for it to be looked at
    waits = "Registering …"  # the same in a button
    same = "it says the same"  # of a reload that found nothing new
    anew = "makes a new version"  # what a reload by force does then
    renders = "it makes the document"  # who does
    note_on_restore = ""  # what whoever makes an old version live must know
    look = "It is checked;"  # what happens to a changed source before it is live
    reload_word = "Look again"  # on the button
    reload_help = ""
    reload_anyway = False  # whether pages offer a reload by force

    @property
    def key(self) -> str:
        """Under which versions, bodies and documents have it."""
        return self.word

    # --- the JSON of a version, which nobody may have checked ---------------------------------------------------------

    def keyed(self, value: Any) -> dict[str, Any]:
        """As bodies and fleet documents have it: under its key."""
        found: dict[str, Any] = value
        return found

    def unkeyed(self, inner: Any) -> Any:
        """The JSON of a version, from what stands under the key."""
        return {self.key: inner}

    def inner(self, value: Any) -> dict[str, Any]:
        """What stands under the key, empty if that is no object."""
        found = value.get(self.key)
        return found if isinstance(found, dict) else {}

    def path(self, path: str) -> str:
        """The path of a problem as bodies and fleet documents have it; `read` names it from the version's JSON on."""
        return path

    @property
    def unwritten(self) -> tuple[str, ...]:
        """Fields that nobody writes."""
        return ()

    def as_written(self, value: Any) -> Any:
        """What people wrote of it, without what was found."""
        if not isinstance(value[self.key], dict):
            return value
        return {self.key: {word: item for word, item in value[self.key].items() if word not in self.unwritten}}

    def as_given(self, value: Any) -> Any:
        """The same for a file that `register` and `publish` take."""
        return self.as_written(value)

    def comparable(self, value: Any) -> Any:
        """As fields to compare with those of another version, of whatever kind."""
        return {"kind": self.word, **self.inner(value)}

    def found_in(self, value: Any) -> dict[str, Any] | None:
        """What was seen of it; None if there is nothing to be seen but what it says."""
        return None

    def function_names(self, value: Any) -> list[str]:
        """The names of its functions."""
        return []

    def offers_mcp(self, value: Any) -> bool:
        """Whether its functions are MCP tools, too."""
        return False

    def servers(self, value: Any) -> list[str]:
        """The URLs for which an agent's `upstream` is."""
        return []

    def digest(self, value: Any) -> str:
        """Of the code that it was made of."""
        return ""

    # --- from JSON to a source ----------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, value: Any) -> S:
        """What a version's JSON says; `InvalidDefinition` lists every problem by field."""

    def check(self, value: Any, refused: Callable[[str], str]) -> S:
        """The same of what is to become a version. `refused`: why a variable is not for agents, "" if it is."""
        source = self.read(value)
        refuse_variables(source, refused)
        return source

    def inspect(self, source: S, around: Surroundings) -> Seen:
        """Look at what it stands for, outside of any lock; `UnusableSource` if it cannot be served."""
        return Seen(source)

    def fault_at(self, source: S) -> str:
        """The path of the field that names what cannot be used."""
        return self.key

    def changed_since(self, before: S, now: S, agent: str) -> str:
        """Why an old version cannot come back as it was, in words; "" if it can."""
        return ""

    # --- of a source --------------------------------------------------------------------------------------------------

    def again(self, source: S, *, force: bool) -> dict[str, Any]:
        """What a reload looks at; `force`: it becomes another version even if all is the same."""
        return source.given()

    def found(self, source: S) -> Found | None:
        """What was seen of it; None if there is nothing to be seen but what it says."""
        return None

    def functions(self, source: S) -> Mapping[str, AnyFunction]:
        """Its functions, by name."""
        return {}

    def answered_by(self, source: S) -> str:
        """What answers its functions, in words."""
        return f"Answered by {source}"

    def facts(self, seen: Seen) -> list[Fact]:
        """What looking at it has shown, beside its functions."""
        return [Fact("warn", warning) for warning in seen.warnings]

    def pairs(self, source: S) -> list[tuple[str, str]]:
        """What it is, as words with their values, for a page that has none of its own."""
        inner = self.inner(self.as_written(source.stored()))
        return [
            (name, str(value) if isinstance(value, (str, int, float)) else orjson.dumps(value).decode())
            for name, value in inner.items()
        ]

    # --- versions that answer -----------------------------------------------------------------------------------------

    def version(self, source: S, making: Making, engines: Engines, environment: Mapping[str, str]) -> Version:
        """A version that is ready to answer. `engines`: what this process lends, by kind."""
        return self.local(source, making, environment)

    def local(self, source: S, making: Making, environment: Mapping[str, str]) -> LocalVersion:
        """A version that needs no engine, of a kind that is `here`."""
        raise NotImplementedError(f"versions of {self.word} agents are not made here")

    def key_for(self, key: Key, own: TokenKey, numbers: Iterable[int]) -> Key:
        """What knows the tokens of an agent that has versions of this kind too, of these numbers."""
        return key


def refuse_variables(source: Source, refused: Callable[[str], str]) -> None:
    """Raise `InvalidDefinition` for references to variables that are not for agents. `refused`: see `Kind.check`."""
    problems = {path: problem for path, name in source.variables().items() if (problem := refused(name))}
    if problems:
        raise InvalidDefinition(problems)


class KeyedKind(Kind[K]):
    """A kind whose versions are `{key: {…}}`, as a model says."""

    model: type[K]

    @property
    def unwritten(self) -> tuple[str, ...]:
        """Fields that nobody writes."""
        return self.model.SEEN

    def read(self, value: Any) -> K:
        """What a version's JSON says; `InvalidDefinition` lists every problem by field."""
        if deeper_than(MAX_DEPTH, value):
            raise InvalidDefinition({self.key: f"is nested too deeply: more than {MAX_DEPTH} levels"})
        try:
            source = self.model.model_validate(value[self.key])
        except ValidationError as error:
            problems = problems_of(error)
            whole = problems.pop("definition", None)
            found = {f"{self.key}.{path}": problem for path, problem in problems.items()}
            raise InvalidDefinition(({self.key: whole} if whole else {}) | found) from None
        size = len(orjson.dumps(source.stored()))
        if size > MAX_DEFINITION_BYTES:
            raise InvalidDefinition({self.key: f"has {size:,} bytes, more than {MAX_DEFINITION_BYTES:,}"})
        return source
