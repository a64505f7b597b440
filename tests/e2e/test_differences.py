"""Where the reference is wrong and we differ on purpose: a test for each defect that was captured (docs/wire.md)."""

import pytest

from tests.e2e.server import Server

CALL = {"call": {"call_id": "C7"}}


def sip(to: object) -> dict[str, object]:
    return {"call": {"call_id": "C7", "to": to}}


def test_a_missing_argument_is_named_and_the_handler_does_not_run(fleet_server: Server) -> None:
    path = fleet_server.function_path("/clinic/booking", "find_slot", "C7")
    answer = fleet_server.post(path, {"function": "find_slot", "call_id": "C7", "argument": {"parsed": [{}]}})
    assert answer.status == 200
    assert "day (Day of the week) is missing" in answer.json["response"]
    assert "9:30" not in answer.json["response"]


def test_an_argument_of_the_wrong_type_is_named_and_no_action_is_taken(fleet_server: Server) -> None:
    path = fleet_server.function_path("/pharmacy", "refill", "C7")
    arguments = {"number": "1", "count": "two"}
    answer = fleet_server.post(path, {"function": "refill", "call_id": "C7", "argument": {"parsed": [arguments]}})
    assert answer.status == 200
    assert "count is wrong" in answer.json["response"]
    assert "action" not in answer.json


@pytest.mark.parametrize("raw", [b'{"function":5}', b"[]", b'"text"', b"5", b"null"])
def test_a_function_call_of_the_wrong_type_is_a_400(fleet_server: Server, raw: bytes) -> None:
    answer = fleet_server.request("POST", "/clinic/booking/swaig", raw=raw)
    assert (answer.status, answer.json) == (400, {"error": "Missing function name"})


@pytest.mark.parametrize("path", ["/clinic/booking", "/clinic/booking/", "/clinic/booking/debug"])
@pytest.mark.parametrize(("raw", "error"), [(b"{", "Invalid JSON"), (b"[]", "Body must be a JSON object")])
def test_a_document_is_not_given_for_a_body_that_is_none(
    fleet_server: Server, path: str, raw: bytes, error: str
) -> None:
    answer = fleet_server.request("POST", path, raw=raw)
    assert (answer.status, answer.json) == (400, {"error": error})


def test_a_malformed_debug_event_is_a_400(fleet_server: Server) -> None:
    answer = fleet_server.request("POST", "/clinic/booking/debug_events", raw=b"{")
    assert (answer.status, answer.json) == (400, {"error": "Invalid JSON"})


def test_call_null_is_no_call(fleet_server: Server) -> None:
    answer = fleet_server.post("/clinic/booking", {"call": None})
    assert answer.status == 200
    assert answer.ai["SWAIG"]["functions"][0]["function"] == "find_slot"


def test_an_unknown_sip_name_reaches_the_agent_that_was_asked_and_is_logged_as_fallback(fleet_server: Server) -> None:
    answer = fleet_server.post("/info/sip", sip("sip:nobody-at-all@x"))
    assert answer.ai["prompt"]["pom"][0]["body"] == "You tell callers the opening hours."
    event = fleet_server.events(1, "sip_user = 'nobody-at-all'")[0]
    assert (event["outcome"], event["agent"], event["kind"]) == ("fallback", "info-line", "sip")
    assert [(step["rule"], step["ok"]) for step in event["steps"]][1:3] == [("sip", False), ("fallback", True)]


@pytest.mark.parametrize(
    "address",
    [
        "sips:pharmacy@x",
        "SIP:pharmacy@x",
        "pharmacy@x",
        "sip:pharmacy;transport=tcp@x",
        "sip:pharmacy;transport=tcp",
        "<sip:pharmacy@x>",
        '"Refills" <sip:pharmacy@x;user=phone>;tag=1',
        "sip:pharmacy:secret@x",
        "sip:%70harmacy@x",
        "sip:PHARMACY@x",
    ],
)
def test_every_form_of_a_sip_address_is_understood(fleet_server: Server, address: str) -> None:
    answer = fleet_server.post("/info/sip", sip(address))
    assert (answer.status, answer.headers["location"], answer.text) == (307, "/pharmacy", "")


def test_the_name_as_written_is_mapped_too(fleet_server: Server) -> None:
    assert fleet_server.post("/info/sip", sip("sip:booking-desk@x")).headers["location"] == "/clinic/booking"


def test_central_sip_answers_with_the_document_itself(fleet_server: Server) -> None:
    answer = fleet_server.post("/sip", sip("sip:pharmacy@x"))
    assert answer.status == 200
    assert answer.ai["SWAIG"]["functions"][0]["function"] == "refill"
    assert fleet_server.post("/sip", sip("sip:nobody@x")).status == 404
    assert fleet_server.post("/sip", sip("sip:pharmacy@x"), auth=None).status == 401
    assert fleet_server.get("/sip").status == 405


@pytest.mark.parametrize("path", ["/health", "/ready", "/info", "/clinic/booking/swaig"])
def test_head_is_get_without_the_body(fleet_server: Server, path: str) -> None:
    answer, full = fleet_server.request("HEAD", path), fleet_server.get(path)
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["content-type"] == full.headers["content-type"]
    assert int(answer.headers["content-length"]) == int(full.headers["content-length"])


def test_the_scheme_of_credentials_has_no_case(fleet_server: Server) -> None:
    assert fleet_server.get("/info", auth=None, headers={"Authorization": "basic dTpw"}).status == 200


def test_allow_names_every_method(fleet_server: Server) -> None:
    answer = fleet_server.request("PUT", "/info")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_stranger_cannot_redirect_a_call_with_headers(fleet_server: Server) -> None:
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
        "X-Original-Host": "evil.example",
    }
    assert fleet_server.get("/pharmacy", headers=forged, auth=None).status == 401
    document = fleet_server.get("/pharmacy?call_id=C7", headers=forged).text
    assert "evil" not in document
    assert f"http://u:p@127.0.0.1:{fleet_server.port}/pharmacy/swaig/" in document
    assert "evil" not in fleet_server.get("/pharmacy?call_id=C7").text


def test_a_token_of_the_same_call_is_nothing_to_another_agent(fleet_server: Server) -> None:
    token = fleet_server.function_path("/clinic/booking", "find_slot", "C7").partition("?")[2]
    body = {"function": "refill", "call_id": "C7", "argument": {"parsed": [{"number": "1"}]}}
    assert "security token" in fleet_server.post(f"/pharmacy/swaig?{token}", body).json["response"]


def test_a_body_beyond_the_limit_is_refused(fleet_server: Server) -> None:
    answer = fleet_server.post("/pharmacy", {"pad": "x" * 2_000_000})
    assert (answer.status, answer.json) == (413, {"error": "Request body too large"})


def test_health_lists_routes_and_ready_its_checks(fleet_server: Server) -> None:
    assert fleet_server.get("/health", auth=None).json["agents"] == 3
    ready = fleet_server.get("/ready", auth=None)
    assert ready.status == 200
    assert ready.json["checks"]["database"] == "ok"
