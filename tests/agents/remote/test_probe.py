"""What is learnt of a remote agent when it is registered, and what refuses it."""

import asyncio
import hashlib
import hmac
import ssl
from typing import Any

import orjson
import pytest

from agents.errors import UnusableSource
from agents.remote.probe import Probe, Probed, Reach, probe
from agents.remote.source import RemoteSource
from agents.sources import FoundFunction
from tests.agents.outbound.webhook_server import Behaviour, Server, after_request, hang, serve
from tests.agents.remote.building import PASSWORD, UPSTREAM, USER, as_answer, document, own, routes

INSIDE = Reach(("127.0.0.1",))
CREDENTIALS = (USER, PASSWORD)
INITIALIZED = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}}


def look(*urls: str, reach: Reach = INSIDE, upstream: tuple[str, str] | None = CREDENTIALS, **words: Any) -> Probed:
    """A look, from within an event loop, as the dashboard's may be."""
    private = words.pop("may_be_private", False)
    source = RemoteSource(url=urls[0], more_urls=list(urls[1:]), **words)
    return probe(source, upstream, reach, may_be_private=private)


async def looked(behaviour: Behaviour, **words: Any) -> tuple[Server, Probed]:
    """A look at a server's /sales."""
    async with serve(behaviour) as server:
        return server, await asyncio.to_thread(look, f"http://127.0.0.1:{server.port}/sales", **words)


async def problem(behaviour: Behaviour, **words: Any) -> str:
    """Why a server is refused."""
    with pytest.raises(UnusableSource) as refused:
        await looked(behaviour, **words)
    text = str(refused.value)
    assert PASSWORD not in text
    return text


def serving(found: dict[str, Any], **others: Any) -> Behaviour:
    return routes({"/sales": as_answer(found), **others})


async def test_what_is_found() -> None:
    port = 4711
    functions = document(port)["sections"]["main"][1]["ai"]["SWAIG"]["functions"]
    functions += [
        {"function": "weather", "data_map": {"webhooks": []}},
        {"function": "crm", "web_hook_url": "https://crm.example.com/swaig/"},
        "nonsense",
    ]
    found = document(port, "", post_prompt_url=own(4712, "/post_prompt/?__token=T"))
    found["sections"]["main"][1]["ai"]["SWAIG"]["functions"] = functions
    server, probed = await looked(serving(found, **{"/sales/mcp": as_answer(INITIALIZED)}))
    assert probed.source.found.functions == {
        "price": FoundFunction(description="What it costs", parameters={"type": "object", "properties": {}}),
        "hours": FoundFunction(description="When", parameters={"type": "object", "properties": {}}, secure=False),
        "weather": FoundFunction(secure=False, runs_here=False),
        "crm": FoundFunction(secure=False, runs_here=False),
    }
    assert probed.source.found.mcp
    assert probed.source.found.origins == ["http://127.0.0.1:4711", "http://127.0.0.1:4712"]
    assert not probed.source.found.private
    assert probed.warnings == []
    posted, shown, mcp = server.requests
    assert [posted.line.split()[:2], shown.line.split()[:2]] == [["POST", "/sales"], ["GET", "/sales"]]
    assert orjson.loads(posted.body)["call"]["call_id"].startswith("registration-")
    assert posted.headers["authorization"] == "Basic dXA6czNjcjN0L3BAc3M="
    assert orjson.loads(mcp.body)["method"] == "initialize"


async def test_a_server_without_credentials_is_known_by_its_callback_paths() -> None:
    text = orjson.dumps(document(4711)).replace(f"{UPSTREAM}@".encode(), b"")
    found = orjson.loads(text)
    _, probed = await looked(serving(found), upstream=None)
    assert probed.source.found.origins == ["http://127.0.0.1:4711"]
    assert not probed.source.found.mcp


async def test_tokens_give_away_a_server_behind_somebody_elses_credentials() -> None:
    found = orjson.loads(orjson.dumps(document(4711)).replace(UPSTREAM.encode(), b"inner:pair"))
    _, probed = await looked(serving(found))
    assert probed.source.found.origins == ["http://127.0.0.1:4711"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (as_answer({"error": "x"}, "401 No"), "rejects this user and password (401): give those of its server"),
        (as_answer({"error": "x"}, "403 No"), "if it checks signatures"),
        (as_answer({"error": "x"}, "500 No"), "failed (500): its own log says why"),
        (as_answer({"error": "x"}, "418 No"), "answered 418"),
        (
            as_answer(b"", "308 No", "Location: /x"),
            "a redirect, which is not followed: register the URL where it leads",
        ),
        (as_answer(b"<html>"), "answered something that is not JSON: is this the URL of an agent?"),
        (as_answer({"error": "Path not found"}), 'no SWML document, which has "sections" with "main" (Path not found)'),
        (as_answer({"x": "y" * 600_000}), "answered more than 524288 bytes"),
        (b"nonsense\r\n\r\n", "answered something that is not HTTP"),
    ],
)
async def test_what_is_no_agent_is_refused(data: bytes, words: str) -> None:
    assert words in await problem(routes({"/sales": data}))


async def test_a_missing_agent_is_refused_with_what_there_is() -> None:
    health = as_answer({"status": "ok", "routes": ["/sells", ""]})
    assert "(404): its server has /sells, /" in await problem(routes({"/health": health}))
    assert (await problem(routes({"/health": as_answer([1])}))).endswith("has no agent at this path (404)")


async def test_credentials_are_asked_for() -> None:
    asked = await problem(routes({"/sales": as_answer({}, "401 No")}), upstream=None)
    assert "asks for a user and a password (401)" in asked


async def test_a_server_that_is_not_there_is_refused() -> None:
    assert "timed out after 0.05 seconds" in await problem(after_request(hang), document_seconds=0.05)
    assert "closed the connection" in await problem(after_request())
    async with serve(routes({})) as gone:
        url = f"http://127.0.0.1:{gone.port}/sales"
    with pytest.raises(UnusableSource, match="cannot be reached: Connection refused"):
        look(url)
    with pytest.raises(UnusableSource, match="has a host name that cannot be resolved"):
        look("http://nobody.invalid/sales")


async def test_a_certificate_must_be_valid(own_certificate: ssl.SSLContext) -> None:
    async with serve(routes({}), tls=own_certificate) as server:
        with pytest.raises(UnusableSource, match="has a TLS certificate that is not valid"):
            await asyncio.to_thread(look, f"https://127.0.0.1:{server.port}/sales")


async def test_addresses_inside_are_for_those_who_may() -> None:
    behaviour = serving(document(4711))
    assert "is not a public address: an Admin may register it, or WEBHOOK_ALLOWED_HOSTS" in await problem(
        behaviour, reach=Reach()
    )
    _, probed = await looked(behaviour, reach=Reach(), may_be_private=True)
    assert probed.source.found.private
    _, probed = await looked(behaviour, may_be_private=True)
    assert not probed.source.found.private, "the operator allows it anyway"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "100.100.100.200", "[fd00:ec2::254]", "0.0.0.0"])
def test_metadata_services_are_for_nobody(host: str) -> None:
    with pytest.raises(UnusableSource, match="which is not a public address: WEBHOOK_ALLOWED_HOSTS can allow it"):
        look(f"http://{host}/sales", reach=Reach(), may_be_private=True)


async def test_a_callback_that_could_not_be_replaced_is_refused() -> None:
    found = document(4711)
    found["sections"]["main"][1]["ai"]["SWAIG"]["functions"][0]["web_hook_url"] = own(4711, "/tools/price")
    refused = await problem(serving(found))
    assert "wants the function price to be called at /tools/price of its own server" in refused


async def test_a_document_that_shows_its_password_is_refused() -> None:
    refused = await problem(serving(document(4711, global_data={"debug": PASSWORD})))
    assert "in a form that cannot be replaced" in refused


async def test_files_on_the_server_are_a_warning() -> None:
    found = document(4711, "/sales")
    found["sections"]["main"].insert(0, {"play": {"url": "http://127.0.0.1:4711/hold.mp3"}})
    _, probed = await looked(serving(found))
    assert "which is not served here: /hold.mp3" in probed.warnings[0]


async def test_a_document_that_cannot_be_had_by_get_is_a_warning() -> None:
    behaviour = routes({"POST /sales": as_answer(document(4711)), "GET /sales": as_answer({}, "405 No")})
    _, probed = await looked(behaviour)
    assert "answers GET with 405" in probed.warnings[0]


async def test_endpoints_must_be_alike() -> None:
    bare = {"version": "1.0.0", "sections": {"main": []}}
    async with (
        serve(serving(document(4711), **{"/sales/mcp": as_answer(INITIALIZED)})) as one,
        serve(serving(bare)) as other,
    ):
        urls = [f"http://127.0.0.1:{server.port}/sales" for server in (one, other)]
        probed = await asyncio.to_thread(look, *urls)
        assert "do not have the same functions: hours, price" in probed.warnings[0]
        assert "offers MCP" in probed.warnings[1]
        assert not probed.source.found.mcp
    with pytest.raises(UnusableSource, match="Connection refused"):
        look(*urls)


async def test_functions_that_are_described_at_length_are_known_by_name() -> None:
    found = document(4711)
    functions = found["sections"]["main"][1]["ai"]["SWAIG"]["functions"]
    functions[0]["parameters"] = {"x": "y" * 300_000}
    _, probed = await looked(serving(found))
    assert probed.warnings == ["its functions are described at such length that only their names are kept"]
    assert probed.source.found.functions["price"] == FoundFunction()


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://agents.example.com/sales", True),
        ("https://agents.example.com/sales", False),
        ("http://agents.internal/sales", False),
        ("http://10.0.0.5/sales", False),
    ],
)
def test_passwords_that_cross_the_internet_in_clear_are_a_warning(url: str, warned: bool) -> None:
    look_at = Probe(RemoteSource(url=url), UPSTREAM, Reach(("*.internal", "10.0.0.0/8")))
    assert bool(look_at.in_clear(url)) is warned


async def test_a_server_that_checks_signatures_is_asked_with_one() -> None:
    key = "PSK-code"
    server, _ = await looked(serving(document(4711)), reach=Reach(("127.0.0.1",), key))
    posts = [request for request in server.requests if request.line.startswith("POST ")]
    assert posts
    for request in posts:
        url = f"http://127.0.0.1:{server.port}{request.line.split()[1]}"
        expected = hmac.new(key.encode(), url.encode() + request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-signalwire-sha256-signature"] == expected
        assert key not in str(request)


@pytest.mark.parametrize(
    ("data", "about"),
    [
        (as_answer({}, "401 No"), "credentials"),
        (as_answer({}, "404 No"), "path"),
        (as_answer({"error": "x"}), "document"),
        (as_answer({}, "500 No"), ""),
    ],
)
async def test_what_is_wrong_with_a_server_is_a_fact(data: bytes, about: str) -> None:
    with pytest.raises(UnusableSource) as refused:
        await looked(routes({"/sales": data}))
    assert refused.value.about == about
