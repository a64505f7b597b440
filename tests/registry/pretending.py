"""Python agents that are not built and remote servers that are not asked: what is found of them is said here."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.errors import UnusableSource
from agents.python.inspection import Inspected
from agents.python.source import PythonSource
from agents.remote.probe import Probed
from agents.remote.source import RemoteSource
from agents.sources import Found, FoundFunction

PRICE = FoundFunction(description="A price", parameters={"type": "object", "properties": {}})

SALES = Found(name="Sales", functions={"get_price": PRICE})


@dataclass
class Pretended:
    """What will be found, and what was asked for."""

    found: Found = SALES
    code: str = "digest-1"
    credentials: str = ""
    signing_key: str = ""
    warnings: list[str] = field(default_factory=list)
    problem: str = ""
    asked: list[Any] = field(default_factory=list)  # sources that were looked at; of remote ones with the credentials

    def inspect(self, source: PythonSource, _whereabouts: Any) -> Inspected:
        self.asked.append(source)
        self.complain()
        return Inspected(self.found, self.code, self.credentials, self.signing_key, list(self.warnings))

    def probe(
        self, source: RemoteSource, upstream: tuple[str, str] | None, _reach: Any, *, may_be_private: bool = False
    ) -> Probed:
        self.asked.append((source, upstream))
        self.complain()
        if not may_be_private and "10.0.0" in source.url:
            raise UnusableSource("10.0.0.1 is not public: only an Admin may register it")
        found = self.found.model_copy(update={"origins": ["http://inside.example"]})
        return Probed(source.model_copy(update={"found": found}), list(self.warnings))

    def complain(self) -> None:
        if self.problem:
            raise UnusableSource(self.problem)


def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """From now on nothing is really looked at."""
    pretended = Pretended()
    monkeypatch.setattr("agents.python.kind.inspect", pretended.inspect)
    monkeypatch.setattr("agents.remote.kind.probe", pretended.probe)
    return pretended
