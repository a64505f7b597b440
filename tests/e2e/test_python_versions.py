"""Python agents that change: code is reloaded under running calls, routes are added, the public URL has a path."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.hosting import (
    act,
    alive,
    done,
    folder_of_agents,
    functions,
    is_host,
    processes_of,
    registering,
    serving,
    wait_for,
)
from tests.e2e.server import Server, database_url

PUBLIC = "https://voice.example.com/base"
# Written for the SDK's former name.
CODE = """
import time
from pathlib import Path

import signalwire_agents
from signalwire_agents import AgentBase
from signalwire_agents.core.function_result import SwaigFunctionResult

assert signalwire_agents.AgentBase is AgentBase
WORD = "{word}"

class Shop(AgentBase):
    def __init__(self):
        super().__init__(name="shop", route="/nowhere", basic_auth=("shop", "its-own"), signing_key="{key}")
        self.prompt_add_section("Role", WORD)
        self.define_tool("secure", "s", {{}}, lambda args, raw: SwaigFunctionResult(WORD))
        self.define_tool("open", "o", {{}}, lambda args, raw: SwaigFunctionResult(WORD), secure=False)
        self.define_tool("slow", "l", {{}}, self.slow, secure=False)

    def slow(self, args, raw):
        Path(args["begun"]).touch()
        while not Path(args["go_on"]).exists():
            time.sleep(0.02)
        return SwaigFunctionResult(WORD)
"""
AUTH = {"auth": "shop:its-own"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_agents(tmp_path_factory.mktemp("versions") / "agents")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    url = database_url("e2e_versions")
    write(folder, "first")
    root = registering("root", "/", "sdk_agents:Root", arguments={"greeting": "Good day.", "route": "/ignored"})
    with serving(url, folder.parent / "data", workers=2, AGENT_PATH=str(folder), PUBLIC_URL=PUBLIC) as server:
        server.command("register", "shop", "--route", "/shop", "--python", "shop:Shop")
        done(act(server, root))
        done(act(server, ("register_route", {"name": "root", "route": "/second", "wait": True})))
        yield server


def write(folder: Path, word: str, *, key: str = "") -> None:
    """Change the code."""
    (folder / "shop.py").write_text(CODE.format(word=word, key=key))


def path_of(url: str) -> str:
    """Where a proxy at the public URL would pass this on to."""
    parts = urlsplit(url)
    assert url.startswith("https://")
    assert (parts.hostname, parts.path[:6]) == ("voice.example.com", "/base/")
    return f"{parts.path[5:]}?{parts.query}"


def urls(server: Server, path: str, call_id: str, **options: Any) -> dict[str, str]:
    """The URLs of a call's functions, of `defaults` and of the post prompt."""
    ai = server.get(f"{path}?call_id={call_id}", **options).ai
    found = {each["function"]: each["web_hook_url"] for each in ai["SWAIG"]["functions"] if "web_hook_url" in each}
    return {**found, "defaults": ai["SWAIG"]["defaults"]["web_hook_url"], "post_prompt": ai.get("post_prompt_url", "")}


def run(server: Server, url: str, function: str, call_id: str, **arguments: Any) -> str:
    """What a function says."""
    body = {"function": function, "call_id": call_id, "argument": {"parsed": [arguments]}}
    said: str = server.post(path_of(url), body, auth=urlsplit(url).netloc.partition("@")[0]).json["response"]
    return said


def prompt(server: Server) -> str:
    return str(server.get("/shop", **AUTH).ai["prompt"]["pom"][0]["body"])


def reload(server: Server, *options: str) -> Any:
    """What reloading did: the number of the live version."""
    return json.loads(server.command("reload", "shop", "--json", *options))["version"]


def test_running_calls_keep_the_code_they_began_with(server: Server, folder: Path, tmp_path: Path) -> None:
    assert prompt(server) == "first"
    of_first = urls(server, "/shop", "C1", **AUTH)
    assert "__version" not in of_first["defaults"], (
        "the contract knows no such parameter; it is added when it is needed"
    )

    assert reload(server) == 1, "nothing has changed"
    write(folder, "second")
    assert reload(server) == 2
    assert {prompt(server) for _ in range(6)} == {"second"}, "in every worker"
    assert run(server, of_first["secure"], "secure", "C1") == "first"

    of_second = urls(server, "/shop", "C2", **AUTH)
    begun, go_on = tmp_path / "begun", tmp_path / "go on"
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(run, server, of_second["defaults"], "slow", "C2", begun=str(begun), go_on=str(go_on))
        wait_for(begun.exists)
        write(folder, "third")
        assert reload(server) == 3
        assert {prompt(server) for _ in range(6)} == {"third"}
        go_on.touch()
        assert slow.result() == "second", "what runs is not disturbed"
    for _ in range(4):
        assert run(server, of_second["secure"], "secure", "C2") == "second"
        assert run(server, of_second["defaults"], "open", "C2") == "second", "its URL names the version"
        assert run(server, of_first["secure"], "secure", "C1") == "first"
    of_third = urls(server, "/shop", "C3", **AUTH)
    assert run(server, of_third["secure"], "secure", "C3") == "third"
    assert run(server, of_third["defaults"], "open", "C3") == "third"
    for path in (of_second["secure"].replace("__version=2", "__version=1"), of_third["secure"]):
        assert "token" in run(server, path, "secure", "C9"), "a mark opens nothing"
    rows = server.events(1, "agent = 'shop' AND call_id = 'C2' AND function = 'secure'")
    assert {row["version"] for row in rows} == {2}
    assert "the call is on version 2" in str(rows[0]["steps"])

    assert reload(server) == 3
    assert reload(server, "--force") == 4, "although the code says the same"
    assert prompt(server) == "third"
    assert run(server, of_third["secure"], "secure", "C3") == "third"


NEEDS = """
import os
from signalwire import AgentBase

class Needs(AgentBase):
    def __init__(self):
        super().__init__(name="needs", route="/needs")
        self.prompt_add_section("Role", {word})
        self.define_tool("open", "o", {{}}, lambda args, raw: {{"response": {word}}}, secure=False)
        self.define_tool("secure", "s", {{}}, lambda args, raw: {{"response": {word}}})
"""


def test_while_a_new_version_cannot_be_built_in_the_server_the_one_before_answers(server: Server, folder: Path) -> None:
    """The command that reloads it has another environment."""
    file = folder / "needs.py"
    file.write_text(NEEDS.format(word="'first'"))
    server.command("register", "needs", "--route", "/needs", "--python", "needs:Needs")
    server.environment["ONLY_HERE"] = "second"
    file.write_text(NEEDS.format(word="os.environ['ONLY_HERE']"))
    said = server.command("reload", "needs", code=4)
    assert "Version 2 of needs is live" in said
    assert "KeyError: 'ONLY_HERE'" in said
    assert {"first" in server.get("/needs?call_id=C3").text for _ in range(6)} == {True}
    of_call = urls(server, "/needs", "C3")
    assert run(server, of_call["secure"], "secure", "C3") == "first"
    assert run(server, of_call["defaults"], "open", "C3") == "first"
    [row, *_] = server.events(1, "agent = 'needs' AND kind = 'swml' AND detail LIKE '%%version 1 answered'")
    assert (row["outcome"], row["detail"]) == ("ok", "version 2 cannot be built: version 1 answered")
    assert "needs is down" in server.command("agents")
    wait_for(lambda: server.printed.count("The host of agent needs cannot be started") > 6, 30)
    traces = re.findall(r"^KeyError: 'ONLY_HERE'$", server.printed, re.MULTILINE)
    assert 2 <= len(traces) <= 4, "each of two workers has told the traceback twice, and goes on trying"
    file.write_text(NEEDS.format(word="'third'"))
    server.command("reload", "needs")
    assert "third" in server.get("/needs?call_id=C4").text


def test_an_agent_may_change_its_kind_and_others_go_on(server: Server) -> None:
    """And calls that run stay where they began, in a host or without one."""

    def publish(definition: Any) -> None:
        [change] = done(act(server, ("publish", {"name": "mixed", "definition": definition, "wait": True})))
        assert change["version"]

    def document() -> str:
        return server.get("/mixed").text

    stored = {"name": "mixed", "route": "/mixed", "definition": {"prompt": {"text": "I am stored."}}, "wait": True}
    done(act(server, ("register", stored)))
    assert "I am stored." in document()
    publish({"python": {"class": "sdk_agents:Steady"}})
    assert "You are steady" in document()
    done(act(server, registering("later", "/later", "sdk_agents:Steady")))
    assert functions(server, "/later", "well") == {"response": "well"}
    publish({"prompt": {"text": "I am stored again."}})
    assert "I am stored again." in document()
    body = {"function": "well", "call_id": "C7", "argument": {"parsed": [{}]}}
    for _ in range(4):
        assert server.post("/mixed/swaig?__version=2", body).json == {"response": "well"}
    publish({"python": {"class": "sdk_agents:Steady"}})
    done(act(server, registering("last", "/last", "sdk_agents:Steady")))
    assert functions(server, "/last", "well") == functions(server, "/mixed", "well") == {"response": "well"}
    assert "AttributeError" not in server.printed


def test_code_that_cannot_be_loaded_changes_nothing(server: Server, folder: Path) -> None:
    before, kept = prompt(server), (folder / "shop.py").read_text()
    for broken, words in (
        ("def (", "SyntaxError"),
        ("import no_such_module", "no_such_module"),
        ("x = 1", "no shop:Shop"),
    ):
        (folder / "shop.py").write_text(broken)
        [result] = act(server, ("reload", {"name": "shop"}))
        assert result["kind"] == "Malformed"
        assert words in result["error"]
    (folder / "shop.py").write_text(kept)
    assert prompt(server) == before


def test_its_own_credentials_are_asked_for_and_stand_in_its_urls(server: Server) -> None:
    assert server.get("/shop").status == 401
    assert urls(server, "/shop", "C1", **AUTH)["secure"].startswith(
        "https://shop:its-own@voice.example.com/base/shop/swaig/?"
    )


def test_the_root_and_a_second_route_of_the_same_agent(server: Server) -> None:
    for path in ("/", "/second"):
        prefix = path.rstrip("/")
        document = server.get(f"{path}?call_id=C1")
        assert document.ai["prompt"]["pom"][0]["body"] == "Good day."
        found = urls(server, path, "C1")
        assert re.match(rf"https://u:p@voice\.example\.com/base{prefix}/swaig/\?__token=", found["greet"])
        assert found["defaults"] == f"https://u:p@voice.example.com/base{prefix}/swaig/"
        body = {"function": "greet", "call_id": "C1"}
        assert server.post(path_of(found["greet"]), body).json == {"response": "Good day."}
        assert server.post(path_of(found["post_prompt"]), {"call_id": "C1", "summary": "s"}).json == {"success": True}
    assert server.get("/ignored").status == 404
    assert functions(server, "", "nobody") == {"response": "Function 'nobody' not found"}


def test_whoever_may_not_run_code_registers_none(server: Server) -> None:
    code = """
from registry.actions import agents
from registry.actions.transaction import Actor
from registry.base.errors import RegistryError
for what in ({"python": {"class": "sdk_agents:Steady"}},):
    try:
        agents.register("sneaky", "/sneaky", what, by=Actor("operator", "api"))
    except RegistryError as error:
        print(type(error).__name__, error)

"""
    assert "Forbidden a Python agent runs code on the server" in server.command("shell", "--no-imports", "-c", code)
    assert server.get("/sneaky").status == 404


def test_nothing_is_left_when_serve_is_stopped(server: Server) -> None:
    """The last test of this file: the server is no more after it."""
    left = set(processes_of(server))
    assert len([line for line in processes_of(server).values() if is_host(line)]) > 2
    assert server.stop() == 0
    wait_for(lambda: not left & alive())
