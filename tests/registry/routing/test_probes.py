import asyncio
import json

import pytest

from registry.base.checks import OK, Check
from registry.routing.probes import Probes
from registry.routing.table import Tables
from tests.client import HTTP
from tests.registry.building import fleet_table


@pytest.fixture
def probes():
    tables = Tables()
    tables.current = fleet_table()
    return Probes(tables, HTTP, lambda: {"database": OK})


def ask(probes, path, method="GET"):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(probes({"type": "http", "method": method, "path": path}, None, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_health_says_that_the_process_lives_whatever_is_loaded(probes):
    status, headers, body = ask(probes, "/health")
    assert (status, headers[b"content-type"]) == (200, b"application/json")
    assert json.loads(body) == {"status": "ok", "agents": 3, "routes": ["/clinic/booking", "/pharmacy", "/info"]}
    probes.tables.current = None
    assert json.loads(ask(probes, "/health")[2]) == {"status": "ok", "agents": 0, "routes": []}


def test_ready_is_503_until_the_table_is_loaded_and_while_draining(probes):
    status, _, body = ask(probes, "/ready")
    expected = {
        "status": "ready",
        "agents": 3,
        "checks": {"table": "revision 1", "database": "ok"},
        "states": {"table": "loaded", "database": "ok"},
    }
    assert (status, json.loads(body)) == (200, expected)
    probes.draining = True
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"]) == (503, "draining")
    probes.draining, probes.tables.current = False, None
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"], json.loads(body)["checks"]["table"]) == (503, "starting", "not loaded")


def test_a_start_waits_for_agents_to_be_built_but_not_for_ever(probes, monkeypatch):
    probes.starting = lambda: "2 of 3 Python agents are not built yet"
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"]) == (503, "starting")
    assert json.loads(body)["checks"]["agents"] == "2 of 3 Python agents are not built yet"
    monkeypatch.setattr("registry.routing.probes.STARTING_SECONDS", 0)
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"]) == (200, "ready")
    assert "agents" not in json.loads(body)["checks"]


def test_once_started_it_stays_so(probes):
    assert ask(probes, "/ready")[0] == 200
    probes.starting = lambda: "1 of 1 Python agents are not built yet"
    assert ask(probes, "/ready")[0] == 200


def test_a_database_that_is_away_is_said_and_is_no_reason(probes):
    probes.checks = lambda: {"database": Check("away")}
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"], json.loads(body)["checks"]["database"]) == (200, "degraded", "away")


def test_a_setting_makes_a_database_that_is_away_a_reason(probes):
    probes = Probes(probes.tables, HTTP, probes.checks, needs_database=True)
    assert ask(probes, "/ready")[0] == 200
    probes.checks = lambda: {"database": Check("away")}
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"]) == (503, "degraded")


def test_a_table_from_the_snapshot_is_said_and_is_no_reason(probes):
    stale = "from the snapshot of 2026-11-21T05:50:00Z, stale since 2026-11-21T06:10:00Z"
    probes.checks = lambda: {"table": Check("stale", stale), "database": Check("away")}
    status, _, body = ask(probes, "/ready")
    assert (status, json.loads(body)["status"]) == (200, "degraded")
    assert json.loads(body)["checks"] == {"table": stale, "database": "away"}
    assert json.loads(body)["states"] == {"table": "stale", "database": "away"}


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_are_for_get_and_head(probes, path):
    asked, head = ask(probes, path), ask(probes, path, "HEAD")
    assert (head[0], head[1], head[2]) == (asked[0], asked[1], b"")
    for method in ("POST", "PUT", "DELETE"):
        status, headers, _ = ask(probes, path, method)
        assert (status, headers[b"allow"]) == (405, b"GET, HEAD")
