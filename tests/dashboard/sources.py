"""Python and remote agents for tests of pages: nothing is run and nobody is asked."""

from typing import Any

import orjson
import pytest

from agents.errors import UnusableSource
from agents.python.inspection import Inspected
from agents.python.source import PythonSource
from agents.remote.probe import Probed
from agents.remote.source import RemoteSource
from agents.runners import ElsewhereVersion
from agents.sources import Found, FoundFunction
from agents.wire import AgentRequest, Answer
from registry.actions.transaction import Actor
from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.rehearsal.stage import Stage
from registry.routing.table import Tables
from tests.agents.building import NoWebhooks
from tests.client import MemorySpool, load_table

ADMIN = Actor("ada", "tests", may_run_code=True)
PRICE = FoundFunction(
    description="Says a price.",
    parameters={"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
)
FOUND = Found(name="Sales", functions={"price": PRICE, "map": FoundFunction(runs_here=False)}, sip=["buy"], mcp=True)
TOKEN = "a-token-of-the-agent-itself"
OWN = "their-own-password"


class World:
    """What is found of agents outside; tests change it. `trouble`: why nothing is."""

    def __init__(self) -> None:
        self.code = "digest-one-and-more"
        self.found = FOUND
        self.trouble = ""
        self.upstreams: list[Any] = []

    def inspect(self, source: PythonSource, _whereabouts: Any) -> Inspected:
        if self.trouble:
            raise UnusableSource(self.trouble)
        return Inspected(self.found, self.code, "they:their-own-password", "", ["it takes its time"])

    def probe(self, source: RemoteSource, upstream: Any, _reach: Any, *, may_be_private: bool = False) -> Probed:
        self.upstreams.append(upstream)
        if self.trouble:
            raise UnusableSource(self.trouble)
        return Probed(source.model_copy(update={"found": self.found}), ["it is slow"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr("agents.python.kind.inspect", found.inspect)
    monkeypatch.setattr("agents.remote.kind.probe", found.probe)
    return found


class Speaking:
    """A version that answers as an agent of the SDK does: with a token of its own in the document."""

    def __init__(self, version: ElsewhereVersion):
        self.kind, self.number, self.mcp, self.source = version.kind, version.number, version.mcp, version.source
        self.asked: list[AgentRequest] = []

    async def answer(self, request: AgentRequest) -> Answer:
        self.asked.append(request)
        if request.sub_path == "":
            url = f"{request.urls.own.decode()}/swaig?__token={TOKEN}&__version=2".replace(
                "://", "://they:secret-word@"
            )
            functions = [{"function": "price", "web_hook_url": url}]
            return Answer(200, orjson.dumps({"sections": {"main": [{"ai": {"SWAIG": {"functions": functions}}}]}}))
        if request.sent.query.get("__token") != TOKEN:
            return Answer(200, orjson.dumps({"response": "not allowed"}), "refused")
        argument = request.body["argument"]["parsed"][0]
        return Answer(200, orjson.dumps({"response": f"{argument['size']} cost 9, {OWN}"}), function="price")


def stage_with(monkeypatch: pytest.MonkeyPatch, name: str, *modules: Any) -> Speaking:
    """A serving process in which an agent speaks; `modules`: where pages look for it."""
    table = load_table()
    entry = table.agents[name].agent
    speaking = Speaking(entry.live)  # type: ignore[arg-type]
    object.__setattr__(entry, "live", speaking)
    tables = Tables()
    tables.current = table
    stage = Stage(tables, NoWebhooks(), Recorder(MemorySpool(), "r", Masker([]), 4096))
    for module in modules:
        monkeypatch.setattr(module, "stage_of", lambda _request: stage)
    return speaking
