"""Metrics and request ids of a real `serve` with two workers."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.agents.outbound import webhook_server as author
from tests.e2e.server import Server, database_url
from tests.e2e.test_outage import Forwarder
from tests.e2e.test_webhooks import agent, running

REQUESTS = 60
SCRAPES = 10  # both workers will have answered some of them
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server(workers=2, example=True)


def scraper(server: Server) -> Callable[[], Samples]:
    """What any worker answers to a scrape: each is a connection of its own."""
    made = server.command("token", "create", "prometheus", "--scope", "read", "--json")
    token = json.loads(made)["token"]

    def samples() -> Samples:
        response = server.get("/metrics", auth=None, headers={"Authorization": f"Bearer {token}"})
        assert response.status == 200, response.text
        families = text_string_to_metric_families(response.text)
        return {(found.name, *found.labels.values()): found.value for family in families for found in family.samples}

    return samples


@pytest.fixture
def scrape(server: Server) -> Callable[[], Samples]:
    return scraper(server)


def pids(found: Samples) -> dict[str, int]:
    """The living workers, by their number."""
    return {key[2]: int(key[1]) for key in found if key[0] == "switchboard_worker_info"}


def until(what: Callable[[], Any]) -> Any:
    """Wait until it says something."""
    end = time.monotonic() + 20
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def ask(server: Server) -> None:
    """Requests that are answered, refused and nobody's; each on a connection of its own, so both workers get some."""
    for _ in range(REQUESTS):
        assert server.get("/sales").status == 200
        assert server.get("/sales", auth="u:wrong").status == 401
        assert server.get("/nobody", auth=None).status == 404


def counted(found: Samples) -> tuple[float, ...]:
    """What `ask` adds to."""
    name = "switchboard_requests_total"
    return (
        found.get((name, "sales-agent", "swml", "ok"), 0),
        found.get((name, "sales-agent", "swml", "refused"), 0),
        found.get((name, "", "unmatched", "not_found"), 0),
        found.get(("switchboard_request_seconds_count", "unmatched"), 0),
    )


def test_all_workers_are_counted_exactly_also_those_that_were_killed(
    server: Server, scrape: Callable[[], Samples]
) -> None:
    ask(server)
    assert [counted(scrape()) for _ in range(SCRAPES)] == [(REQUESTS,) * 4] * SCRAPES
    before = scrape()
    assert len(pids(before)) == 2
    number, pid = next(iter(pids(before).items()))
    os.kill(pid, signal.SIGKILL)
    assert counted(scrape()) == (REQUESTS,) * 4
    replaced = until(lambda: (workers := pids(scrape())).get(number) not in (None, pid) and workers)
    assert len(replaced) == 2, "the new worker goes on where the dead one was"
    ask(server)
    found = scrape()
    assert counted(found) == (2 * REQUESTS,) * 4
    until(lambda: 0 not in all_of(scrape(), "switchboard_table_revision", replaced))
    found = scrape()
    assert set(all_of(found, "switchboard_table_behind", replaced)) == {0}
    assert max(all_of(found, "switchboard_table_age_seconds", replaced)) < 10
    assert found["switchboard_events_lost_total",] == 0


def all_of(found: Samples, name: str, workers: dict[str, int]) -> list[float]:
    """A gauge of these workers."""
    return [found.get((name, number), 0) for number in workers]


def test_a_new_serve_begins_anew(server: Server, make_server: Callable[..., Server]) -> None:
    runs = Path(server.environment["DATA_DIR"]) / "metrics"
    (first,) = runs.iterdir()
    server.stop()
    again = Server(server.url, Path(server.environment["DATA_DIR"]))
    try:
        (second,) = runs.iterdir()
        assert first != second
    finally:
        again.stop()


def test_metrics_go_on_while_the_database_is_away(tmp_path: Path) -> None:
    database = Forwarder(database_url("e2e_metrics"))
    server = Server(database.url, tmp_path / "data", workers=1, example=True)
    try:
        scrape = scraper(server)
        assert scrape()["switchboard_table_age_seconds", "1"] < 10
        database.refuse()
        assert server.get("/sales").status == 200
        found = until(lambda: (now := scrape())["switchboard_table_age_seconds", "1"] > 4 and now)
        assert found["switchboard_requests_total", "sales-agent", "swml", "ok"] == 1
        assert found["switchboard_spool_bytes", "1"] > 0
    finally:
        server.stop()
        database.listener.close()


def test_nobody_scrapes_without_a_token(fleet_server: Server) -> None:
    response = fleet_server.get("/metrics", auth=None)
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    assert "switchboard" not in response.text


def test_an_id_and_a_trace_go_from_the_request_to_the_webhook_and_into_the_log(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(workers=1, WEBHOOK_ALLOWED_HOSTS="127.0.0.1")
    with running(author.always(author.answer(b'{"response": "Booked."}'))) as web:
        server.command("register", "x", "--route", "/x", "--file", agent(tmp_path, book=web.url))
        body = {"function": "book", "call_id": "C1", "argument": {"parsed": [{}]}}
        headers = {"X-Request-ID": "edge-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=1"}
        given = server.post("/x/swaig", body, headers=headers)
        plain = server.post("/x/swaig", body)
    assert (given.json, plain.json) == ({"response": "Booked."},) * 2
    assert given.headers["x-request-id"] == "edge-1"
    assert "x-request-id" not in plain.headers
    first, second = (request.headers for request in web.requests)
    assert (first["x-request-id"], first["tracestate"]) == ("edge-1", "a=1")
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", first["traceparent"])
    assert "traceparent" not in second
    one, two = server.events(2, "function = 'book'")
    assert (one["request_id"], one["trace_id"]) == ("edge-1", TRACE)
    assert (two["id"], two["request_id"], two["trace_id"]) == (second["x-request-id"], "", "")
    page = server.get("/admin/", auth=None, headers={"X-Request-ID": "edge-2"})
    assert page.headers["x-request-id"] == "edge-2"
