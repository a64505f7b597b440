import asyncio
import json

import pytest

from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.routing import strangers as folding
from registry.routing.strangers import OTHERS, Strangers
from tests.client import Client, MemorySpool, basic
from tests.registry.building import build_agent, build_table, fleet_table

NOON = 1_800_014_400.0  # a whole minute


class Clock:
    now = NOON + 12.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def spool():
    return MemorySpool()


@pytest.fixture
def strangers(spool, clock):
    return Strangers(Recorder(spool, "r", Masker(["password"]), 4096), rows=10, sources=3, clock=clock)


def rows(spool) -> list[tuple[str, int]]:
    """Source and count of what was folded."""
    events = [json.loads(line) for line in spool.lines]
    return [(event["source"], event["steps"][0]["count"]) for event in events]


async def ask(strangers, address: str, times: int) -> int:
    """So many requests of one source; how many of them were only counted."""
    return sum([strangers.fold(address, f"/{number}.php") for number in range(times)])


async def test_the_first_of_a_minute_are_rows_and_the_rest_is_one(strangers, spool, clock):
    assert await ask(strangers, "192.0.2.1", 10) == 0
    assert strangers.timer is None, "nothing to write, nothing to wait for"
    assert await ask(strangers, "192.0.2.1", 312) == 312
    assert await ask(strangers, "192.0.2.2", 10) == 0
    assert spool.lines == []
    clock.now = NOON + 60
    assert await ask(strangers, "192.0.2.1", 1) == 0, "a new minute"
    (event,) = [json.loads(line) for line in spool.lines]
    assert event["detail"] == "and 312 more from this address in the minute from 12:00 UTC, e.g. /311.php"
    assert event["steps"] == [
        {
            "rule": "folded",
            "detail": "312 more from this address in the minute from 12:00 UTC",
            "ok": False,
            "count": 312,
        }
    ]
    assert (event["kind"], event["outcome"], event["status"]) == ("unmatched", "not_found", 404)
    assert (event["source"], event["path"]) == ("192.0.2.1", "/311.php")


async def test_a_scanner_that_stops_gets_its_row_when_the_minute_is_over(strangers, spool, clock, monkeypatch):
    monkeypatch.setattr(folding, "SLACK_SECONDS", 0)
    clock.now = NOON + 59.99
    await ask(strangers, "192.0.2.1", 15)
    assert spool.lines == []
    await asyncio.sleep(0.1)
    assert rows(spool) == [("192.0.2.1", 5)]
    assert strangers.seen == {}


async def test_what_was_counted_is_written_when_the_process_stops(strangers, spool):
    await ask(strangers, "192.0.2.1", 15)
    strangers.close()
    strangers.close()
    assert rows(spool) == [("192.0.2.1", 5)]


async def test_more_sources_than_there_is_room_for_are_one(strangers, spool):
    for number in range(1000):
        await ask(strangers, f"192.0.2.{number}", 11)
    assert len(strangers.seen) == 4
    strangers.close()
    expected = [("192.0.2.0", 1), ("192.0.2.1", 1), ("192.0.2.2", 1), (OTHERS, 997 * 11 - 10)]
    assert rows(spool) == expected
    assert f"from {OTHERS} in the minute" in spool.lines[-1].decode()


async def test_many_rows_are_written_a_few_at_a_time(spool, clock, monkeypatch):
    monkeypatch.setattr(folding, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(folding, "PAUSE_SECONDS", 0)
    strangers = Strangers(Recorder(spool, "r", Masker([]), 4096), rows=1, sources=1000, clock=clock)
    for number in range(1000):
        await ask(strangers, str(number), 2)
    strangers.turn()
    assert len(spool.lines) == 100
    await asyncio.sleep(0.1)
    assert rows(spool) == [(str(number), 1) for number in range(1000)]


async def test_nothing_is_lost_if_the_clock_is_set_back(strangers, spool, clock):
    await ask(strangers, "192.0.2.1", 15)
    clock.now -= 3600
    await ask(strangers, "192.0.2.1", 15)
    strangers.close()
    assert rows(spool) == [("192.0.2.1", 5), ("192.0.2.1", 5)]


# --- through the dispatcher ------------------------------------------------------------------------------------------


@pytest.fixture
def client(clock):
    """Serves the fleet; of strangers only two rows a minute."""
    client = Client(fleet_table(), fleet=("fleet", "secret"))
    client.strangers = Strangers(client.dispatcher.context.recorder, 2, 100, clock)
    client.dispatcher.context.strangers = client.strangers
    return client


@pytest.mark.parametrize("auth", [None, basic("u", "wrong"), basic("", ""), "Bearer x", "Basic"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_strangers_are_folded_and_answered_as_ever(client, auth, method):
    responses = [client.request(method, f"/wp-{number}.php", auth=auth) for number in range(5)]
    assert [response.status for response in responses] == [404] * 5
    assert len({response.body for response in responses}) == 1
    assert [response.event is None for response in responses] == [False, False, True, True, True]
    client.strangers.close()
    event = json.loads(client.spool.lines[-1])
    assert (event["source"], event["steps"][0]["count"], event["path"]) == ("192.0.2.7", 3, "/wp-4.php")


@pytest.mark.parametrize("auth", [basic("u", "p"), basic("u", "p", scheme="basic"), basic("fleet", "secret")])
def test_whoever_has_credentials_of_ours_is_no_stranger(client, auth):
    assert all(client.get("/typo", auth=auth).event for _ in range(5))


def test_credentials_count_as_long_as_they_are_valid(client):
    client.tables.current = build_table({"/new": build_agent("new", credentials=("new", "one"))})
    assert all(client.get("/typo", auth=basic("new", "one")).event for _ in range(5))
    assert [bool(client.get("/typo").event) for _ in range(5)] == [True, True, False, False, False]


@pytest.mark.parametrize("path", ["/pharmacy", "/pharmacy/swaig", "/sip"])
def test_what_reaches_an_agent_or_the_central_sip_route_is_never_folded(client, path):
    for number in range(5):
        assert client.post(path, {"call": {"to": f"sip:{number}@x"}}, auth=None).event
        assert client.post(path, {"call": {"to": f"sip:{number}@x"}}, auth=basic("fleet", "secret")).event


def test_before_there_is_a_table_every_request_is_a_row(client):
    client.tables.current = None
    assert [client.get("/x", auth=None).event["outcome"] for _ in range(5)] == ["starting"] * 5
