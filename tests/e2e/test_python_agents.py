"""Python agents: the SDK's own server and ours answer alike, and where we differ it is on purpose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosting import (
    FIXTURE,
    SAFE,
    Reference,
    act,
    done,
    folder_of_agents,
    functions,
    plain,
    reference_server,
    registering,
    token,
    with_tokens,
)
from tests.e2e.sdk_cases import CASES, CLINIC, Case, call, rpc
from tests.e2e.server import Response, Server, database_url

FLEET = {
    "/clinic/front": "Clinic",
    "/tiers": "Tiers",
    "/steps": "Steps",
    "/skilled": "Skilled",
    "/faq": "Faq",
    "/merging": "Merging",
    "/no-prompt": "NoPrompt",
    "/signed": "Signed",
    "/switchman": "Switchman",
    "/odd": "Odd",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_agents(tmp_path_factory.mktemp("python") / "agents")


@pytest.fixture(scope="module")
def reference(folder: Path) -> Iterator[Reference]:
    with reference_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def url() -> str:
    return database_url("e2e_python")


@pytest.fixture(scope="module")
def fleet(reference: Reference, url: str, folder: Path) -> Iterator[Server]:
    """Two workers that serve the fixture's fleet; only for tests that leave it as it is."""
    server = Server(url, folder.parent / "two", workers=2, AGENT_PATH=str(folder))
    todo = [registering(kind.lower(), route, f"sdk_agents:{kind}") for route, kind in FLEET.items()]
    results = done(act(server, *todo))
    server.registered = dict(zip(FLEET.values(), results, strict=True))
    reference.wait()
    yield server
    server.leave()


@pytest.fixture(scope="module")
def one_worker(fleet: Server, url: str, folder: Path) -> Iterator[Server]:
    """Another replica of the same fleet."""
    server = Server(url, folder.parent / "one", workers=1, AGENT_PATH=str(folder))
    yield server
    server.leave()


def ask(server: Server | Reference, case: Case) -> Response:
    path = with_tokens(server, case.path)
    headers = case.headers_for(server.base, path)
    return server.request(case.method, path, case.body if case.raw is None else None, auth=case.auth, headers=headers, raw=case.raw)


def test_the_sdk_and_we_answer_alike(fleet: Server, one_worker: Server, reference: Reference) -> None:
    different = []
    for group, case in CASES:
        expected = ask(reference, case)
        for server in (fleet, one_worker):
            actual = ask(server, case)
            if actual.status != expected.status:
                different.append((group, case.name, expected.status, actual.status, plain(server, actual)))
            elif plain(server, actual) != plain(reference, expected):
                different.append((group, case.name, plain(reference, expected), plain(server, actual)))
            elif actual.headers.get("location") != expected.headers.get("location"):
                different.append((group, case.name, expected.headers, actual.headers))
    assert different == []
