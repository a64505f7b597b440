import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import logging
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.definition import AgentDefinition
from agents.models import Agent
from agents.safe_answers import SAFE_DOCUMENT
from agents.stored.functions import SAFE_LINE
from agents.stored.version import DENIED, StoredVersion
from registry.actions import agents, pauses, routes
from registry.routing.http import DISCARDED, Http
from registry.routing.public_url import PublicUrl
from tests.client import HTTP, NOW, Client, basic
from tests.registry.building import build_agent, build_table, fleet_table

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
}
KEY = "PSK_key"
SLOT = {"function": "find_slot", "call_id": "C1", "argument": {"parsed": [{"day": "Monday"}]}}


@pytest.fixture
def by_hand():
    """A client for the fleet without a database."""
    return Client(fleet_table())


def path_of(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2]


def hook(client: Client, call_id: str = "C1", route: str = "/clinic/booking") -> str:
    """Path and query of the first function's web hook in the document for this call."""
    return path_of(client.get(f"{route}?call_id={call_id}").ai["SWAIG"]["functions"][0]["web_hook_url"])


def is_safe(response) -> bool:
    return response.status == 200 and response.body == SAFE_DOCUMENT


def test_what_comes_with_a_get_as_its_body_goes_to_no_agent_in_the_lane_either():
    bodies = []

    class Version(StoredVersion):
        at_once = None

        def answer(self, request):
            bodies.append(request.sent.raw)
            return super().answer(request)

    agent = build_agent("booking-desk")
    live = Version(1, AgentDefinition.read({"prompt": {"text": "x"}}), agent.key, {})
    client = Client(build_table({"/a": replace(agent, live=live)}))
    assert client.get("/a", content=b'{"x": 1}').status == 200
    assert client.post("/a", content=b"{}").status == 200
    assert bodies == [b"", b"", b"", b"{}", b"{}", b"{}"]  # asked both ways


# --- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/clinic/booking", "/clinic/booking/", "/clinic/booking/debug", "/clinic/booking//debug"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_agent_serves_its_document_at_its_route(client, method, path):
    response = client.request(method, f"{path}?call_id=C1")
    assert response.status == 200
    assert response.headers == {
        "content-type": "application/json",
        "content-length": str(len(response.body)),
        **SECURITY,
    }
    functions = response.ai["SWAIG"]["functions"]
    assert functions[0]["web_hook_url"].startswith("http://u:p@voice.example.com/clinic/booking/swaig/?__token=")
    event = response.event
    assert (event["kind"], event["route"], event["agent"], event["version"]) == (
        "swml",
        "/clinic/booking",
        "booking-desk",
        1,
    )
    assert (event["status"], event["outcome"], event["call_id"]) == (200, "ok", "C1")
    assert [step["rule"] for step in event["steps"]] == ["route", "version"]
    assert event["source"] == "192.0.2.7"
    assert 0 <= event["microseconds"] < 5_000_000
    assert event["response"] is None, "a document can be had again, from its version"


def test_a_function_can_be_called_at_the_url_of_the_document(client):
    url = client.get("/clinic/booking?call_id=C1").ai["SWAIG"]["functions"][0]["web_hook_url"]
    response = client.swaig(url, "find_slot", day="Monday")
    assert response.json == {"response": "On Monday we have 9:30 and 14:00."}
    assert (response.event["kind"], response.event["function"], response.event["outcome"]) == (
        "swaig",
        "find_slot",
        "ok",
    )
    assert response.event["response"] == response.json
    assert client.post(path_of(url).replace("/swaig/", "/swaig"), SLOT).json == response.json
    for wrong in (
        path_of(url).replace("C", "D"),
        "/clinic/booking/swaig",
        "/clinic/booking/swaig?__token=x",
        path_of(url)[:-2],
    ):
        if wrong != path_of(url):
            denied = client.post(wrong, {**SLOT, "call_id": "C2"})
            assert (denied.status, denied.body, denied.event["outcome"]) == (200, DENIED, "denied")


def test_the_event_of_a_call_says_which_arguments_were_converted_and_has_them_as_they_came(client):
    url = client.get("/clinic/booking?call_id=C1").ai["SWAIG"]["functions"][0]["web_hook_url"]
    for _ in range(2):  # also when there is a plan for right ones
        response = client.swaig(url, "find_slot", day=5)
        assert response.json["response"].startswith("On 5 we have")
        assert (response.event["outcome"], response.event["detail"]) == ("ok", "converted: day (integer to text)")
        assert response.event["request"]["argument"]["parsed"] == [{"day": 5}]
        assert client.swaig(url, "find_slot", day="5").event["detail"] == ""


def test_wrong_arguments_are_an_answer_that_names_them(client):
    url = client.get("/clinic/booking?call_id=C1").ai["SWAIG"]["functions"][0]["web_hook_url"]
    response = client.swaig(url, "find_slot", day=[5])
    assert response.status == 200
    assert "day" in response.json["response"]
    assert response.event["outcome"] == "invalid_arguments"


def test_a_summary_is_taken_with_its_token_only(client):
    path = path_of(client.get("/clinic/booking?call_id=C1").ai["post_prompt_url"])
    body = {"call_id": "C1", "summary": "booked"}
    response = client.post(path, body)
    assert (response.status, response.json, response.event["kind"]) == (200, {"success": True}, "post_prompt")
    assert response.event["request"] == body
    assert client.post("/clinic/booking/post_prompt", body).status == 403
    assert client.post(path, {"call_id": "C2"}).status == 403
    assert client.post(path + "&call_id=C2", body).status == 400


def test_no_token_and_no_password_reaches_the_log(client):
    response = client.get("/clinic/booking?call_id=C1")
    url = response.ai["SWAIG"]["functions"][0]["web_hook_url"]
    token = url.partition("__token=")[2]
    client.post(path_of(url), {**SLOT, "url": url, "headers": [{"name": "Authorization", "value": basic("u", "p")}]})
    client.post(f"/clinic/booking/debug_events?__token={token}", {"see": url, "password": "hunter2"})
    log = b"".join(client.spool.lines)
    for secret in (token, "u:p@", "hunter2", basic("u", "p").partition(" ")[2]):
        assert secret.encode() not in log


# --- methods and paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/nobody", "/nobody/swaig", "//info", "/INFO", "/info/x", "/info/swaig/x", "/sip/x", "/\0", "/\u20ac"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_what_is_nobodys_is_404_in_any_method(by_hand, method, path):
    response = by_hand.request(method, path, auth=None)
    assert (response.status, response.event["outcome"], response.event["kind"]) == (404, "not_found", "unmatched")
    assert response.body == (b"" if method == "HEAD" else b'{"detail":"Not Found"}')
    assert SECURITY.items() <= response.headers.items()


def test_a_browser_at_the_root_is_sent_to_the_dashboard_unless_an_agent_is_there(by_hand):
    response = by_hand.get("/", auth=None, headers={"accept": "text/html,*/*"})
    assert (response.status, response.headers["location"], response.body) == (307, "/dashboard/", b"")
    root = Client(build_table({"/": build_agent("root")}))
    assert root.get("/", headers={"accept": "text/html"}).ai["prompt"]["text"] == "I am root."


def test_the_root_agent_has_working_urls():
    table = build_table(
        {
            "/": build_agent(
                "root",
                versions={
                    1: {
                        "prompt": {"text": "a"},
                        "functions": {"go": {"description": "Go", "handler": {"reply": "Gone."}}},
                    }
                },
            )
        }
    )
    client = Client(table)
    url = client.get("/?call_id=C1").ai["SWAIG"]["functions"][0]["web_hook_url"]
    assert url.startswith("http://u:p@voice.example.com/swaig/?__token=")
    assert client.swaig(url, "go").json == {"response": "Gone."}


@pytest.mark.parametrize("path", ["/info", "/info/", "/info/swaig", "/info/post_prompt"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"])
def test_other_methods_are_405_with_those_that_work(by_hand, method, path):
    response = by_hand.request(method, path)
    assert (response.status, response.json) == (405, {"detail": "Method Not Allowed"})
    assert {word.strip() for word in response.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}
    assert response.event["outcome"] == "refused"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_central_sip_is_for_post_alone(by_hand, method):
    response = by_hand.request(method, "/sip")
    assert (response.status, response.headers["allow"]) == (405, "POST")


def test_debug_events_are_for_post_alone(by_hand):
    response = by_hand.get("/info/debug_events")
    assert (response.status, response.json, response.headers["allow"]) == (405, {"error": "POST required"}, "POST")
    assert by_hand.post("/info/debug_events", {"label": "x"}).json == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/info", "/clinic/booking/", "/nobody", "/info/mcp", "/info/check_for_input?conversation_id=a"]
)
def test_head_is_get_without_a_body(by_hand, path):
    asked, head = by_hand.get(path), by_hand.request("HEAD", path)
    assert (head.status, head.body) == (asked.status, b"")
    assert head.headers["content-length"] == asked.headers["content-length"]


def test_a_starting_server_is_503_and_not_the_agents_fault():
    response = Client(None).get("/info")
    assert (response.status, response.headers["retry-after"]) == (503, "1")
    assert (response.event["status"], response.event["outcome"], response.event["path"]) == (503, "starting", "/info")


def test_no_agent_offers_mcp(by_hand):
    assert by_hand.post("/info/mcp", {}).status == 404
    assert by_hand.post("/info/mcp", {}, auth=None).status == 401


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff\xfe",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\0",
        b"1" * 5000,
    ],
)
def test_a_body_that_is_no_json_is_400(by_hand, content):
    for path in ("/info", "/info/debug", "/info/sip", "/info/debug_events"):
        response = by_hand.post(path, content=content)
        assert (response.status, response.json, response.event["outcome"]) == (
            400,
            {"error": "Invalid JSON"},
            "invalid",
        )
    response = by_hand.post("/clinic/booking/swaig", content=content)
    assert (response.status, response.json) == (400, {"error": "Missing function name"})
    assert by_hand.post("/clinic/booking/post_prompt", content=content).status == 403
    response = by_hand.post("/info/check_for_input", content=content)
    assert (response.status, response.json) == (400, {"error": "Invalid JSON in request body"})
    assert by_hand.post("/sip", content=content, auth=basic("u", "p")).status == 401


@pytest.mark.parametrize("body", [[], [1], "text", 5, 1.5, True, False])
def test_a_body_that_is_no_object_is_400(by_hand, body):
    for path in ("/info", "/info/debug_events"):
        assert by_hand.post(path, body).json == {"error": "Body must be a JSON object"}
    assert by_hand.post("/clinic/booking/swaig", body).json == {"error": "Missing function name"}
    assert by_hand.post("/clinic/booking/post_prompt", body).status == 403
    assert by_hand.post("/info/check_for_input", body).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        {"call": None},
        {"call": {}},
        {"call": "x"},
        {"call": []},
        {"call": {"call_id": 5, "to": 5, "from": []}},
        {"call_id": []},
        {"conversation_id": {}},
    ],
)
def test_a_call_of_any_shape_gets_the_document(by_hand, body):
    response = by_hand.post("/info", body)
    assert (response.status, response.event["outcome"], response.event["call_id"]) == (200, "ok", "")
    assert by_hand.post("/info", content=b"").status == 200


@pytest.mark.parametrize("function", [None, "", 5, 1.5, True, [], ["find_slot"], {"a": 1}])
def test_a_function_that_is_no_name_is_400(by_hand, function):
    response = by_hand.post("/clinic/booking/swaig", {"function": function})
    assert (response.status, response.json) == (400, {"error": "Missing function name"})


@pytest.mark.parametrize("function", ["bad-name", "é", "a b", "1a", "a\n", "\x00", "find_slot\x00", "a" * 5000 + "!"])
def test_a_function_of_an_impossible_name_is_400(by_hand, function):
    response = by_hand.post("/clinic/booking/swaig", {"function": function})
    assert response.status == 400
    assert response.json["error"].startswith("Invalid function name format")
    assert len(response.body) < 1000


def test_an_unknown_function_is_said_to_the_model(by_hand):
    response = by_hand.post("/clinic/booking/swaig", {"function": "nope"})
    assert (response.status, response.json) == (200, {"response": "Function 'nope' not found"})
    assert response.event["outcome"] == "not_found"


@pytest.mark.parametrize(
    "argument",
    [
        None,
        5,
        "x",
        [],
        {"parsed": None},
        {"parsed": []},
        {"parsed": [5]},
        {"raw": "{nonsense"},
        {"raw": 5},
        {"raw": "[1]"},
        {"parsed": [None]},
        {"parsed": [[{}]]},
        {"parsed": {"0": {}}},
    ],
)
def test_arguments_of_any_shape_are_answered(client, argument):
    response = client.post(hook(client), {"function": "find_slot", "call_id": "C1", "argument": argument})
    assert response.status == 200
    assert "day" in response.json["response"]


@pytest.mark.parametrize("declared", [str(HTTP.body_bytes + 1), "9" * 5000])
def test_a_body_that_is_declared_too_large_is_refused(by_hand, declared):
    response = by_hand.post("/info", content=b"{}", headers={"content-length": declared})
    assert (response.status, response.headers["connection"]) == (413, "close")
    assert response.json == {"error": "Request body too large"}
    assert (response.event["status"], response.event["outcome"], response.event["request"]) == (413, "invalid", None)


def test_a_body_in_chunks_is_refused_and_only_so_much_of_the_rest_is_taken(by_hand):
    response = by_hand.post("/info", parts=[b"x" * 65536] * 1000)
    assert (response.status, response.headers["connection"]) == (413, "close")
    assert by_hand.received <= (1 + DISCARDED) * HTTP.body_bytes + 2 * 65536


def test_a_refused_sender_cannot_keep_us_waiting(by_hand, monkeypatch):
    monkeypatch.setattr("registry.routing.http.DISCARD_SECONDS", 0.02)
    response = by_hand.post("/info", parts=[b"x" * (HTTP.body_bytes + 1), 5.0, b"x"])
    assert response.status == 413
    response = by_hand.post("/info", parts=[5.0, b"x"], headers={"content-length": str(HTTP.body_bytes + 1)})
    assert response.status == 413


def test_a_large_body_within_the_limit_is_taken_and_cut_off_in_the_log(client):
    body = {"a": "x" * 500_000}
    response = client.post("/info/debug_events", body)
    assert response.status == 200
    assert len(response.event["request"]) < 10_000


def test_a_slow_body_is_given_up():
    impatient = Client(fleet_table(), http=Http(HTTP.body_bytes, 0.02))
    for parts in ([5.0, b"{}"], [b"{", 5.0, b"}"]):
        response = impatient.post("/info", parts=parts)
        assert (response.status, response.headers["connection"], response.event["outcome"]) == (408, "close", "invalid")


def test_a_sender_that_goes_away_gets_nothing_and_is_logged(by_hand):
    response = by_hand.post("/info", parts=[])
    assert response.status == 0
    assert (response.event["outcome"], response.event["status"]) == ("gone", 499)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data", "application/jso"]
)
def test_another_content_type_is_415(by_hand, content_type):
    response = by_hand.post("/info", content=b"{}", headers={"content-type": content_type})
    assert (response.status, response.json) == (415, {"error": "Content-Type must be application/json"})
    assert by_hand.received == 0


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON; charset=utf-8", None])
def test_json_in_any_spelling_is_taken(by_hand, content_type):
    headers = {"content-type": content_type} if content_type else {}
    assert by_hand.post("/info", content=b"{}", headers=headers).status == 200


@pytest.mark.parametrize("depth", [100, 250, 300, 700, 1100])
@pytest.mark.parametrize("space", [b"", b" \n"])
@pytest.mark.parametrize("piece", [b"[%s]", b'{"a":%s}', b'{"password":%s}'])
def test_a_deeply_nested_body_is_answered_and_logged(by_hand, piece, depth, space):
    before, _, after = piece.partition(b"%s")
    deep = before * depth + b"1" + after * depth
    body = b'{"function":"find_slot","call":{"to":"refills"},"argument":{"parsed":[{"day":%s}]}%s}' % (deep, space)
    for path in ("/info", "/clinic/booking/swaig", "/clinic/booking/post_prompt", "/info/debug_events", "/sip"):
        for auth in (basic("u", "p"), basic("u", "x")):
            response = by_hand.post(path, content=body, auth=auth)
            assert response.status in (200, 400, 401, 403)
            assert response.event, "every request is a row"
            assert response.event["outcome"] != "error"


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic dTp",
        "Bearer dTpw",
        "Digest dTpw",
        "Basic " + base64.b64encode(b"up").decode(),
        b"Basic \xff\xfe",
        basic("u", "wrong"),
        basic("wrong", "p"),
        basic("u", ""),
        "basic",
        "Basic dTpw dTpw",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_right_credentials_it_is_401(by_hand, method, header):
    response = by_hand.request(
        method, "/info", auth=None, headers={"authorization": header} if header is not None else {}
    )
    assert (response.status, response.headers["www-authenticate"]) == (401, "Basic")
    assert response.json == {"error": "Unauthorized"}
    assert by_hand.received == 0
    detail = "credentials missing" if header is None else "credentials rejected"
    assert response.event["steps"][-1] == {"rule": "credentials", "detail": detail, "ok": False}
    assert (response.event["agent"], response.event["outcome"]) == ("info-line", "refused")


@pytest.mark.parametrize("header", ["Basic dTpw", "basic dTpw", "BASIC dTpw", "Basic  dTpw "])
def test_the_scheme_of_the_credentials_may_have_any_case(by_hand, header):
    assert by_hand.get("/info", auth=header).status == 200


def test_a_password_of_any_characters_gets_in_and_is_escaped_in_urls():
    agent = build_agent("booking-desk", credentials=("ü", "p@ss/w:rd#1"))
    client = Client(build_table({"/x": agent}))
    assert client.get("/x", auth=basic("ü", "p@ss/w:rd")).status == 401
    response = client.get("/x", auth=basic("ü", "p@ss/w:rd#1", scheme="basic"))
    assert "http://%C3%BC:p%40ss%2Fw%3Ard%231@voice.example.com/x/swaig/" in response.body.decode()


@pytest.mark.parametrize(
    "header", [None, basic("", ""), basic("signalwire", ""), basic("None", "None"), "Basic Og==", ""]
)
def test_where_no_credentials_are_configured_nobody_gets_in(header):
    client = Client(build_table({"/x": build_agent("x", credentials=None)}, {"x": "/x"}))
    headers = {"authorization": header} if header is not None else {}
    assert client.get("/x", auth=None, headers=headers).status == 401
    assert client.post("/x/swaig", {"function": "go"}, auth=None, headers=headers).status == 401
    assert client.post("/sip", {"call": {"to": "x"}}, auth=None, headers=headers).status == 401


# --- signatures ------------------------------------------------------------------------------------------------------


@pytest.fixture
def signing():
    """A client whose agent checks signatures."""
    agent = build_agent("booking-desk", signing_key=KEY)
    return Client(
        build_table({"/sales": agent}, {"sales": "/sales"}), public_url=PublicUrl("https://voice.example.com", [], [])
    )


def sign(
    path: str, content: bytes, *, digest: str = "sha256", base: str = "https://voice.example.com", key: str = KEY
) -> str:
    return hmac.new(key.encode(), f"{base}{path}".encode() + content, digest).hexdigest()


FORMS = [
    ("x-signalwire-sha256-signature", "sha256"),
    ("x-signalwire-signature", "sha1"),
    ("x-twilio-signature", "sha1"),
]
SIGNED_PATHS = [
    "/sales",
    "/sales/",
    "/sales/swaig?a=%20b&__token=x",
    "/sales/post_prompt",
    "/sales/debug",
    "/sales/debug_events",
    "/sales/check_for_input",
    "/sales/sip",
]


@pytest.mark.parametrize(("name", "digest"), FORMS)
@pytest.mark.parametrize("path", SIGNED_PATHS)
def test_every_post_needs_a_signature_that_covers_it(signing, path, name, digest):
    body = b'{"function": "nope", "conversation_id": "a"}'

    def ask(signature, content=body):
        return signing.post(path, content=content, headers={name: signature})

    good = sign(path, body, digest=digest)
    assert ask(good).status in ((403,) if "post_prompt" in path else (200,))
    assert ask(good).json != {"detail": "Forbidden"}
    for bad in (
        sign(path, body + b" ", digest=digest),
        sign(path + "x", body, digest=digest),
        sign(path, b"", digest=digest),
        sign(path, body, digest=digest, key="x"),
        sign(path, body, digest=digest, base="https://evil.org"),
        "",
        "x",
    ):
        response = ask(bad)
        assert (response.status, response.json) == (403, {"detail": "Forbidden"})
        assert response.event["steps"][-1] == {"rule": "signature", "detail": "signature rejected", "ok": False}
    assert ask(good, content=body + b" ").status == 403


@pytest.mark.parametrize("base", ["https://voice.example.com", "https://voice.example.com:443"])
def test_the_default_port_may_be_part_of_what_is_signed(signing, base):
    headers = {"x-signalwire-signature": sign("/sales", b"{}", digest="sha1", base=base)}
    assert signing.post("/sales", content=b"{}", headers=headers).status == 200
    headers = {"x-signalwire-signature": sign("/sales", b"{}", digest="sha1", base=base.replace("443", "80") + ":80")}
    assert signing.post("/sales", content=b"{}", headers=headers).status == 403


def test_a_signature_over_the_url_alone_counts_only_with_the_bodys_digest(signing):
    def ask(path):
        digest = hmac.digest(KEY.encode(), f"https://voice.example.com{path}".encode(), "sha1")
        headers = {"x-signalwire-signature": base64.b64encode(digest).decode()}
        return signing.post(path, content=b"{}", headers=headers).status

    assert ask("/sales") == 403
    assert ask("/sales?bodySHA256=" + hashlib.sha256(b"{}").hexdigest()) == 200
    assert ask("/sales?bodySHA256=" + hashlib.sha256(b"[]").hexdigest()) == 403


def test_a_missing_signature_is_403_before_the_credentials_and_the_body(signing):
    response = signing.post("/sales", content=b"x" * 100, auth=None)
    assert (response.status, response.json, signing.received) == (403, {"detail": "Forbidden"}, 0)
    assert response.event["steps"][-1] == {"rule": "signature", "detail": "signature missing", "ok": False}
    response = signing.post(
        "/sales", content=b"{}", auth=None, headers={"x-signalwire-signature": sign("/sales", b"{}", digest="sha1")}
    )
    assert response.status == 401


def test_asking_for_the_document_by_get_needs_no_signature(signing):
    assert signing.get("/sales").status == 200


def test_central_sip_needs_the_signature_of_whoever_has_the_name(signing):
    body = b'{"call": {"to": "sales"}}'
    assert signing.post("/sip", content=body).status == 403
    headers = {"x-signalwire-sha256-signature": sign("/sip", body)}
    assert signing.post("/sip", content=body, headers=headers).status == 200


def test_central_sip_for_nobody_needs_the_fleets_signature():
    client = Client(
        fleet_table(),
        fleet=("fleet", "secret"),
        fleet_key=KEY,
        public_url=PublicUrl("https://voice.example.com", [], []),
    )
    body, auth = b'{"call": {"to": "nobody"}}', basic("fleet", "secret")
    assert client.post("/sip", content=body, auth=auth).status == 403
    headers = {"x-signalwire-sha256-signature": sign("/sip", body)}
    assert client.post("/sip", content=body, auth=auth, headers=headers).status == 404


# --- under which address ---------------------------------------------------------------------------------------------

FORGED = {
    "x-forwarded-host": "evil.example.org",
    "x-forwarded-proto": "https",
    "x-forwarded-for": "198.51.100.66",
    "forwarded": "host=evil.example.org",
    "x-original-host": "evil.example.org",
    "x-forwarded-port": "666",
    "x-forwarded-prefix": "/evil",
    "x-host": "evil.example.org",
}


@pytest.mark.parametrize(
    "host", ["evil.example.org", "u:p@evil.example.org", "voice.example.com.evil.example.org", "evil.example.org:80"]
)
def test_a_forged_host_is_never_in_a_document_and_the_event_says_so(by_hand, host):
    response = by_hand.get("/clinic/booking", headers={"host": host, **FORGED})
    assert response.status == 200
    assert b"evil" not in response.body
    assert b"198.51" not in response.body
    assert b"//u:p@10.0.0.1:8000/clinic/booking/swaig/" in response.body
    assert response.event["steps"][-1]["rule"] == "host"
    assert response.event["source"] == "192.0.2.7"


def test_forged_headers_leave_no_trace_in_the_next_calls_document(by_hand):
    for _ in range(3):
        by_hand.get("/clinic/booking", headers={"host": "evil.example.org", **FORGED}, auth=None)
        by_hand.get("/clinic/booking", headers={"host": "evil.example.org", **FORGED})
        assert b"//u:p@voice.example.com/clinic/booking/" in by_hand.get("/clinic/booking").body


def test_a_trusted_proxy_may_say_under_which_address():
    proxies = [ipaddress.ip_network("10.0.0.0/8")]
    client = Client(fleet_table(), public_url=PublicUrl("", ["voice.example.com"], proxies))
    headers = {
        "host": "inner",
        "x-forwarded-host": "voice.example.com",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "198.51.100.7",
    }
    response = client.get("/clinic/booking", headers=headers, scope={"client": ("10.2.3.4", 1)})
    assert b"https://u:p@voice.example.com/clinic/booking/" in response.body
    assert response.event["source"] == "198.51.100.7"
    response = client.get("/clinic/booking", headers=headers)
    assert b"voice.example.com" not in response.body


def test_public_url_is_the_address_with_its_prefix():
    client = Client(fleet_table(), public_url=PublicUrl("https://pub.example.com/base", [], []))
    assert (
        b"https://u:p@pub.example.com/base/clinic/booking/swaig/" in client.get("/clinic/booking", headers=FORGED).body
    )


BASE = "https://pub.example.com/voice"


@pytest.fixture
def below() -> Client:
    """Whose PUBLIC_URL has a path."""
    return Client(fleet_table(), public_url=PublicUrl(BASE, [], []), fleet=("u", "p"))


@pytest.mark.parametrize("before", ["", "/voice"])  # a proxy cuts it off, or passes it on
def test_with_a_path_in_public_url_redirects_stay_below_it(below, before):
    html = {"accept": "text/html"}
    assert below.get(f"{before}/", headers=html, auth=None).headers["location"] == "/voice/dashboard/"
    response = below.post(f"{before}/clinic/booking/sip", dial("sip:refills@example.com"))
    assert (response.status, response.headers["location"]) == (307, "/voice/pharmacy")


def test_the_path_of_public_url_may_be_there_and_may_be_cut_off(below):
    bodies = set()
    for path in ("/clinic/booking", "/voice/clinic/booking", "/voice/clinic/booking/", "/clinic/booking/"):
        response = below.post(path, {"call": {"call_id": "C1"}})
        assert (response.status, response.event["agent"]) == (200, "booking-desk"), path
        assert response.event["path"].rstrip("/") == "/clinic/booking"
        bodies.add(response.body)
    assert len(bodies) == 1
    assert b"//u:p@pub.example.com/voice/clinic/booking/swaig/" in bodies.pop()
    assert below.post("/voice/sip", dial("sip:refills@example.com")).event["agent"] == "pharmacy"
    for path in ("/voiceclinic/booking", "/voice/voice/clinic/booking", "/Voice/clinic/booking", "/voice/nobody"):
        assert below.post(path, {}).status == 404, path
    assert below.get("/voice", headers={"accept": "text/html"}, auth=None).status == 307


def test_a_route_that_begins_like_public_url_is_found_as_it_stands():
    table = build_table({"/voice/a": build_agent("one"), "/a": build_agent("two")})
    client = Client(table, public_url=PublicUrl(BASE, [], []))
    assert client.get("/voice/a").event["agent"] == "one"
    assert client.get("/voice/voice/a").event["agent"] == "one"
    assert client.get("/a").event["agent"] == "two"


def test_dashboard_and_probes_below_the_path_are_not_the_dispatchers(below):
    for path in ("/dashboard/", "/voice/dashboard/", "/voice/api/v1/agents", "/voice/static/x", "/voice/ws/page"):
        assert not below.dispatcher.takes(path), path
    for path in ("/voice/sip", "/voice/clinic", "/voice", "/voicedashboard", "/voicedashboard/x"):
        assert below.dispatcher.takes(path), path


@pytest.mark.parametrize("before", ["", "/voice"])
def test_a_signature_covers_the_public_url_whatever_the_proxy_does_with_the_path(before):
    agent = build_agent("booking-desk", signing_key=KEY)
    client = Client(build_table({"/clinic/booking": agent}), public_url=PublicUrl(BASE, [], []))
    body = b'{"call":{"call_id":"C1"}}'
    headers = {"x-signalwire-sha256-signature": sign("/clinic/booking?a=1", body, base=BASE)}
    assert client.post(f"{before}/clinic/booking?a=1", content=body, headers=headers).status == 200


# --- SIP -------------------------------------------------------------------------------------------------------------


def dial(to):
    return {"call": {"to": to, "from": "sip:+1555@h", "call_id": "C9"}}


def test_central_sip_answers_with_the_document_itself(client):
    response = client.post("/sip", dial("<sip:REFILLS@example.com;transport=tcp>"))
    assert (response.status, response.ai["prompt"]["pom"][0]["body"]) == (200, "You take refill orders.")
    assert "//u:p@voice.example.com/pharmacy/swaig/" in response.ai["SWAIG"]["functions"][0]["web_hook_url"]
    event = response.event
    assert (event["kind"], event["agent"], event["route"], event["sip_user"]) == (
        "sip",
        "pharmacy",
        "/pharmacy",
        "refills",
    )
    assert (event["from"], event["to"], event["call_id"]) == (
        "sip:+1555@h",
        "<sip:REFILLS@example.com;transport=tcp>",
        "C9",
    )
    url = response.ai["SWAIG"]["functions"][0]["web_hook_url"]
    assert client.swaig(url, "refill", "C9", number="7").json["response"] == "Refill 7 is ordered."


def test_central_sip_takes_the_fleets_credentials_or_those_of_the_agent_it_leads_to():
    table = build_table(
        {"/a": build_agent("a", credentials=("a", "1")), "/b": build_agent("b", credentials=("b", "2"))},
        {"a": "/a", "b": "/b"},
    )
    client = Client(table, fleet=("fleet", "f"))
    for auth, a, b, nobody in [
        (basic("fleet", "f"), 200, 200, 404),
        (basic("a", "1"), 200, 401, 401),
        (basic("b", "2"), 401, 200, 401),
        (basic("x", "y"), 401, 401, 401),
        (None, 401, 401, 401),
    ]:
        statuses = [client.post("/sip", dial(to), auth=auth).status for to in ("a", "b", "nobody")]
        assert statuses == [a, b, nobody]
    without = Client(table)
    assert [without.post("/sip", dial(to), auth=basic("a", "1")).status for to in ("a", "b", "nobody")] == [
        200,
        401,
        401,
    ]


def test_central_sip_for_nobody_is_404_or_the_default_route_never_silently(client, actor):
    client.dispatcher.context.fleet = client.tables.current.routes["/info"].agent.credentials
    response = client.post("/sip", dial("sip:nobody@h"))
    assert (response.status, response.event["outcome"], response.event["sip_user"]) == (404, "not_found", "nobody")
    routes.set_default_route("/info", by=actor)
    client.reload()
    response = client.post("/sip", dial("sip:nobody@h"))
    assert (response.status, response.event["outcome"], response.event["agent"]) == (200, "fallback", "info-line")
    assert [step["rule"] for step in response.event["steps"]] == ["sip", "default", "route", "version"]


def test_an_agents_own_sip_redirects_or_serves_that_agent_as_a_fallback(client):
    response = client.post("/info/sip", dial("sip:refills@h"))
    assert (response.status, response.headers["location"], response.body) == (307, "/pharmacy", b"")
    assert response.event["outcome"] == "redirect"
    response = client.post("/info/sip", dial("sip:nobody@h"))
    assert (response.status, response.event["outcome"], response.event["agent"]) == (200, "fallback", "info-line")
    response = client.get("/info/sip")
    assert (response.status, response.event["outcome"]) == (200, "ok")
    assert client.post("/info/sip", dial("refills"), auth=None).status == 401


@pytest.mark.parametrize("to", [None, 5, [], {}, True, "", "x" * 100_000, "\x00", "\ud800", "sip:"])
def test_what_was_dialled_may_be_anything(client, to):
    assert client.post("/sip", dial(to)).status == 401
    response = client.post("/info/sip", dial(to))
    assert response.status == 200
    assert len(response.event["to"]) <= 256


# --- what changes ----------------------------------------------------------------------------------------------------


def test_a_paused_agent_says_so_to_new_calls_and_goes_on_with_running_ones(client, actor):
    path = hook(client)
    pauses.pause("booking-desk", 'Back at "noon".', by=actor)
    client.reload()
    for response in (
        client.get("/clinic/booking"),
        client.post("/clinic/booking", {}),
        client.post("/sip", dial("appointments")),
    ):
        assert response.json["sections"]["main"] == [
            {"answer": {}},
            {"play": {"url": 'say:Back at "noon".'}},
            {"hangup": {}},
        ]
        assert (response.event["outcome"], response.event["version"]) == ("paused", 1)
        assert response.event["steps"][-1]["rule"] == "state"
    assert client.post(path, SLOT).json["response"].startswith("On Monday")
    assert client.get("/clinic/booking", auth=None).status == 401
    pauses.resume("booking-desk", by=actor)
    client.reload()
    assert client.get("/clinic/booking").ai


def test_a_running_call_keeps_its_version_after_a_publish(client, actor, fleet_entries):
    document = client.get("/clinic/booking?call_id=C1").ai
    definition = json.loads(json.dumps(fleet_entries["booking-desk"].definition))
    definition["functions"]["find_slot"]["handler"]["reply"] = "We are full on ${args.day}."
    definition["functions"]["find_slot"]["secure"] = False
    agents.publish("booking-desk", definition, by=actor)
    client.reload()
    for url in (document["SWAIG"]["functions"][0]["web_hook_url"], document["post_prompt_url"]):
        assert "__token=" in url
    old = client.post(path_of(document["SWAIG"]["functions"][0]["web_hook_url"]), SLOT)
    assert (old.json["response"], old.event["version"]) == ("On Monday we have 9:30 and 14:00.", 1)
    assert client.post(path_of(document["post_prompt_url"]), {"call_id": "C1"}).event["version"] == 1
    renewed = client.get("/clinic/booking?call_id=C2").ai
    new = client.post(path_of(renewed["SWAIG"]["defaults"]["web_hook_url"]), {**SLOT, "call_id": "C2"})
    assert (new.json["response"], new.event["version"]) == ("We are full on Monday.", 2)
    assert client.post("/clinic/booking/swaig", SLOT).event["version"] == 2, "without a token the live version answers"


def test_an_unregistered_agent_is_404_everywhere_from_that_moment(client, actor):
    path = hook(client)
    routes.unregister("/clinic/booking", by=actor)
    client.reload()
    client.dispatcher.context.fleet = client.tables.current.routes["/info"].agent.credentials
    for response in (
        client.get("/clinic/booking"),
        client.get("/clinic/booking/"),
        client.post(path, SLOT),
        client.post("/clinic/booking/post_prompt", {}),
        client.post("/sip", dial("appointments")),
    ):
        assert response.status == 404


def test_a_request_keeps_the_table_that_it_began_with(by_hand):
    table = by_hand.tables.current

    async def exchange():
        return await by_hand.exchange(scope, [0.05, b"{}"])

    async def both():
        running = asyncio.create_task(exchange())
        await asyncio.sleep(0.01)
        by_hand.tables.current = table.with_changes(2, {3}, [])
        return await running

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/info",
        "raw_path": b"/info",
        "query_string": b"",
        "headers": [(b"authorization", b"Basic dTpw")],
        "client": ("192.0.2.7", 1),
        "server": ("10.0.0.1", 8000),
    }
    assert asyncio.run(both()).status == 200
    assert by_hand.get("/info").status == 404


# --- our own failures ------------------------------------------------------------------------------------------------


def broken(*_arguments, **_options):
    raise ZeroDivisionError("secret detail of ours")


def test_a_bug_of_ours_is_a_safe_document_or_line_and_never_a_traceback(client, monkeypatch, caplog):
    path = hook(client)
    monkeypatch.setattr(StoredVersion, "answer", broken)
    with caplog.at_level(logging.CRITICAL, "registry.routing.dispatcher"):
        for response in (
            client.get("/clinic/booking"),
            client.post("/clinic/booking", {}),
            client.post("/sip", dial("refills")),
            client.post("/info/sip", dial("nobody")),
            client.get("/info/swaig"),
            client.post("/info/debug", {}),
        ):
            assert is_safe(response)
            assert SAFE_LINE.encode() in response.body
            assert (response.event["outcome"], response.event["status"]) == ("error", 200)
            assert response.event["agent"]
        response = client.post(path, SLOT)
        assert (response.status, response.json) == (200, {"response": SAFE_LINE})
        assert (response.event["outcome"], response.event["kind"]) == ("error", "swaig")
        for sub_path in ("post_prompt", "check_for_input", "debug_events"):
            response = client.post(f"/info/{sub_path}", {})
            assert (response.status, response.json) == (503, {"error": "Temporarily unavailable"})
            assert response.event["outcome"] == "error"
    assert b"secret detail" not in b"".join(client.spool.lines)


def test_a_handler_with_a_bug_is_a_safe_line_and_the_other_agents_go_on(client, monkeypatch, caplog):
    path = hook(client)
    monkeypatch.setattr("agents.stored.functions.PreparedFunction.call", broken)
    response = client.post(path, SLOT)
    assert (response.status, response.json, response.event["outcome"]) == (200, {"response": SAFE_LINE}, "error")
    assert "ZeroDivisionError" in caplog.text
    assert client.get("/info").status == 200


@pytest.mark.parametrize(
    "where",
    [
        "registry.routing.exchange.decide",
        "registry.routing.exchange.parse_json",
        "registry.routing.exchange.read_body",
        "registry.routing.exchange.authorised",
    ],
)
def test_a_bug_anywhere_on_the_way_is_heard_as_a_safe_document(client, monkeypatch, caplog, where):
    monkeypatch.setattr(where, broken)
    if where.endswith("read_body"):
        client.lane = None  # whose bodies have been read
    with caplog.at_level(logging.CRITICAL, "registry.routing.dispatcher"):
        response = client.post("/info", {})
    assert is_safe(response)
    assert response.event["outcome"] == "error"


def test_a_log_that_fails_costs_no_caller_the_answer(client, monkeypatch, caplog):
    monkeypatch.setattr("registry.log.recorder.Recorder.record", broken)
    with caplog.at_level(logging.CRITICAL, "registry.routing.dispatcher"):
        assert client.get("/info").status == 200


def test_an_agent_whose_definition_is_broken_is_heard_as_a_safe_document(client):
    Agent.objects.filter(name="pharmacy").update(live=None)
    client.reload()
    response = client.get("/pharmacy")
    assert is_safe(response)
    assert (response.event["outcome"], response.event["detail"], response.event["version"]) == (
        "error",
        "it has no live version",
        None,
    )
    assert client.post("/pharmacy/swaig", {"function": "refill"}).json == {"response": SAFE_LINE}
    assert client.get("/info").ai


# --- whatever comes --------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=()), max_size=15)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(["find_slot", "refills", "C1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
BODIES = st.one_of(
    st.dictionaries(
        st.sampled_from(
            [
                "function",
                "call",
                "call_id",
                "conversation_id",
                "argument",
                "arguments",
                "caller_id_num",
                "global_data",
                "meta_data",
                "summary",
                "post_prompt_data",
                "name",
            ]
        ),
        JSON
        | st.dictionaries(
            st.sampled_from(["to", "from", "call_id", "parsed", "raw", "name", "value"]), JSON, max_size=3
        ),
        max_size=6,
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=50),
)
PATHS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["/info", "/clinic/booking", "/pharmacy", "/broken", "/paused", "", "/sip", "/nobody"]),
    st.sampled_from(
        [
            "",
            "/",
            "/swaig",
            "/swaig/",
            "/post_prompt",
            "/check_for_input",
            "/debug",
            "/debug_events",
            "/mcp",
            "/sip",
            "//swaig",
        ]
    ),
    st.sampled_from(
        ["", "?call_id=C1", "?__token=" + "00" * 24, "?conversation_id=a", "?call_id=%ff%00&token=%ed%a0%80"]
    ),
)
EVERYTHING = build_table(
    {
        "/info": build_agent("info-line", number=1),
        "/clinic/booking": build_agent("booking-desk", number=2),
        "/pharmacy": build_agent("pharmacy", number=3),
        "/broken": build_agent("broken", number=4, live=None),
        "/paused": build_agent("paused", number=5, paused="Later."),
    },
    {"refills": "/pharmacy", "broken": "/broken", "paused": "/paused"},
    default="/info",
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    PATHS,
    BODIES,
    st.sampled_from([basic("u", "p"), None, basic("u", "x")]),
    st.booleans(),
)
def test_whatever_comes_is_answered_and_is_one_event(method, path, content, auth, insecure):
    client = Client(EVERYTHING, fleet=("u", "p"))
    if insecure:
        client = Client(INSECURE)
    response = client.request(method, path or "/", content=content, auth=auth)
    assert response.status in (200, 307, 400, 401, 403, 404, 405, 503)
    assert response.event["status"] == response.status
    if "broken" not in str(response.event["agent"]):
        assert response.event["outcome"] != "error", response.event
    if response.body:
        orjson.loads(response.body)
    assert len(client.spool.lines) == 1


INSECURE = build_table(
    {
        "/clinic/booking": build_agent(
            "echo",
            versions={
                1: {
                    "prompt": {"text": "a"},
                    "functions": {
                        "find_slot": {
                            "description": "Echo",
                            "secure": False,
                            "parameters": {"type": "object", "properties": {"x": {}}, "additionalProperties": True},
                            "handler": {
                                "reply": "${args.x} ${global_data.y} ${call.from}",
                                "actions": [{"say": "${args.x}"}],
                            },
                        }
                    },
                }
            },
        )
    }
)


@pytest.mark.parametrize(("depth", "status"), [(100, 200), (300, 400), (900, 400)])
def test_a_request_of_any_depth_is_answered_and_logged(depth, status):
    deep = b"[" * depth + b"]" * depth
    content = b'{"function":"find_slot","arguments":{"x":%s},"global_data":{"y":%s}}' % (deep, deep)
    response = Client(INSECURE).post("/clinic/booking/swaig", content=content)
    assert response.status == response.event["status"] == status
    assert response.json.get("response") or response.json == {"error": "Missing function name"}


def test_a_token_expires(client):
    path = hook(client)
    client.dispatcher.context.clock = lambda: NOW + 25 * 3600
    assert client.post(path, SLOT).body == DENIED
