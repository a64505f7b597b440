"""A kind of agent that is in no package: what it has to say is all that there is to a kind."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field

from agents.definition.parts import Word
from agents.kind import KeyedKind
from agents.kinds import KINDS
from agents.runners import Making
from agents.sources import FoundFunction, KeyedSource
from agents.wire import NO_PATHS, AgentRequest, Answer, fault, function_of

SHOUT = FoundFunction(
    description="Says it louder",
    parameters={"type": "object", "properties": {"times": {"type": "integer"}}},
    secure=False,
)


class EchoSource(KeyedSource):
    """What it says."""

    KIND = "echo"

    says: Word = Field(description="the one thing that it says")
    loud: bool = False

    def __str__(self) -> str:
        return f"an echo of {self.says!r}"


class EchoIn(BaseModel):
    """The same as the API takes it."""

    model_config = ConfigDict(extra="forbid")

    says: str
    loud: bool = False


class EchoVersion:
    """Answers."""

    kind = "echo"
    by_mark = False
    at_once = None
    paths = NO_PATHS
    mcp = False

    def __init__(self, number: int, source: EchoSource):
        self.number = number
        self.source = source
        self.functions = {"shout": SHOUT}

    async def answer(self, request: AgentRequest) -> Answer:
        if request.method != "POST" or request.sub_path == "":
            return Answer(200, self.shown(request.urls.own, request.urls.base, b""))
        name = function_of(request)
        if name not in self.functions:
            return fault(404, "there is only shout")
        return Answer(200, orjson.dumps({"response": self.source.says.upper()}), function=name)

    def shown(self, url: bytes, base: bytes, mask: bytes) -> bytes:
        function = {"function": "shout", "web_hook_url": f"{url.decode()}/swaig"}
        ai = {"prompt": {"text": self.source.says}, "SWAIG": {"functions": [function]}}
        return orjson.dumps({"version": "1.0.0", "sections": {"main": [{"ai": ai}]}})


class EchoKind(KeyedKind[EchoSource]):
    """All of it."""

    word = EchoSource.KIND
    label = "Echo"
    icon = "repeat"
    answerer = "echo"
    model = EchoSource
    body = EchoIn
    body_help = "instead of a definition: what it says"
    shown_help = "what it says"

    def functions(self, source: EchoSource) -> Mapping[str, FoundFunction]:
        return {"shout": SHOUT}

    def function_names(self, value: Any) -> list[str]:
        return ["shout"]

    def local(self, source: EchoSource, making: Making, environment: Mapping[str, str]) -> EchoVersion:
        return EchoVersion(making.number, source)


ECHO = EchoKind()


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> EchoKind:
    """From now on there is one kind more. Nothing else is told of it."""
    monkeypatch.setitem(KINDS, ECHO.word, ECHO)
    return ECHO
