"""Remote agents come and change by command, by the API and by a document while a real server serves them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.e2e.upstream import PASSWORD, USER, Upstream


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    started = Upstream(tmp_path)
    try:
        started.wait()
        yield started
    finally:
        started.kill()


def call(server: Server, route: str, call_id: str) -> str:
    path = server.function_path(route, "price", call_id)
    body = {"function": "price", "call_id": call_id, "argument": {"parsed": [{"what": "Tea"}], "raw": ""}}
    text: str = server.post(path, body).json["response"]
    return text


def test_a_server_is_registered_by_every_door(
    make_server: Callable[..., Server], upstream: Upstream, tmp_path: Path
) -> None:
    given = {"THEIR_PASSWORD": PASSWORD, "AGENT_SECRET_DESK_UPSTREAM": f"{USER}:{PASSWORD}"}
    server = make_server(workers=1, **given)
    url = f"{upstream.base}/sales"
    refused = server.command("register", "sales", "--route", "/a", "--remote", url, code=1)
    assert "401" in refused or "credentials" in refused
    said = server.command(
        "register", "sales", "--route", "/a", "--remote", url, "--user", USER, "--password", "env:THEIR_PASSWORD"
    )
    assert "Found: functions fails, hours, price" in said
    assert call(server, "/a", "C1").startswith("Tea costs 5")
    assert "its server says the same: nothing changed" in server.command("reload", "sales")

    header = {"operate": server.token("operate"), "admin": server.token("admin")}

    def ask(scope: str, path: str, body: Any) -> Any:
        return server.request("POST", f"/api/v1{path}", body, headers=header[scope], auth=None)

    body = {"name": "support", "route": "/b", "remote": {"url": url, "user": USER, "password": PASSWORD}}
    refused = ask("operate", "/agents?wait=true", body)
    assert (refused.status, list(refused.json["problems"])) == (422, ["body.remote.url"])
    assert ask("admin", "/agents?wait=true", body).status == 201
    assert call(server, "/b", "C2").startswith("Tea costs 5")

    document = json.loads(server.command("export", "--json"))
    assert document["agents"]["sales"]["remote"] == {"url": url}
    assert PASSWORD not in json.dumps(document)
    document["agents"] = {"desk": {
        "routes": {"/c": {}}, "remote": {"url": url}, "upstream": "env:AGENT_SECRET_DESK_UPSTREAM",
    }}  # fmt: skip
    (tmp_path / "fleet.json").write_text(json.dumps(document))
    server.command("apply", str(tmp_path / "fleet.json"), "--yes")
    assert call(server, "/c", "C3").startswith("Tea costs 5")
    assert "Nothing to change" in server.command("apply", str(tmp_path / "fleet.json"), "--yes")
    assert PASSWORD not in server.printed
