"""Two instances of the SDK's AgentServer behind a real `serve`, as remote agents."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.server import Response, Server
from tests.e2e.upstream import PASSWORD, USER, Upstream

SAFE = "I'm sorry, something went wrong on our side."
CALLS = [f"call-{number}" for number in range(20)]


@pytest.fixture
def upstreams(tmp_path: Path) -> Iterator[list[Upstream]]:
    started = [Upstream(tmp_path), Upstream(tmp_path)]
    try:
        for upstream in started:
            upstream.wait()
        yield started
    finally:
        for upstream in started:
            upstream.kill()


def register(server: Server, name: str, urls: list[str]) -> None:
    """Register a remote agent at /NAME-line."""
    source = {"remote": {"url": urls[0], "more_urls": urls[1:], "keep_last_document": True}}
    code = (
        "from registry.actions import agents; from registry.actions.transaction import Actor;"
        f"agents.register({name!r}, '/{name}-line', {source!r}, by=Actor('alice', 'command', may_run_code=True),"
        f"upstream={(USER, PASSWORD)!r}, wait=True)"
    )
    server.command("shell", "-c", code)


def swaig(server: Server, path: str, function: str, call: str, **arguments: Any) -> Response:
    """Call a function as the platform does."""
    body = {"function": function, "call_id": call, "argument": {"parsed": [arguments], "raw": json.dumps(arguments)}}
    return server.post(path, body)


def assert_clean(text: str, upstreams: list[Upstream]) -> None:
    """Nothing of the server's addresses and credentials is in what we serve."""
    told = text.replace("\\/", "/")
    secrets = [USER, PASSWORD, quote(PASSWORD, safe=""), "localhost:3000"]
    for secret in [*secrets, *(f":{upstream.port}" for upstream in upstreams)]:
        assert secret not in told


def test_two_instances_behind_us(make_server: Callable[..., Server], upstreams: list[Upstream], tmp_path: Path) -> None:
    server = make_server(workers=1)
    register(server, "sales", [f"{upstream.base}/sales" for upstream in upstreams])
    register(server, "support", [f"{upstream.base}/support" for upstream in upstreams])
    first = upstreams[0].request("GET", "/sales?call_id=direct")[1]

    # A round trip of a function with its token, over documents of the call's own instance.
    instances = {}
    for call in CALLS:
        document = server.post("/sales-line", {"call": {"call_id": call, "to": "+15550100"}})
        assert document.status == 200
        assert_clean(document.text, upstreams)
        assert server.path_of(document.ai["post_prompt_url"]).startswith("/sales-line/post_prompt/?__token=")
        price = server.path_of(
            next(entry["web_hook_url"] for entry in document.ai["SWAIG"]["functions"] if entry["function"] == "price")
        )
        assert price.startswith("/sales-line/swaig/?__token=")
        answered = swaig(server, price, "price", call, what="tea").json["response"]
        instances[call] = answered.rpartition(" ")[2]
        assert answered == f"tea costs 5, says {document.ai['global_data']['instance']}"
        assert "invalid or expired" in swaig(server, price, "price", "another-call").json["response"]
        done = server.post(server.path_of(document.ai["post_prompt_url"]), {"call_id": call, "post_prompt_data": {}})
        assert (done.status, done.json) == (200, {"success": True})
    assert set(instances.values()) == {str(upstream.port) for upstream in upstreams}

    # Documents of an instance say the same in each call, whatever their tokens are; another one's name their instance.
    for call in CALLS:
        server.get(f"/sales-line?call_id={call}", headers={"Host": "localhost:8000"})
    rows = server.events(2 * len(CALLS), "kind = 'swml' AND agent = 'sales' AND call_id LIKE 'call-%%'")
    digests = {(instances[row["call_id"]], row["digest"]) for row in rows}
    assert len(digests) == len({digest for _, digest in digests}) == len(upstreams)

    # Transfers: to another agent that is registered here, and to one that is not.
    moved = swaig(server, "/sales-line/swaig", "transfer", CALLS[0])
    (dest,) = [verb["transfer"]["dest"] for verb in main_of(moved) if "transfer" in verb]
    assert server.path_of(dest) == "/support-line"
    assert server.get(server.path_of(dest)).status == 200
    away = swaig(server, "/sales-line/swaig", "transfer_away", CALLS[0])
    assert away.json == {"response": "I'm sorry, I can't connect you there right now."}
    failed = swaig(server, "/sales-line/swaig", "fails", CALLS[0])
    assert failed.json == {"response": SAFE}

    # An instance dies in the middle of calls: theirs go on, on the other one; who waited for it hears a safe line.
    doomed = upstreams[0]
    on_it = [call for call, port in instances.items() if port == str(doomed.port)]
    path = server.function_path("/sales-line", "price", on_it[0])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(swaig, server, "/sales-line/swaig", "slow", on_it[0])
        while not Path(tmp_path, f"slow-{doomed.port}").exists():
            time.sleep(0.01)
        doomed.kill()
        assert waiting.result().json == {"response": SAFE}
    assert not Path(tmp_path, f"slow-{upstreams[1].port}").exists(), "a function is not run twice"
    answered = swaig(server, path, "price", on_it[0], what="tea").json["response"]
    assert answered == f"tea costs 5, says {upstreams[1].port}"
    assert [server.get(f"/sales-line?call_id={call}").status for call in CALLS] == [200] * len(CALLS)
    assert {server.get(f"/sales-line?call_id={call}").ai["global_data"]["instance"] for call in CALLS} == {
        str(upstreams[1].port)
    }

    # A direct caller of the other instance has noticed nothing of it.
    status, document = upstreams[1].request("GET", "/sales?call_id=direct")
    assert status == 200
    urls = [entry.get("web_hook_url", "") for entry in functions_of(document)]
    assert [url.partition("?")[0] for url in urls] == [
        entry.get("web_hook_url", "").partition("?")[0] for entry in functions_of(first)
    ]
    assert all("127.0.0.1" not in url for url in urls)

    # And when all are gone, the last document is served, and the trouble is known.
    upstreams[1].kill()
    last = server.get("/sales-line?call_id=late")
    assert last.ai["global_data"]["instance"] == str(upstreams[1].port)
    assert_clean(last.text.replace(f'"{upstreams[1].port}"', ""), upstreams)
    assert server.post("/support-line", {}).text.count("instance") == 0
    troubles: dict[str, Any] = {}
    end = time.monotonic() + 30
    while troubles.get("sales", {}).get("state") != "down":
        server.get("/sales-line?call_id=late")
        assert time.monotonic() < end, troubles
        time.sleep(0.1)
        troubles = server.query("SELECT troubles FROM registry_worker")[0][0]
    assert "Connection refused" in troubles["sales"]["detail"]
    assert PASSWORD not in json.dumps(troubles)
    for event in server.events(1, "outcome <> 'ok'"):
        assert PASSWORD not in json.dumps(event)
        assert quote(PASSWORD, safe="") not in json.dumps(event)
    outcomes = {event["outcome"] for event in server.events(1, "path = '/sales-line' AND outcome <> 'ok'")}
    assert outcomes == {"fallback"}


def main_of(response: Response) -> list[dict[str, Any]]:
    """The verbs of a function's SWML action."""
    found: list[dict[str, Any]] = response.json["action"][0]["SWML"]["sections"]["main"]
    return found


def functions_of(document: Any) -> list[dict[str, Any]]:
    """The functions of a document."""
    ai = next(verb["ai"] for verb in document["sections"]["main"] if "ai" in verb)
    found: list[dict[str, Any]] = ai["SWAIG"]["functions"]
    return found
