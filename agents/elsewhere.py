"""What kinds of agents have in common that run in processes of their own or on other servers: they are looked at."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from agents.kind import Fact, KeyedKind, Seen
from agents.runners import ElsewhereVersion, Engines, Making
from agents.sources import ElsewhereSource, Found, FoundFunction
from agents.wire import Version

E = TypeVar("E", bound=ElsewhereSource)
UNGIVEN = ("found", "code")


class ElsewhereKind(KeyedKind[E]):
    """A kind whose live version alone can be asked, and only where agents are served."""

    here = False
    by_mark = True
    at_once = None
    takes_time = True
    reloads = True

    @property
    def unwritten(self) -> tuple[str, ...]:
        """Fields that nobody writes."""
        return (*self.model.SEEN, "again")

    def as_given(self, value: Any) -> Any:
        """As `register` and `publish` take it: a reloaded one stays another one."""
        given = value[self.key]
        if not isinstance(given, dict):
            return value
        return {self.key: {name: item for name, item in given.items() if name not in UNGIVEN}}

    def comparable(self, value: Any) -> Any:
        """Without what was seen, but for the names of functions."""
        inner = self.inner(value)
        fields = {name: item for name, item in inner.items() if name != "found"}
        functions = self.functions_seen(value)
        return {"kind": self.word, **fields} | ({"functions": list(functions)} if functions is not None else {})

    def found_in(self, value: Any) -> dict[str, Any]:
        """What was seen of it."""
        found = self.inner(value).get("found")
        return found if isinstance(found, dict) else {}

    def functions_seen(self, value: Any) -> dict[str, Any] | None:
        """The functions that were seen, None if nobody has looked for any."""
        functions = self.found_in(value).get("functions")
        return functions if isinstance(functions, dict) else None

    def function_names(self, value: Any) -> list[str]:
        """The names of those that were seen."""
        return list(self.functions_seen(value) or ())

    def offers_mcp(self, value: Any) -> bool:
        """Whether it was seen to."""
        return bool(self.found_in(value).get("mcp"))

    def again(self, source: E, *, force: bool) -> dict[str, Any]:
        """What people wrote of it."""
        return source.again() if force else source.given()

    def found(self, source: E) -> Found:
        """What was seen of it."""
        return source.found

    def functions(self, source: E) -> Mapping[str, FoundFunction]:
        """The functions that were seen."""
        return source.found.functions

    def version(self, source: E, making: Making, engines: Engines, environment: Mapping[str, str]) -> Version:
        """What this process's engine makes; without one, a version to decide by."""
        engine = engines.get(self.word)
        return engine.version(source, making) if engine else ElsewhereVersion(source, making)

    def facts(self, seen: Seen) -> list[Fact]:
        """What looking at it has shown, beside its functions."""
        source: Any = seen.source  # what `inspect` has given
        found: Found = source.found
        facts = list(self.first_facts(source))
        if found.mcp:
            facts.append(Fact("", "Its functions can be reached by MCP too."))
        if found.sip:
            facts.append(Fact("", f"It claims the SIP names {', '.join(found.sip)}: it gets those that nobody has."))
        if found.callbacks:
            facts.append(Fact("", f"It answers at further paths: {', '.join(f'/{each}' for each in found.callbacks)}."))
        if seen.credentials:
            facts.append(
                Fact("", "Its code asks for credentials of its own: they become the agent's, unless you choose.")
            )
        if seen.signing_key:
            facts.append(Fact("", "Its code has a signing key: requests without a good signature are refused."))
        facts += [Fact("warn", f"Not served: {each}") for each in found.not_served]
        return facts + super().facts(seen)

    def first_facts(self, source: E) -> Iterator[Fact]:
        """Those of its kind."""
        return iter(())
