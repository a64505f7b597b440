"""Python agents behind a real `serve`: their folder, their registration, and the SDK's own server beside it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.e2e.server import Response, Server

FIXTURE = Path(__file__).with_name("sdk_agents.py")
ACT = """
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from django.db import connections
from agents.python import kind
from agents.python.source import PythonSource
from registry.actions import agents, routes
from registry.actions.transaction import Actor
if {once!r}:
    looked_at = cache(lambda text, whereabouts: inspect(PythonSource.model_validate_json(text), whereabouts))
    inspect = kind.inspect
    kind.inspect = lambda source, whereabouts: looked_at(source.model_dump_json(by_alias=True), whereabouts)
by = Actor("tests", "command", may_run_code=True)
def act(todo):
    verb, arguments = todo
    try:
        change = getattr(routes if verb == "register_route" else agents, verb)(by=by, **arguments)
        return {{"version": change.version, "warnings": change.warnings, "sip": change.sip}}
    except Exception as error:
        return {{"error": str(error), "kind": type(error).__name__}}
    finally:
        connections.close_all()
with ThreadPoolExecutor(1 if {once!r} else 2) as threads:
    print(json.dumps(list(threads.map(act, json.loads({todo!r})))))
"""
SAME_ORDER = {"PYTHONHASHSEED": "0"}  # the SDK's prefabs make lists of sets
SAFE = {"response": "I'm sorry, something went wrong on our side."}


def folder_of_agents(folder: Path) -> Path:
    """An AGENT_PATH with the fixture in it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURE, folder)
    return folder


def act(server: Server, *todo: tuple[str, dict[str, Any]], once: bool = False) -> list[dict[str, Any]]:
    """Call registry's actions in a process of their own, as a command would; what each did, or its error.

    `once`: a class that is registered several times is looked at once only.
    """
    code = ACT.format(todo=json.dumps(todo), once=once)
    printed = server.command("shell", "--no-imports", "-c", code)
    return json.loads(printed.strip().splitlines()[-1])


def registering(name: str, route: str, kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """An action that registers a class. Further arguments: those of the source."""
    source = {"python": {"class": kind, **more}}
    return "register", {"name": name, "route": route, "definition": source, "wait": True}


def done(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, if none is an error."""
    assert not [result for result in results if "error" in result], results
    return results


@contextmanager
def serving(url: str, data_dir: Path, **options: Any) -> Iterator[Server]:
    """A server, which is left also if something goes wrong while a test prepares it."""
    server = Server(url, data_dir, **options)
    try:
        yield server
    finally:
        server.leave()


class Reference:
    """The SDK's own server with the fixture."""

    request = Server.request
    get = Server.get
    post = Server.post

    def __init__(self, folder: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        ours = ("SWML_", "SIGNALWIRE_")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "SWML_BASIC_AUTH_USER": "u",
            "SWML_BASIC_AUTH_PASSWORD": "p",
            "SWML_PROXY_URL_BASE": self.base,
            "SIGNALWIRE_LOG_MODE": "off",
            **SAME_ORDER,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(folder / FIXTURE.name), str(self.port)],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + 30
        while True:
            try:
                assert self.get("/health").status == 200
                return
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)


@contextmanager
def reference_server(folder: Path) -> Iterator[Reference]:
    """The SDK's server, and its end."""
    reference = Reference(folder)
    try:
        yield reference
    finally:
        reference.process.kill()
        reference.process.wait()


Asked = Server | Reference


def token(server: Asked, route: str, function: str, call: str, *, auth: str = "u:p", query: str = "") -> str:
    """The token of a function, or of `post_prompt`, out of a document."""
    ai = server.get(f"{route}?call_id={call}{query}", auth=auth).ai
    if function == "post_prompt":
        url = ai["post_prompt_url"]
    else:
        url = next(each["web_hook_url"] for each in ai["SWAIG"]["functions"] if each["function"] == function)
    return quote(parse_qs(urlsplit(url).query)["__token"][0])


def with_tokens(server: Asked, path: str) -> str:
    """A path in which `{route:function:call}` stands for a token."""
    return re.sub(r"\{([^:}]+):([^:}]+):([^:}]+)\}", lambda found: token(server, *found.groups()), path)


def plain(server: Asked, response: Response) -> Any:
    """A body in which no server and no token is seen."""
    text = response.text.replace(f"127.0.0.1:{server.port}", "SERVER")
    text = re.sub(r"(__token=)[^\"&]+", r"\1TOKEN", text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def wait_for(condition: Any, seconds: float = 60) -> Any:
    """What a condition gives, once that is something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
    return found


def functions(server: Server, route: str, name: str, call: str = "C1", **arguments: Any) -> Any:
    """What an insecure function answers."""
    body = {"function": name, "call_id": call, "argument": {"parsed": [arguments], "raw": json.dumps(arguments)}}
    return server.post(f"{route}/swaig", body).json


def processes_of(server: Server) -> dict[int, str]:
    """Processes below the server, and what they run."""
    children: dict[int, list[tuple[int, str, str]]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        children.setdefault(int(parent), []).append((int(folder.name), state, line))
    found: dict[int, str] = {}
    wanted = [server.process.pid]
    while wanted:
        for pid, state, line in children.get(wanted.pop(), []):
            found[pid] = f"{state} {line}"
            wanted.append(pid)
    return found


def workers_of(server: Server) -> list[int]:
    """The supervisor's own children."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_host(line: str) -> bool:
    return "switchboard_host" in line


def alive() -> set[int]:
    """All processes that are not over."""
    return {int(folder.name) for folder in Path("/proc").glob("[0-9]*") if state_of(folder) not in ("Z", "")}


def state_of(folder: Path) -> str:
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
