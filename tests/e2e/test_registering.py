"""Agents come, change and go while two workers are serving."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.config.processes import wait_until_gone
from tests.e2e.server import ROOT, Server

DEFINITION: dict[str, Any] = {
    "prompt": {"text": "You tell callers when the shop is open."},
    "post_prompt": "Summarise.",
    "functions": {
        "hours": {
            "description": "Opening hours",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
            "handler": {"reply": "version one, ${args.day}"},
        }
    },
}
PATHS = ("/x", "/x/", "/x/swaig", "/x/swaig/", "/x/sip", "/x/debug", "/x/post_prompt", "/x/debug_events")


def definition(tmp_path: Path, reply: str = "version one, ${args.day}") -> str:
    """A definition in a file, whose function says this."""
    changed = json.loads(json.dumps(DEFINITION))
    changed["functions"]["hours"]["handler"]["reply"] = reply
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(changed))
    return str(path)


def statuses(server: Server, path: str) -> set[int]:
    """What a path answers; asked often enough to reach both workers."""
    return {server.get(path).status for _ in range(12)}


def call(server: Server, path: str, call_id: str) -> str:
    body = {"function": "hours", "call_id": call_id, "argument": {"parsed": [{"day": "Monday"}]}}
    return server.post(path, body).json["response"]


def test_an_agent_is_registered_called_and_unregistered_in_both_workers(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(workers=2)
    assert statuses(server, "/x") == {404}

    said = server.command("register", "shop", "--route", "/x", "--file", definition(tmp_path), "--sip", "Shop-Line")
    assert "on 2/2 workers" in said
    assert statuses(server, "/x") == statuses(server, "/x/") == {200}
    assert {call(server, server.function_path("/x", "hours", "C1"), "C1") for _ in range(8)} == {"version one, Monday"}
    assert server.post("/sip", {"call": {"to": "sip:shop-line@example.com"}}).status == 200

    said = server.command("unregister", "/x")
    assert "on 2/2 workers" in said
    assert "shop-line" in said
    for path in PATHS:
        assert statuses(server, path) == {404}, path
    assert server.post("/sip", {"call": {"to": "sip:shop-line@example.com"}}).status == 404

    events = server.events(1, "function = 'hours'")
    assert {(e["agent"], e["version"], e["outcome"], e["call_id"]) for e in events} == {("shop", 1, "ok", "C1")}


def test_a_running_call_keeps_its_version_and_goes_on_while_the_agent_is_paused(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(workers=2)
    server.command("register", "shop", "--route", "/x", "--file", definition(tmp_path))
    before = server.get("/x?call_id=OLD").ai
    old = server.path_of(before["SWAIG"]["functions"][0]["web_hook_url"])
    old_summary = server.path_of(before["post_prompt_url"])

    two = definition(tmp_path, "version two, ${args.day}")
    said = server.command("register", "shop", "--route", "/x", "--file", two, "--update", "--json")
    assert json.loads(said)["version"] == 2
    new = server.function_path("/x", "hours", "NEW")
    for _ in range(6):
        assert call(server, old, "OLD") == "version one, Monday"
        assert call(server, new, "NEW") == "version two, Monday"

    server.command("pause", "shop", "--message", "Back at nine.")
    for _ in range(6):
        main = server.get("/x?call_id=LATE").json["sections"]["main"]
        assert main == [{"answer": {}}, {"play": {"url": "say:Back at nine."}}, {"hangup": {}}]
        assert call(server, old, "OLD") == "version one, Monday"
        assert server.post(old_summary, {"call_id": "OLD"}).json == {"success": True}
    server.command("resume", "shop")
    assert server.get("/x?call_id=LATE").ai["prompt"]["text"].startswith("You tell")

    versions = {(e["call_id"], e["version"]) for e in server.events(12, "function = 'hours'")}
    assert versions == {("OLD", 1), ("NEW", 2)}


def test_the_first_start_registers_the_example_fleet_and_its_curl_line_works(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(workers=1, example=True, SWML_BASIC_AUTH_PASSWORD="")
    line = next(line for line in server.printed.splitlines() if "curl -u" in line)
    _, _, credentials, url = shlex.split(line)
    assert url == f"{server.base}/sales"
    document = server.get("/sales?call_id=C1", auth=credentials)
    assert document.ai["SWAIG"]["functions"][0]["function"] == "get_pricing"
    assert server.get("/sales", auth="signalwire:wrong").status == 401

    password = server.command("credentials", "front-desk").strip()
    path = server.path_of(server.get("/main?call_id=C1", auth=password).ai["SWAIG"]["functions"][0]["web_hook_url"])
    body = {"function": "transfer_call", "call_id": "C1", "argument": {"parsed": [{"department": "Poetry"}]}}
    refused = server.post(path, body, auth=password).json["response"]
    assert "department" in refused  # the model is told which there are
    body["argument"] = {"parsed": [{"department": "Support"}]}  # the enum has no capitals
    answer = server.post(path, body, auth=password).json
    assert answer["response"] == "I'll connect you to support."
    transfer = answer["action"][0]["SWML"]["sections"]["main"][0]["transfer"]["dest"]
    assert transfer.endswith("/support")
    there = transfer.partition("://")[2].rpartition("@")[0]
    assert server.get("/support", auth=there).status == 200
    assert server.stop() == 0

    log = server.printed
    assert password.partition(":")[2] not in log


def test_after_kill_9_of_the_supervisor_nothing_is_left(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server(workers=2, cold=True)
    server.command("register", "shop", "--route", "/x", "--file", definition(tmp_path))
    assert server.get("/x").status == 200
    server.kill()
    killed = time.monotonic()
    wait_until_gone(tmp_path / "data-0", seconds=10)
    assert time.monotonic() - killed < 10
    assert len(server.events(1, "path = '/x'")) == 1


def test_sigterm_drains_and_ends_with_0(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = make_server(workers=2, cold=True)
    for number in range(50):
        server.get(f"/nobody-{number}")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert len(server.query("SELECT id FROM registry_routingevent")) == 50
    assert server.query("SELECT pid FROM registry_worker") == []
    assert list((tmp_path / "data-0" / "spool").iterdir()) == []


def test_a_replica_with_another_secret_key_refuses_to_start(fleet_server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", "0"], cwd=ROOT, timeout=60, check=False,
        env={**fleet_server.environment, "SECRET_KEY": "another"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "this database belongs to another SECRET_KEY" in done.stdout + done.stderr
