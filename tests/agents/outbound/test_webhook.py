"""Webhooks: what is sent, what becomes of the answer, and that no server can harm us or other agents."""

import asyncio
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvloop

from agents.errors import WebhookFailed
from agents.outbound.answer import swaig_answer
from agents.outbound.client import WebhookClient, WebhookLimits
from agents.outbound.transport import LOOKUPS_OF_AGENT
from tests.agents.outbound.webhook_server import (
    CHUNKED,
    HEAD,
    Behaviour,
    Peer,
    after_request,
    always,
    answer,
    flood,
    hang,
    serve,
)

HERE = ("127.0.0.1",)
OK = answer(b'{"response": "Done."}')
DONE = {"response": "Done."}
SECRET = "s3cr3t"
MEGABYTE = 1024 * 1024


@pytest.fixture
async def client():
    """A client that may reach this machine."""
    made = WebhookClient(WebhookLimits(seconds=2, allowed_hosts=HERE))
    yield made
    await made.close()


async def failure(client: WebhookClient, url: str, headers: Mapping[str, str] | None = None, **options: Any) -> str:
    """The message with which a call fails."""
    with pytest.raises(WebhookFailed) as raised:
        await client.post("desk", url, headers or {}, options.pop("body", b"{}"), **options)
    error = raised.value  # a traceback with aiohttp's exceptions would show the URL and the headers
    assert error.__cause__ is None
    assert error.__context__ is None or (error.__suppress_context__ and type(error.__context__) is ValueError)
    return str(raised.value)


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_the_request_is_sent_on_and_the_answer_comes_back(client: WebhookClient) -> None:
    body = b'{"function": "refill",  "argument": {}}'
    async with serve(always(OK)) as server:
        assert await client.post("desk", server.url + "?a=b%20c", {"X-Shop": "7"}, body) == DONE
        (request,) = server.requests
    assert request.line == "POST /hook?a=b%20c HTTP/1.1"
    assert request.body == body
    assert len(request.headers.pop("idempotency-key")) == 32
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "Switchboard",
        "content-length": str(len(body)),
        "x-shop": "7",
    }


async def test_a_repeated_request_has_the_same_idempotency_key_and_another_one_has_not(client: WebhookClient) -> None:
    async with serve(always(OK)) as server:
        for body in (b'{"n": 1}', b'{"n": 1}', b'{"n": 2}'):
            await client.post("desk", server.url, {}, body)
        first, again, other = (request.headers["idempotency-key"] for request in server.requests)
    assert first == again != other


async def test_the_author_s_headers_win_but_for_those_of_the_connection(client: WebhookClient) -> None:
    theirs = {
        "accept": "text/plain",
        "USER-AGENT": "desk",
        "Authorization": f"Bearer {SECRET}",
        "X-E": "é",
    }
    dropped = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Accept-Encoding",
        "Expect",
        "Upgrade",
        "TE",
    ]
    async with serve(always(OK)) as server:
        assert await client.post("desk", server.url, theirs | dict.fromkeys(dropped, "x"), b"{}") == DONE
        headers = server.requests[0].headers
    assert (headers["accept"], headers["user-agent"]) == ("text/plain", "desk")
    assert (headers["authorization"], headers["x-e"]) == (f"Bearer {SECRET}", "é")
    assert (headers["host"], headers["content-length"]) == (f"127.0.0.1:{server.port}", "2")
    assert headers["accept-encoding"] == "identity"
    assert not {"transfer-encoding", "connection", "expect", "upgrade", "te"} & set(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", f"{SECRET}\r\nX-B: 1"),
        ("X-A", f"{SECRET}\n"),
        ("X-A", f"{SECRET}\r"),
        ("X-A", f"{SECRET}\0"),
        ("X-A", f"{SECRET}\x7f"),
        ("X-A", f"{SECRET}€"),
        ("X-A", f"{SECRET}\ud800"),
        (f"X-{SECRET}\r\nX-B", "1"),
        (f"X-{SECRET}: a", "1"),
        (f"X-{SECRET} a", "1"),
        (f"X-{SECRET}é", "1"),
        ("", SECRET),
    ],
)
async def test_a_header_that_http_cannot_carry_fails_before_anything_is_sent(
    client: WebhookClient, name: str, value: str
) -> None:
    async with serve(always(OK)) as server:
        message = await failure(client, server.url, {name: value})
    assert "was not called" in message
    assert SECRET not in message
    assert server.connections == 0


async def test_neither_proxies_nor_cookies_nor_netrc_are_used(
    client: WebhookClient, monkeypatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login a password {SECRET}")
    async with serve(always(answer(b"{}", "200 OK", f"Set-Cookie: a={SECRET}"))) as server, serve(hang) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        for _ in range(2):
            await client.post("desk", server.url, {}, b"{}")
        assert not {"cookie", "authorization"} & set(server.requests[1].headers)
    assert proxy.connections == 0


# --- what becomes of the answer ---------------------------------------------------------------------------------------

HANG_UP = {"hangup": True}
NOTHING = {"response": "Function completed successfully"}
JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response": "a"}, {"response": "a"}),
        ({"response": ""}, {"response": ""}),
        ({"response": "a", "extra": 1, "debug": {}}, {"response": "a"}),
        ({"response": 5}, {"response": "5"}),
        ({"response": 1.5}, {"response": "1.5"}),
        ({"response": True}, {"response": "true"}),
        ({"response": None}, NOTHING),
        ({"response": {"tool_result": "a", "x": 1}}, {"response": {"tool_result": "a"}}),
        ({"response": {"tool_result": "a", "tool_prompt": None}}, {"response": {"tool_result": "a"}}),
        ({"response": (both := {"tool_result": "a", "tool_prompt": "b"})}, {"response": both}),
        ({"response": "a", "action": [HANG_UP]}, {"response": "a", "action": [HANG_UP]}),
        ({"response": "a", "action": HANG_UP}, {"response": "a", "action": [HANG_UP]}),
        ({"response": "a", "action": []}, {"response": "a"}),
        ({"response": "a", "action": {}}, {"response": "a"}),
        ({"response": "a", "action": None}, {"response": "a"}),
        ({"action": [HANG_UP]}, NOTHING | {"action": [HANG_UP]}),
        ({"action": HANG_UP, "post_process": True}, NOTHING | {"action": [HANG_UP], "post_process": True}),
        ({"response": "a", "action": [HANG_UP], "post_process": False}, {"response": "a", "action": [HANG_UP]}),
        ({"response": "a", "action": [HANG_UP], "post_process": "true"}, {"response": "a", "action": [HANG_UP]}),
        ({"response": "a", "post_process": True}, {"response": "a"}),
        ({"action": "created", "id": 7}, {"response": '{"action":"created","id":7}'}),
        ({"price": 7, "name": "é"}, {"response": '{"price":7,"name":"é"}'}),
        ({}, NOTHING),
        ([], {"response": "[]"}),
        ([{"a": 1}, 2], {"response": '[{"a":1},2]'}),
        (7, {"response": "7"}),
        (False, {"response": "false"}),
        (None, NOTHING),
        ("Hello.", {"response": "Hello."}),
    ],
)
def test_json_becomes_a_swaig_answer(body: Any, expected: dict[str, Any]) -> None:
    assert swaig_answer(orjson.dumps(body), JSON) == expected
    assert swaig_answer(b"\xef\xbb\xbf" + orjson.dumps(body) + b"\n", "image/png") == expected


@pytest.mark.parametrize(
    ("body", "content_type", "response"),
    [
        (b"", JSON, NOTHING["response"]),
        (b" \r\n", "", NOTHING["response"]),
        (b" All right.\n", "", "All right."),
        (b"All right.", "text/plain", "All right."),
        (b"OK", "text/html", "OK"),
        (b"OK", JSON, "OK"),
        (b"OK", "application/problem+json; charset=utf-8", "OK"),
        (b"NaN", JSON, "NaN"),
        ("Für 5 €".encode(), "text/plain", "Für 5 €"),
        ("Für Sie".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Für Sie"),
        ("5 €".encode("cp1252"), 'text/plain; charset="windows-1252"', "5 €"),
        ("Für".encode(), "text/plain; charset=klingon", "Für"),
        (b"a" * 4000, "text/plain", "a" * 4000),
        (b'{"response":"F\xfcr"}', "application/json; charset=latin1", "Für"),
    ],
)
def test_a_short_text_becomes_the_response(body: bytes, content_type: str, response: str) -> None:
    assert swaig_answer(body, content_type) == {"response": response}


@pytest.mark.parametrize(
    ("body", "content_type", "problem"),
    [
        (b'{"response": ["a"]}', JSON, '"response" that is neither'),
        (b'{"response": {}}', JSON, '"response" that is neither'),
        (b'{"response": {"tool_result": 1}}', JSON, '"response" that is neither'),
        (b'{"response": {"tool_prompt": "a"}}', JSON, '"response" that is neither'),
        (b'{"response": {"tool_result": "a", "tool_prompt": 1}}', JSON, '"response" that is neither'),
        (b'{"response": "a", "action": "hangup"}', JSON, '"action" that is not'),
        (b'{"response": "a", "action": ["hangup"]}', JSON, '"action" that is not'),
        (b'{"response": "a", "action": [{"a": 1}, {}]}', JSON, '"action" that is not'),
        (b'{"response": "a", "action": 1}', JSON, '"action" that is not'),
        (b'{"response": "a"', JSON, "neither JSON nor"),
        (b'{"response": "\\ud800"}', JSON, "neither JSON nor"),
        (b'"\\ud800"', "", "neither JSON nor"),
        (b'{"response": "\xff"}', JSON, "neither JSON nor"),
        (b"<html>Sorry</html>", "text/html", "neither JSON nor"),
        (b"\n <!doctype html>", "", "neither JSON nor"),
        (b"a" * 4001, "text/plain", "neither JSON nor"),
        (b"a\0b", "text/plain", "neither JSON nor"),
        (b"\x89PNG", "image/png", "neither JSON nor"),
        (b"hello", "application/octet-stream", "neither JSON nor"),
        (b"\xff\xfe", "text/plain", "neither JSON nor"),
        (b"hello", "text/plain; charset=utf-16", None),
        (b'{"response":"a","action":[{"a":' + b"[" * 300 + b"]" * 300 + b"}]}", JSON, "nested too deeply"),
        (b"[" * 300 + b"]" * 300, JSON, "nested too deeply"),
        (b"[" * 2000 + b"]" * 2000, JSON, "neither JSON nor"),
        (b"[" * 200000, JSON, "neither JSON nor"),
    ],
)
def test_anything_else_is_a_failure_that_says_what_is_wrong(
    body: bytes, content_type: str, problem: str | None
) -> None:
    if problem is None:  # an encoding that we do not know is taken for UTF-8
        assert swaig_answer(body, content_type) == {"response": body.decode()}
        return
    with pytest.raises(WebhookFailed, match=problem):
        swaig_answer(body, content_type)


def test_one_action_that_is_just_too_deep_once_it_is_in_a_list_fails() -> None:
    """What is returned can always be written."""
    for levels in range(245, 260):
        body = b'{"response":"a","action":{"a":' + b"[" * levels + b"]" * levels + b"}}"
        try:
            assert orjson.dumps(swaig_answer(body, JSON))
        except WebhookFailed as failed:
            assert "nested too deeply" in str(failed)  # noqa: PT017


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 None", "429 Slow down", "500 Oops", "503 Busy", "101 Up"])
async def test_a_status_that_is_no_success_fails_with_its_number(client: WebhookClient, status: str) -> None:
    async with serve(always(answer(b'{"response": "a"}', status))) as server:
        assert await failure(client, server.url) == f"{server.url} answered {status[:3]}"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ],
)
async def test_an_answer_without_a_body_is_success(client: WebhookClient, data: bytes) -> None:
    async with serve(always(data)) as server:
        assert await client.post("desk", server.url, {}, b"{}") == NOTHING


async def test_a_body_may_come_in_chunks_or_end_with_the_connection(client: WebhookClient) -> None:
    chunks = CHUNKED + b'8\r\n{"respon\r\nf;x=y\r\nse": "Done."}  \r\n0\r\nX-Trailer: 1\r\n\r\n'
    for data in (chunks, HEAD + b'\r\n{"response": "Done."}', OK.replace(b"HTTP/1.1", b"HTTP/1.0")):
        async with serve(after_request(data)) as server:
            assert await client.post("desk", server.url, {}, b"{}") == DONE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_a_compressed_answer_fails(client: WebhookClient, encoding: str) -> None:
    async with serve(always(answer(b"{}", "200 OK", f"Content-Encoding: {encoding}"))) as server:
        assert "answered compressed" in await failure(client, server.url)


async def test_an_answer_may_be_as_large_as_the_limit_and_no_larger(client: WebhookClient) -> None:
    for size, fits in ((256 * 1024, True), (256 * 1024 + 1, False)):
        body = orjson.dumps("a" * (size - 2))
        chunked = CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
        for data in (answer(body), chunked):
            async with serve(always(data)) as server:
                if fits:
                    assert await client.post("desk", server.url, {}, b"{}") == {"response": "a" * (size - 2)}
                else:
                    assert "answered more than 262144 bytes" in await failure(client, server.url)


# --- servers that do harm ---------------------------------------------------------------------------------------------

HUGE = answer(b"").replace(b"Content-Length: 0", b"Content-Length: 2147483648")


async def trickle(peer: Peer) -> None:
    """A byte now and then, for ever."""
    while True:
        await peer.send(b"a")
        await asyncio.sleep(0.02)


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "hangs": (after_request(hang), "timed out after 0.2 seconds"),
    "never reads": (hang, "timed out after 0.2 seconds"),
    "trickles its status": (after_request(trickle), "not HTTP|timed out after"),
    "trickles its headers": (after_request(HEAD + b"X-A: ", trickle), "timed out after 0.2 seconds"),
    "trickles its body": (after_request(HEAD + b"Content-Length: 9999\r\n\r\n", trickle), "timed out after"),
    "trickles chunks": (after_request(CHUNKED + b"1000\r\n", trickle), "timed out after 0.2 seconds"),
    "sends 2 GB": (after_request(HUGE, flood(b"a" * 65536)), "answered more than 262144 bytes"),
    "sends chunks for ever": (after_request(CHUNKED, flood(b"1000\r\n%s\r\n" % (b"a" * 4096))), "answered more than"),
    "sends small chunks for ever": (after_request(CHUNKED, flood(b"1\r\na\r\n")), "incomplete, or endless"),
    "sends one chunk for ever": (after_request(CHUNKED + b"7fffffff\r\n", flood(b"a" * 65536)), "answered more than"),
    "sends a chunk's extension for ever": (after_request(CHUNKED + b"5;", flood(b"a")), "incomplete, or endless"),
    "sends trailers for ever": (after_request(CHUNKED + b"0\r\n", flood(b"X-A: b\r\n")), "not HTTP"),
    "sends until it closes, but never": (after_request(HEAD + b"\r\n", flood(b"a" * 65536)), "answered more than"),
    "sends headers for ever": (after_request(HEAD, flood(b"X-A: b\r\n")), "headers that are too large"),
    "sends one header for ever": (after_request(HEAD + b"X-A: ", flood(b"a")), "headers that are too large"),
    "sends interim answers for ever": (after_request(flood(b"HTTP/1.1 100 Continue\r\n\r\n")), "closed the connection"),
    "sends its status for ever": (after_request(flood(b"a")), "not HTTP"),
    "sends garbage": (after_request(b"SSH-2.0-OpenSSH_9.6\r\n", hang), "not HTTP"),
    "sends a bad length": (after_request(HEAD + b"Content-Length: -1\r\n\r\n", hang), "not HTTP"),
    "sends two lengths": (after_request(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", hang), "not HTTP"),
    "sends a length beyond numbers": (after_request(HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"), "not HTTP"),
    "sends a bad chunk": (after_request(CHUNKED + b"zz\r\n", hang), "not HTTP|incomplete"),
    "closes at once": (after_request(), "closed the connection without an answer"),
    "closes in its headers": (after_request(HEAD + b"X-A"), "closed the connection without an answer"),
    "closes in its body": (after_request(answer(b"{}")[:-1]), "incomplete, or endless"),
    "closes in a chunk": (after_request(CHUNKED + b"9\r\nabc"), "incomplete, or endless"),
    "resets": (after_request(lambda peer: asyncio.sleep(0, peer.writer.transport.abort())), "closed the connection"),
    "switches protocols": (after_request(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", hang), "101"),
}


async def call_hostile(behaviour: Behaviour, seconds: float) -> str:
    """The message of a call to such a server, which has not taken much and leaves no connection behind."""
    client = WebhookClient(WebhookLimits(seconds=seconds, allowed_hosts=HERE))
    try:
        async with serve(behaviour) as server:
            message = await failure(client, server.url + f"?{SECRET}", {"X-A": SECRET}, body=b"a" * 100_000)
            assert message.startswith(server.url + " ")
            assert SECRET not in message
            assert server.sent < 8 * MEGABYTE  # most of it is in the buffers of the kernel
        connector = client.pool.sessions[False].connector
        assert not connector._acquired
        assert not connector._conns
    finally:
        await client.close()
    return message


@pytest.mark.parametrize(("behaviour", "problem"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_server_fails_the_call_and_is_described(behaviour: Behaviour, problem: str) -> None:
    seconds = 0.2 if "timed out" in problem else 10
    assert re.search(problem, await call_hostile(behaviour, seconds))


async def call_all() -> None:
    """All of them at once, beside a webhook that works; the loop is never blocked."""
    longest = 0.0  # CPU seconds of this thread in one go: a busy machine does not count

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            longest = max(longest, time.thread_time() - before)

    async def healthy() -> None:
        client = WebhookClient(WebhookLimits(seconds=5, allowed_hosts=HERE))
        try:
            async with serve(always(OK)) as server:
                for _ in range(30):
                    assert await client.post("good", server.url, {}, b"{}") == DONE
                    await asyncio.sleep(0.01)
        finally:
            await client.close()

    ticking = asyncio.create_task(tick())
    async with asyncio.timeout(30):  # the limit is 0.3 s, but the servers run in this loop as well
        await asyncio.gather(healthy(), *(call_hostile(behaviour, 0.3) for behaviour, _ in HOSTILE.values()))
    ticking.cancel()
    assert longest < 1  # 0.15 in truth, most of it these servers' own


async def test_hostile_servers_all_at_once_do_not_disturb_a_good_one() -> None:
    await call_all()


def test_hostile_servers_all_at_once_do_not_disturb_a_good_one_with_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(call_all())


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_server_that_stops_reading_does_not_keep_the_connection() -> None:
    """Else every call would leave a socket and what is not sent of its body, for as long as the server likes."""
    client = WebhookClient(WebhookLimits(seconds=0.2, allowed_hosts=HERE))
    size = 32 * MEGABYTE  # more than the kernel takes
    listening = socket.create_server(("127.0.0.1", 0))
    with listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert "timed out after 0.2 seconds" in await failure(client, url, body=b"a" * size)
        peer, _ = listening.accept()
        with peer:
            peer.settimeout(2)
            received = 0
            while part := await asyncio.to_thread(peer.recv, 65536):
                received += len(part)
    assert received < size
    await client.close()


async def test_a_failure_shows_no_secret_even_if_the_server_repeats_it(client: WebhookClient) -> None:
    async def echo(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(f"{request.line} {request.headers}\r\n\r\n".encode())

    async with serve(echo) as server:
        message = await failure(client, server.url + f"?key={SECRET}", {"Authorization": SECRET})
    assert message == f"{server.url} answered something that is not HTTP, or with headers that are too large"


async def test_a_url_that_cannot_work_fails_without_being_repeated(client: WebhookClient) -> None:
    message = await failure(client, f"ftp://{SECRET}/")
    assert message == "the webhook cannot be called: the URL has to begin with https:// or http://"


async def test_a_port_where_nobody_listens_fails(client: WebhookClient) -> None:
    async with serve(hang) as server:
        url = server.url
    assert await failure(client, url) == f"{url} cannot be reached: Connection refused"


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_call_too_many_of_an_agent_fails_at_once_and_other_agents_do_not_notice() -> None:
    client = WebhookClient(WebhookLimits(seconds=5, running=3, allowed_hosts=HERE))
    async with serve(after_request(hang)) as slow, serve(always(OK)) as good:
        calls = [asyncio.create_task(client.post("desk", slow.url, {}, b"{}")) for _ in range(3)]
        for _ in calls:
            await slow.arrived.get()
        assert await failure(client, good.url) == "3 calls of this agent's webhooks are running already"
        assert await client.post("other", good.url, {}, b"{}") == DONE
        for call in calls:
            call.cancel()  # the caller hung up
        await asyncio.gather(*calls, return_exceptions=True)
        assert await client.post("desk", good.url, {}, b"{}") == DONE
    assert not client.running
    await client.close()


async def test_a_call_may_have_a_time_of_its_own(client: WebhookClient) -> None:
    async with serve(after_request(hang)) as server:
        assert "timed out after 0.05 seconds" in await failure(client, server.url, seconds=0.05)


async def test_dead_name_servers_of_one_agent_fail_in_time_and_leave_the_others_alone() -> None:
    release = threading.Event()

    def look_up(host: str) -> list[str]:
        if host.startswith("dead"):
            release.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")
        return ["127.0.0.1"]

    client = WebhookClient(WebhookLimits(seconds=0.3, allowed_hosts=HERE), look_up)
    try:
        async with serve(always(OK)) as server:
            names = [f"http://dead{number}.test/" for number in range(LOOKUPS_OF_AGENT + 4)]
            calls = asyncio.gather(*(failure(client, name) for name in names))
            await asyncio.sleep(0.05)
            assert await client.post("other", f"http://api.test:{server.port}/", {}, b"{}") == DONE
            failures = await calls
        late = [message for message in failures if "timed out after 0.3 seconds" in message]
        refused = [message for message in failures if "was not called: 8 other host names" in message]
        assert (len(late), len(refused)) == (LOOKUPS_OF_AGENT, 4)
    finally:
        release.set()
        await client.close()


async def test_a_name_that_nobody_knows_fails(client: WebhookClient) -> None:
    def look_up(host: str) -> list[str]:
        if host == "empty.test":
            return []
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = WebhookClient(WebhookLimits(), look_up)
    for host in ("gone.test", "empty.test"):
        message = await failure(client, f"http://{host}/a?{SECRET}")
        assert message == f"http://{host}/a has a host name that cannot be resolved"
    await client.close()


# --- connections ------------------------------------------------------------------------------------------------------


async def test_a_connection_is_used_again(client: WebhookClient) -> None:
    async with serve(always(OK)) as server:
        for agent in ("desk", "desk", "other"):
            assert await client.post(agent, server.url, {}, b"{}") == DONE
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_the_limit_is_for_each_answer_and_not_for_the_connection(client: WebhookClient) -> None:
    text = "a" * 250_000
    async with serve(always(answer(orjson.dumps(text)))) as server:
        for _ in range(6):
            assert await client.post("desk", server.url, {}, b"{}") == {"response": text}
    assert server.connections == 1


async def closes_second(peer: Peer) -> None:
    """Answers one request; reads the next one and closes, as a server does when an idle connection gets too old."""
    await peer.request()
    await peer.send(OK)
    await peer.request()


async def resets_second(peer: Peer) -> None:
    """As that, but the kernel answers, because the request was not read."""
    await peer.request()
    await peer.send(OK)
    peer.writer.transport.pause_reading()
    await asyncio.sleep(0.1)
    peer.writer.transport.abort()


@pytest.mark.parametrize("behaviour", [closes_second, resets_second])
async def test_a_kept_connection_that_the_server_has_closed_is_replaced_once(
    client: WebhookClient, behaviour: Behaviour
) -> None:
    async with serve(behaviour) as server:
        assert await client.post("desk", server.url, {}, b"1") == DONE
        assert await client.post("desk", server.url, {}, b"2") == DONE
    assert server.connections == 2
    assert len({request.headers["idempotency-key"] for request in server.requests if request.body == b"2"}) == 1


async def test_a_new_connection_that_is_closed_is_not_tried_again(client: WebhookClient) -> None:
    async with serve(after_request()) as server:
        assert "closed the connection without an answer" in await failure(client, server.url)
    assert (server.connections, len(server.requests)) == (1, 1)


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", HEAD + b"Content-Length: 5\r\n\r\n", HEAD + b"X"])
async def test_a_call_that_was_being_answered_is_not_tried_again(client: WebhookClient, begun: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await closes_second(peer)
        await peer.send(begun)

    async with serve(behave) as server:
        assert await client.post("desk", server.url, {}, b"{}") == DONE
        assert "answer" in await failure(client, server.url)
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_an_answer_that_nobody_asked_for_is_not_given_to_the_next_call(client: WebhookClient) -> None:
    told = asyncio.Event()

    async def twice(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.server.connections == 1:
            await asyncio.sleep(0.05)
            await peer.send(answer(b'{"response": "of somebody else"}'))
        told.set()
        await always(OK)(peer)

    async with serve(twice) as server:
        assert await client.post("desk", server.url, {}, b"{}") == DONE
        await told.wait()
        await asyncio.sleep(0.05)
        assert await client.post("other", server.url, {}, b"{}") == DONE
    assert server.connections == 2


async def test_closing_ends_the_calls_that_run_and_refuses_new_ones() -> None:
    client = WebhookClient(WebhookLimits(allowed_hosts=HERE))
    async with serve(after_request(hang)) as server:
        call = asyncio.create_task(failure(client, server.url))
        await server.arrived.get()
        await client.close()
        assert "closed the connection without an answer" in await call
        assert "this process is ending" in await failure(client, server.url)
    await client.close()


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_certificate_that_nobody_trusts_fails(client: WebhookClient, own_certificate: ssl.SSLContext) -> None:
    async with serve(always(OK), tls=own_certificate) as server:
        message = await failure(client, server.url.replace("http:", "https:"))
    assert "has a TLS certificate that is not valid: self-signed certificate" in message
    assert server.requests == []


async def test_a_server_that_does_not_speak_tls_fails(client: WebhookClient) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(OK)

    async with serve(plain) as server:
        assert "cannot be reached: TLS failed" in await failure(client, server.url.replace("http:", "https:"))
    async with serve(hang) as server:
        url = server.url.replace("http:", "https:")
        assert "timed out after 0.2 seconds" in await failure(client, url, seconds=0.2)
