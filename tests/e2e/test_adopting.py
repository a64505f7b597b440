"""The SDK's own server, and its script, adopted by a real `serve`: what callers get is the same, at our addresses."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

FOLDER = Path(__file__).with_name("adopted")
SCRIPT = FOLDER / "fleet.py"
START_SECONDS = 30


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The fleet on the SDK's server; its URL."""
    with running(SCRIPT) as url:
        yield url


@contextmanager
def running(script: Path) -> Iterator[str]:
    """A script as its users run it; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SWML_", "SIGNALWIRE_"))}
    environment |= {
        "SCRIPT_PORT": str(port),
        "SWML_BASIC_AUTH_USER": "up",
        "SWML_BASIC_AUTH_PASSWORD": "stream-password",
    }
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not is_up(port):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def is_up(port: int) -> bool:
    """Whether the SDK's server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def adopt(server: Server, *arguments: str, code: int = 0) -> dict[str, tuple[str, str]]:
    """State and reason of each agent, by its original route."""
    text = server.command("adopt", *arguments, "--json", code=code)
    printed, _ = json.JSONDecoder().raw_decode(text)
    return {agent["original"]: (agent["state"], agent["reason"]) for agent in printed["agents"]}


def call(server: Server, route: str, function: str, **arguments: Any) -> Any:
    """What a function answers in call C1, with the token of that call's document."""
    body = {"function": function, "call_id": "C1", "argument": {"parsed": [arguments]}}
    return server.post(server.function_path(route, function, "C1"), body).json


def dialled(server: Server, name: str) -> str:
    """Whose document a SIP call to this name gets."""
    answer = server.post("/sip", {"call": {"call_id": "C2", "to": f"sip:{name}@example.com"}})
    assert answer.status == 200
    return str(answer.ai["prompt"]["pom"][0]["body"])


def assert_served(server: Server) -> None:
    """Both clinics answer as they do in the original."""
    for city, opens in (("bonn", "8:30"), ("lyon", "9:00")):
        route = f"/clinic/{city}"
        document = server.get(f"{route}?call_id=C1")
        assert document.status == 200
        assert document.ai["prompt"]["pom"][0]["body"] == f"You book appointments in {city.capitalize()}."
        assert server.path_of(document.ai["post_prompt_url"]).startswith(f"{route}/post_prompt")
        answer = call(server, route, "find_slot", day="Monday")
        assert answer["response"] == f"On Monday {city.capitalize()} opens at {opens}."
    assert server.get("/clinic/lyon", auth=None).status == 401
    assert dialled(server, "lyon") == "You book appointments in Lyon."
    forged = {"function": "find_slot", "call_id": "C9", "argument": {"parsed": [{"day": "Monday"}]}}
    path = server.function_path("/clinic/lyon", "find_slot", "C1")
    assert "opens" not in server.post(path, forged).text


def test_a_running_server_is_adopted_by_its_url(make_server: Callable[..., Server], elsewhere: str) -> None:
    server = make_server(workers=1)
    credentials = ("--user", "up", "--password", "stream-password")
    everything = ("/clinic/bonn", "/clinic/lyon", "/shop", "/dashboard")
    plan = adopt(server, elsewhere, *credentials, "--dry-run", code=1)
    assert {route: state for route, (state, _) in plan.items()} == dict(
        zip(everything, ("register", "register", "refused", "refused"), strict=True)
    )
    assert adopt(server, elsewhere, "--only", "/clinic/lyon", code=1)["/clinic/lyon"][0] == "refused"
    done = adopt(server, elsewhere, *credentials, code=1)
    assert done["/clinic/bonn"] == done["/clinic/lyon"] == ("registered", "")
    assert "401" in done["/shop"][1]
    assert "reserved" in done["/dashboard"][1]
    own = adopt(server, elsewhere, "--only", "/shop", "--user", "shop-user", "--password", "shop-password")
    assert own == {"/shop": ("registered", "")}
    again = adopt(server, elsewhere, *credentials, code=1)
    assert [state for state, _ in again.values()] == ["skipped", "skipped", "skipped", "refused"]

    assert_served(server)
    text = server.get("/clinic/lyon?call_id=C1").text + server.get("/shop?call_id=C1").text
    assert not [secret for secret in ("stream-password", "shop-password", "localhost", ":3000") if secret in text]
    assert elsewhere not in text


def test_a_script_is_adopted_as_it_is(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=1, AGENT_PATH=str(FOLDER))
    said = server.command("adopt", str(SCRIPT), code=1)
    assert "/clinic/lyon is clinic-desk-lyon at /clinic/lyon: 2 functions (find_slot, other_desk)" in said
    assert "Not served here: custom route GET /get_token" in said
    assert f"Not served here: static files of {FOLDER / 'web'} at /files" in said
    assert "Used: the credentials in its code" in said
    assert "/dashboard refused" in said
    again = adopt(server, str(SCRIPT), code=1)
    assert [state for state, _ in again.values()] == ["skipped", "skipped", "skipped", "refused"]

    assert_served(server)
    assert dialled(server, "appointments") == "You book appointments in Lyon."
    assert server.get("/shop", auth="shop-user:shop-password").status == 200
    assert server.get("/shop").status == 401
    assert server.get("/get_token").status == 404


def test_an_agent_that_runs_alone_is_adopted_both_ways(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=1, AGENT_PATH=str(FOLDER))
    credentials = ("--user", "up", "--password", "stream-password")
    with running(FOLDER / "desk.py") as url:
        lost = adopt(server, url, *credentials, code=1)
        assert f"adopt {url}/ITS-ROUTE" in lost["/"][1]
        assert adopt(server, f"{url}/desk", *credentials) == {"/desk": ("registered", "")}
        assert call(server, "/desk", "greet", name="Ann")["response"] == "Hello, Ann."
        adopted = server.command("agents", "--json")
        said = server.command("adopt", str(FOLDER / "desk.py"), code=1)
        name = next(agent["name"] for agent in json.loads(adopted) if "/desk" in agent["routes"])
        move = f"register {name} --update --script desk.py --at /desk"
        assert f"route /desk is taken by agent {name}: choose others with --route-prefix" in said
        assert f"or make {name} this one: {move}" in said
        script = str(FOLDER / "desk.py")
        assert adopt(server, script, "--route-prefix", "/here", "--name-prefix", "my") == {"/desk": ("registered", "")}
        assert call(server, "/here/desk", "greet", name="Ann")["response"] == "Hello, Ann."
        assert "Version 2" in server.command(*move.split())
    assert call(server, "/desk", "greet", name="Ann")["response"] == "Hello, Ann.", "the old server is not needed now"


def test_a_script_elsewhere_is_told_where_to_put_it(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server(workers=1)
    said = server.command("adopt", str(SCRIPT), code=1)
    assert f"AGENT_PATH={FOLDER}" in said
    folder = tmp_path / "data-0" / "agents"
    folder.mkdir(exist_ok=True)
    (folder / "adopted").symlink_to(FOLDER)
    linked = adopt(server, str(folder / "adopted" / "fleet.py"), "--only", "/shop")
    assert linked == {"/shop": ("registered", "")}
    assert server.get("/shop", auth="shop-user:shop-password").status == 200
