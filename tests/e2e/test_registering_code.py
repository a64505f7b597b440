"""Python agents come, change and go by command and by the API while a real server serves them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

CODE = '''
from signalwire import AgentBase, FunctionResult


class Shop(AgentBase):
    """Sells."""

    def __init__(self, **arguments):
        self.greeting = arguments.pop("greeting", "Hello")
        super().__init__(name="shop", route="/its-own", **arguments)
        self.prompt_add_section("Role", "You sell.")
        self.define_tool("greet", "Greet somebody", {"name": {"type": "string"}}, self.greet)

    def greet(self, args, raw_data):
        return FunctionResult(f"VERSION ONE {self.greeting} {args['name']}")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "agents"
    path.mkdir()
    (path / "shop.py").write_text(CODE)
    return path


@pytest.fixture
def server(make_server: Callable[..., Server], folder: Path) -> Server:
    return make_server(workers=2, AGENT_PATH=str(folder), API_REQUESTS_PER_MINUTE="100000")


def call(server: Server, path: str, call_id: str) -> str:
    body = {"function": "greet", "call_id": call_id, "argument": {"parsed": [{"name": "Ann"}]}}
    answer = server.post(path, body)
    assert answer.status == 200, answer.text
    text: str = answer.json["response"]
    return text


def test_a_class_is_registered_called_and_reloaded_by_command(server: Server, folder: Path) -> None:
    said = server.command(
        "register", "sales", "--route", "/sales", "--python", "shop:Shop", "--arguments", '{"greeting": "Good day"}'
    )
    assert "Found: functions greet" in said
    assert "on 2/2 workers" in said
    old = server.function_path("/sales", "greet", "OLD")
    assert {call(server, old, "OLD") for _ in range(4)} == {"VERSION ONE Good day Ann"}

    assert "its code is the same: nothing changed" in server.command("reload", "sales")
    (folder / "shop.py").write_text(CODE.replace("VERSION ONE", "VERSION TWO"))
    assert json.loads(server.command("reload", "sales", "--json"))["version"] == 2
    new = server.function_path("/sales", "greet", "NEW")
    for _ in range(3):
        assert call(server, new, "NEW") == "VERSION TWO Good day Ann"
        assert call(server, old, "OLD") == "VERSION ONE Good day Ann"

    assert "sales  python" in server.command("agents")
    exported = server.command("export")
    assert "class: shop:Shop" in exported
    assert "found" not in exported
    server.command("unregister", "/sales")
    assert {server.get("/sales").status for _ in range(6)} == {404}


def test_mistakes_are_told_and_harm_nothing(server: Server, folder: Path) -> None:
    def said(name: str, *more: str) -> str:
        return server.command("register", "x", "--route", "/x", "--python", name, *more, code=1)

    (folder / "odd.py").write_text("class Odd: pass\nraise_this = 1\n")
    (folder / "needy.py").write_text(CODE.replace("self, **arguments", "self, rate"))
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    assert f"there is no module shops in the folders of AGENT_PATH: {folder}" in said("shops:Shop")
    assert "there is no shop:Shopp: is the name right?" in said("shop:Shopp")
    assert "no AgentBase subclass: odd:Odd" in said("odd:Odd")
    assert "rate" in said("needy:Shop")
    assert "nothing_of_that_name" in said("broken:Shop")
    assert "is not in a folder of AGENT_PATH: put one there" in said("http.server:HTTPServer")
    assert json.loads(server.command("agents", "--json")) == []


def test_a_class_is_registered_and_reloaded_by_the_api(server: Server, folder: Path) -> None:
    admin, operator = server.token("admin"), server.token("operate")

    def ask(header: dict[str, str], path: str, body: Any = None) -> Any:
        return server.post(f"/api/v1{path}", body, headers=header, auth=None)

    body = {"name": "sales", "route": "/sales", "python": {"class": "shop:Shop"}}
    assert ask(operator, "/agents?wait=true", body).status == 403
    made = ask(admin, "/agents?wait=true", body)
    assert (made.status, made.json["everywhere"]["done"]) == (201, True), made.text
    path = server.function_path("/sales", "greet", "C1")
    assert call(server, path, "C1") == "VERSION ONE Hello Ann"

    assert ask(admin, "/agents/sales/reload", {"force": False}).json["changed"] is False
    (folder / "shop.py").write_text(CODE.replace("VERSION ONE", "VERSION TWO"))
    reloaded = ask(admin, "/agents/sales/reload?wait=true").json
    assert (reloaded["changed"], reloaded["version"], reloaded["everywhere"]["done"]) == (True, 2, True)
    assert call(server, server.function_path("/sales", "greet", "C2"), "C2") == "VERSION TWO Hello Ann"
    assert call(server, path, "C1") == "VERSION ONE Hello Ann"
    (folder / "shop.py").write_text("this is no Python")
    refused = ask(admin, "/agents/sales/reload")
    assert (refused.status, list(refused.json["problems"])) == (422, ["body.python.class"])
    assert call(server, server.function_path("/sales", "greet", "C3"), "C3") == "VERSION TWO Hello Ann"
