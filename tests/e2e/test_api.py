"""The REST API of a real `serve` with two workers: described fully, used by a generated client, safe in parallel."""

import asyncio
import importlib
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from registry.log.filters import Filter
from tests.e2e.server import ROOT, Server, database_url

BIN = Path(sys.executable).parent
OPENAPI = ROOT / "docs" / "openapi.json"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# So that what is asked for is often there.
KNOWN = """
[parameters]
"path.name" = "sales-agent"
"path.function" = "get_pricing"
"path.number" = 1
"path.route_id" = 2
"""
PUMP = {
    "prompt": {"text": "You sell pumps."},
    "functions": {"price": {"description": "Get the price", "parameters": {"type": "object", "properties": {}},
                            "handler": {"reply": "A pump costs $9."}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(database_url("api"), tmp_path_factory.mktemp("api"), example=True, API_REQUESTS_PER_MINUTE="1000000")
    yield found
    found.leave()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another one: nothing in it stays as it was."""
    found = Server(
        database_url("fuzzed"), tmp_path_factory.mktemp("fuzzed"), example=True, API_REQUESTS_PER_MINUTE="1000000"
    )
    yield found
    found.leave()


@pytest.mark.parametrize(
    ("scope", "phases"),
    [("read", "examples,fuzzing"), ("operate", "examples,fuzzing"), ("admin", "examples,coverage,fuzzing")],
)
def test_nothing_happens_that_the_description_does_not_say(
    fuzzed: Server, scope: str, phases: str, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(KNOWN)
    done = subprocess.run(
        [
            BIN / "schemathesis", "run", f"{fuzzed.base}/api/v1/openapi.json",
            "--header", f"Authorization:{fuzzed.token(scope)['Authorization']}",
            "--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", "6",
            "--exclude-operation-id", "revoke_token",  # it would find its own
            "--continue-on-failure", "--seed", "1", "--no-color", "--warnings", "off",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in fuzzed.printed


@pytest.fixture(scope="module")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A client that openapi-python-client makes of our description."""
    folder = tmp_path_factory.mktemp("client")
    subprocess.run(
        [
            BIN / "openapi-python-client", "generate", "--path", OPENAPI, "--meta", "none",
            "--output-path", folder / "switchboard_client", "--fail-on-warning", "--config", config(folder),
        ],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    sys.path.insert(0, str(folder))
    yield importlib.import_module("switchboard_client")
    sys.path.remove(str(folder))


def config(folder: Path) -> Path:
    """As docs/api.md advises; and no formatter is run over the client."""
    overrides = {"application/yaml": "application/octet-stream", "application/jsonl": "text/plain"}
    path = folder / "config.json"
    path.write_text(json.dumps({"post_hooks": [], "content_type_overrides": {**overrides, "text/csv": "text/plain"}}))
    return path


def test_a_generated_client_registers_publishes_calls_and_unregisters(
    server: Server, client_package: ModuleType
) -> None:
    def operation(tag: str, name: str) -> ModuleType:
        return importlib.import_module(f"switchboard_client.api.{tag}.{name}")

    models = importlib.import_module("switchboard_client.models")
    token = server.token("operate")["Authorization"].removeprefix("Bearer ")
    with client_package.AuthenticatedClient(base_url=server.base, token=token, raise_on_unexpected_status=True) as ask:
        registration = models.Registration(
            name="pumps", route="/pumps", definition=models.RegistrationDefinition.from_dict(PUMP)
        )
        made = operation("agents", "register_agent").sync(client=ask, body=registration, wait=True)
        assert (made.agent, made.everywhere.done, made.everywhere.workers) == ("pumps", True, 2)
        assert server.get("/pumps").status == 200

        definition = models.VersionInDefinition.from_dict({**PUMP, "prompt": {"text": "You sell better pumps."}})
        draft = models.VersionIn(definition=definition, note="better")
        assert operation("definitions", "save_draft").sync("pumps", client=ask, body=draft).version == 2
        published = operation("definitions", "publish_draft").sync("pumps", client=ask, wait=True)
        assert (published.version, published.changed) == (2, True)
        assert server.get("/pumps").ai["prompt"] == {"text": "You sell better pumps."}

        run = operation("definitions", "run_function").sync("pumps", "price", client=ask, body=models.RunIn())
        assert (run.outcome, run.answer.to_dict()) == ("ok", {"response": "A pump costs $9."})
        (row,) = server.events(1, "kind = 'test' AND agent = 'pumps'")
        assert (row["function"], row["outcome"], row["channel"], row["digest"]) == ("price", "ok", "test", "")
        assert server.query("SELECT sum(count) FROM registry_agentminute WHERE agent = 'pumps'")[0][0] == 2

        taken = operation("agents", "register_agent").sync(client=ask, body=registration)
        assert (taken.status, "pumps" in taken.detail) == (409, True)
        gone = operation("agents", "unregister_agent").sync("pumps", client=ask, wait=True)
        assert gone.everywhere.done is True
        assert server.get("/pumps").status == 404


def test_fifty_registrations_of_ten_routes_at_once(server: Server) -> None:
    header = server.token("operate")

    def register(number: int) -> int:
        body = {
            "name": f"parallel-{number}",
            "route": f"/parallel/{number % 10}",
            "definition": PUMP,
            "auto_sip": False,
        }
        return server.post("/api/v1/agents", body, auth=None, headers=header).status

    with ThreadPoolExecutor(50) as pool:
        statuses = Counter(pool.map(register, range(50)))
    assert statuses == {201: 10, 409: 40}
    routes = server.query(
        "SELECT r.path, a.name FROM registry_route r JOIN agents_agent a ON a.id = r.agent_id"
        " WHERE path LIKE '/parallel/%%'"
    )
    assert len(routes) == 10
    assert server.query("SELECT count(*) FROM agents_agent WHERE name LIKE 'parallel-%%'") == [(10,)]
    for path, name in routes:
        for _ in range(4):  # by both workers
            assert server.get(path).status == 200
        asked = {"path": path, "method": "GET"}
        assert server.post("/api/v1/decide", asked, auth=None, headers=header).json["agent"] == name
    for name in [name for _, name in routes]:
        assert server.request("DELETE", f"/api/v1/agents/{name}", auth=None, headers=header).status == 200


def test_an_export_is_a_stream_and_whole(server: Server) -> None:
    header = server.token("read")
    for number in range(30):
        server.get(f"/sales?call_id=export-{number}")
    server.events(30, "call_id LIKE 'export-%%'")
    path = "/api/v1/events/export?filter=export-&format="
    lines = server.get(f"{path}jsonl", auth=None, headers=header)
    assert "content-length" not in lines.headers
    events = [json.loads(line) for line in lines.text.splitlines()]
    assert {event["call_id"] for event in events} == {f"export-{number}" for number in range(30)}
    assert all(Filter.parse("export- agent:sales-agent").matches(event) for event in events)
    rows = server.get(f"{path}csv", auth=None, headers=header).text.splitlines()
    assert (len(rows), rows[0].split(",")[:3]) == (31, ["time", "outcome", "kind"])


def test_calls_are_answered_while_the_api_works(server: Server) -> None:
    """Registering holds no call up: every one of them is answered meanwhile."""
    header = server.token("operate")

    async def both() -> tuple[list[int], list[int]]:
        calls = asyncio.gather(*(asyncio.to_thread(lambda: server.get("/sales").status) for _ in range(100)))
        changes = asyncio.gather(*(asyncio.to_thread(pause_and_resume, number) for number in range(20)))
        return await calls, await changes

    def pause_and_resume(number: int) -> int:
        verb = "pause" if number % 2 else "resume"
        return server.post(f"/api/v1/agents/billing-agent/{verb}", auth=None, headers=header).status

    calls, changes = asyncio.run(both())
    assert set(calls) == {200}
    assert set(changes) == {200}


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        sent = 0
        try:
            while sent < 200:
                line.sendall(chunk)
                sent += 1
        except OSError:
            pass
    assert sent < 200
    assert server.get("/sales").status == 200


@pytest.mark.parametrize("path", ["/dashboard/sign-in/", "/admin/login/", "/api/v1/decide", "/api/v1/apply"])
def test_a_body_that_says_it_is_too_large_is_not_read(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n".encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 413 ")
