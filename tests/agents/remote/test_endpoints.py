"""Several endpoints of an agent: each call has its own, and one that does not answer is left alone for a while."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import orjson
import pytest

from agents.remote import endpoints as module
from agents.remote.endpoints import FAILURES, PROBE_SECONDS, RETRY_SECONDS, Endpoint, Origin, in_order
from agents.remote.runner import Remotes
from agents.remote.version import RemoteVersion
from agents.stored.functions import SAFE_LINE
from tests.agents.building import URLS
from tests.agents.outbound.webhook_server import Server, after_request, hang, serve
from tests.agents.remote.building import (
    HERE,
    as_answer,
    asked,
    call,
    document,
    made,
    routes,
    serve_all,
    source,
)

CALLS = [f"call-{number}" for number in range(300)]
SWML = {"version": "1.0.0", "sections": {"main": [{"answer": {}}]}}


@pytest.fixture
async def remotes() -> AsyncIterator[Remotes]:
    runner = Remotes(HERE)
    yield runner
    await runner.close()


def endpoint(url: str) -> Endpoint:
    return Endpoint(url, Origin(url, private=False))


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/sales"


async def closed_port() -> int:
    """A port at which nobody listens."""
    async with serve(routes({})) as server:
        return server.port


def own_call(version: RemoteVersion, first: str) -> str:
    """A call whose own endpoint is this one."""
    return next(call_id for call_id in CALLS if in_order(version.endpoints, call_id)[0].url == first)


# --- the choice -------------------------------------------------------------------------------------------------------


def test_calls_stay_where_they_are_and_are_shared_out() -> None:
    three = [endpoint(f"http://10.0.0.{number}/a") for number in range(3)]
    first = {call_id: in_order(three, call_id)[0] for call_id in CALLS}
    assert all(60 < count < 140 for count in Counter(first.values()).values())
    for _ in range(FAILURES):
        three[0].failed("is away")
    after = {call_id: in_order(three, call_id)[0] for call_id in CALLS}
    assert all(after[call_id] is first[call_id] for call_id in CALLS if first[call_id] is not three[0])
    assert {after[call_id] for call_id in CALLS if first[call_id] is three[0]} == set(three[1:])
    three[0].alive()
    assert {call_id: in_order(three, call_id)[0] for call_id in CALLS} == first


def test_any_call_id_can_be_hashed() -> None:
    two = [endpoint("http://10.0.0.1"), endpoint("http://10.0.0.2")]
    assert all(len(in_order(two, call_id)) == 2 for call_id in ("", "\ud800", "x" * 10_000))


def test_errors_of_its_own_leave_an_endpoint_half_open_after_a_probe() -> None:
    one = endpoint("http://10.0.0.1/a")
    one.failed("answers 500", answered=True)
    assert not one.ails, "once is chance"
    for _ in range(FAILURES - 1):
        one.failed("answers 500", answered=True)
    assert (one.is_open, one.ails) == (True, True)
    one.alive()
    assert (one.is_open, one.ails) == (False, True)
    one.failed("answers 500", answered=True)
    assert one.is_open
    one.good()
    assert (one.is_open, one.ails, one.problem) == (False, False, "")


def test_a_server_is_probed_when_nothing_was_heard_of_it() -> None:
    origin = Origin("http://10.0.0.1", private=False, probed_at=100)
    assert not origin.is_due(100 + PROBE_SECONDS - 1, ailing=False)
    assert origin.is_due(100 + PROBE_SECONDS, ailing=False)
    assert origin.is_due(100 + RETRY_SECONDS, ailing=True)
    origin.good_at = 120
    assert not origin.is_due(100 + PROBE_SECONDS, ailing=False)


# --- what is asked of whom --------------------------------------------------------------------------------------------


async def test_a_refused_connection_sends_a_function_to_the_next_endpoint(remotes: Remotes) -> None:
    async with serve(routes({"/sales/swaig": as_answer({"response": "Done."})})) as server:
        dead = f"http://127.0.0.1:{await closed_port()}/sales"
        version = made(remotes, source(dead, url_of(server)))
        answered = await version.answer(call("hours", call_id=own_call(version, dead)))
    assert orjson.loads(answered.body) == {"response": "Done."}
    assert answered.detail == f"by {url_of(server)}"


async def test_a_function_is_not_run_twice(remotes: Remotes) -> None:
    async with serve(after_request()) as closing, serve(routes({})) as other:
        version = made(remotes, source(url_of(closing), url_of(other)))
        answered = await version.answer(call("hours", call_id=own_call(version, url_of(closing))))
        assert orjson.loads(answered.body) == {"response": SAFE_LINE}
        assert answered.detail == f"{url_of(closing)} closed the connection without an answer"
        assert not other.requests


@pytest.mark.parametrize(
    "behaviour", [after_request(), after_request(hang), routes({"/sales": as_answer({}, "503 No")})]
)
async def test_a_document_is_asked_for_at_the_next_endpoint(remotes: Remotes, behaviour) -> None:
    async with serve(behaviour) as bad, serve(routes({"/sales": as_answer(SWML)})) as good:
        version = made(remotes, source(url_of(bad), url_of(good), document_seconds=1))
        answered = await version.answer(asked("", {"call": {}}, call_id=own_call(version, url_of(bad))))
        assert (orjson.loads(answered.body), answered.outcome) == (SWML, "ok")
        assert len(bad.requests) == 1


async def test_an_endpoint_that_fails_is_left_alone_until_its_server_answers_a_probe(remotes: Remotes) -> None:
    port = await closed_port()
    version = made(remotes, source(f"http://127.0.0.1:{port}/sales"))
    serve_all(remotes, version)
    for _ in range(FAILURES):
        assert "Connection refused" in (await version.answer(call("hours"))).detail
    (one,) = version.endpoints
    assert one.is_open
    trouble = remotes.troubles()["booking-desk"]
    assert trouble.state == "down"
    assert trouble.detail == f"http://127.0.0.1:{port}/sales cannot be reached: Connection refused"
    assert trouble.since == one.since
    assert "since" in (await version.answer(call("hours"))).detail, "nobody is asked"
    one.origin.probed_at = time.monotonic() - RETRY_SECONDS
    await remotes.probe_due(asyncio.Semaphore(1))
    assert one.is_open, "still nobody there"


async def test_a_probe_that_is_answered_closes_the_circuit(remotes: Remotes) -> None:
    async with serve(routes({"/health": as_answer({"detail": "no"}, "404 No")})) as server:
        version, other = (made(remotes, source(url_of(server)), agent=name) for name in ("a", "b"))
        serve_all(remotes, version, other)
        for endpoints in (version.endpoints, other.endpoints):
            for _ in range(FAILURES):
                endpoints[0].failed("is away")
        assert set(remotes.troubles()) == {"a", "b"}
        origin = version.endpoints[0].origin
        origin.probed_at = time.monotonic() - RETRY_SECONDS
        await remotes.probe_due(asyncio.Semaphore(1))
        assert remotes.troubles() == {}
        assert [request.line for request in server.requests] == ["GET /health HTTP/1.1"], "one for both agents"
        assert "authorization" not in server.requests[0].headers
        await remotes.probe_due(asyncio.Semaphore(1))
        assert len(server.requests) == 1, "not due"


async def test_some_endpoints_in_trouble_are_shaky(remotes: Remotes) -> None:
    version = made(remotes, source("http://127.0.0.1:1/a", "http://127.0.0.1:2/a"))
    serve_all(remotes, version)
    for _ in range(FAILURES):
        version.endpoints[1].failed("is away")
    trouble = remotes.troubles()["booking-desk"]
    assert (trouble.state, trouble.away) == ("shaky", ("http://127.0.0.1:2/a",))
    assert trouble.as_plain()["away"] == ["http://127.0.0.1:2/a"], (
        "as JSON keeps it, so that heartbeats can be compared"
    )
    remotes.follow([])
    assert remotes.troubles() == {}
    assert not remotes.endpoints


async def test_refused_credentials_are_a_trouble_but_no_failure(remotes: Remotes) -> None:
    async with serve(routes({"/sales": as_answer({}, "401 No")})) as server:
        version = made(remotes, source(url_of(server)))
        serve_all(remotes, version)
        await version.answer(asked())
        assert not version.endpoints[0].failures
        assert "rejected our credentials (401)" in remotes.troubles()["booking-desk"].detail


async def test_a_missing_sub_path_is_no_trouble(remotes: Remotes) -> None:
    async with serve(routes({})) as server:
        version = made(remotes, source(url_of(server)))
        serve_all(remotes, version)
        assert (await version.answer(call("hours"))).outcome == "error"
        assert remotes.troubles() == {}
        assert (await version.answer(asked())).outcome == "error"
        assert "has no agent at this path (404)" in remotes.troubles()["booking-desk"].detail


async def test_versions_of_an_agent_know_the_same_of_an_endpoint(remotes: Remotes) -> None:
    first = made(remotes, source("http://127.0.0.1:1/a"))
    second = made(remotes, source("http://127.0.0.1:1/a", seconds=5), number=2)
    private = made(remotes, source("http://127.0.0.1:1/a", found={"private": True}), number=3)
    assert first.endpoints == second.endpoints
    assert first.endpoints[0].origin is not private.endpoints[0].origin


async def test_the_prober_begins_and_ends(remotes: Remotes, monkeypatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0)
    async with serve(routes({})) as server:
        serve_all(remotes, made(remotes, source(url_of(server))))
        remotes.start()
        assert (await server.arrived.get()).line == "GET /health HTTP/1.1"
        assert remotes.watching is not None
        await remotes.close()
        assert remotes.watching.cancelled()


# --- the last document ------------------------------------------------------------------------------------------------


async def test_the_last_document_is_served_while_the_server_is_away(remotes: Remotes) -> None:
    async with serve(routes({})) as placeless:
        port = placeless.port
    async with serve(routes({"/sales": as_answer(document(port))})) as server:
        version = made(remotes, source(url_of(server), keep_last_document=True))
        forgetful = made(remotes, source(url_of(server)), agent="other")
        good = await version.answer(asked())
        await forgetful.answer(asked())
    stale = await version.answer(asked())
    assert (stale.status, stale.body, stale.outcome) == (200, good.body, "fallback")
    assert stale.detail.startswith("the last document, of 08:00:00 UTC: http://127.0.0.1:")
    assert (await forgetful.answer(asked())).outcome == "error"
    elsewhere = asked(urls=URLS._replace(own=b"https://u:p@other.example.com/x"))
    assert b"https://u:p@other.example.com/x/swaig/" in (await version.answer(elsewhere)).body


async def test_a_proxy_that_says_that_nobody_is_there_is_believed(remotes: Remotes) -> None:
    said = as_answer(SWML)
    async with serve(routes({"/sales": lambda _query, _body: said})) as server:
        version = made(remotes, source(url_of(server), keep_last_document=True))
        assert (await version.answer(asked())).outcome == "ok"
        said = as_answer(b"Bad Gateway", "502 Bad Gateway")
        stale = await version.answer(asked())
    assert (orjson.loads(stale.body), stale.outcome) == (SWML, "fallback")
    assert "failed (502)" in stale.detail


async def test_an_answer_that_is_no_document_is_not_hidden_by_the_last_one(remotes: Remotes) -> None:
    said = as_answer(SWML)
    async with serve(routes({"/sales": lambda _query, _body: said})) as server:
        version = made(remotes, source(url_of(server), keep_last_document=True))
        assert (await version.answer(asked())).outcome == "ok"
        said = as_answer({"detail": "no"}, "404 No")
        assert (await version.answer(asked())).outcome == "error"
