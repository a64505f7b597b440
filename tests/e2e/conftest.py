"""Real servers for the tests of this folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.base.yaml_in import read_fleet
from tests.conftest import FLEET_FILE
from tests.e2e.server import Server, database_url


@pytest.fixture(scope="session")
def fleet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that serve the fleet of tests/fleet.yaml; only for tests that leave it as it is."""
    server = serving_fleet(tmp_path_factory.mktemp("fleet-server"))
    yield server
    server.leave()


@pytest.fixture(scope="session")
def fleet_server_by_asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same, whose answers all go the ASGI way, because they wait until the log is on the disk."""
    server = serving_fleet(tmp_path_factory.mktemp("fleet-server-by-asgi"), LOG_FSYNC="true")
    yield server
    server.leave()


def serving_fleet(folder: Path, **options: str) -> Server:
    """A server with the fleet of tests/fleet.yaml."""
    server = Server(database_url("e2e_fleet"), folder / "data", **options)
    for entry in read_fleet(FLEET_FILE):
        file = folder / f"{entry.name}.yaml"
        file.write_text(json.dumps(entry.definition))
        names = ["--sip", *entry.sip] if entry.sip else []
        server.command("register", entry.name, "--route", entry.route, "--file", str(file), *names)
    return server


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers for tests that change, stop or kill them; each on an empty database of its own."""
    servers: list[Server] = []

    def make(**options) -> Server:
        number = len(servers)
        servers.append(Server(database_url(f"e2e_{number}"), tmp_path / f"data-{number}", **options))
        return servers[-1]

    yield make
    for server in servers:
        server.leave()
