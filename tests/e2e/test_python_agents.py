"""Python agents: the SDK's own server and ours answer alike, and where we differ it is on purpose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosting import (
    SAFE,
    SAME_ORDER,
    Reference,
    act,
    done,
    folder_of_agents,
    plain,
    reference_server,
    registering,
    serving,
    token,
    with_tokens,
)
from tests.e2e.sdk_cases import CASES, CLINIC, Case, call, rpc
from tests.e2e.server import Response, Server, database_url

FLEET = {
    "/clinic/front": "Clinic",
    "/tiers": "Tiers",
    "/steps": "Steps",
    "/skilled": "Skilled",
    "/faq": "Faq",
    "/merging": "Merging",
    "/no-prompt": "NoPrompt",
    "/signed": "Signed",
    "/switchman": "Switchman",
    "/odd": "Odd",
}
RESULTS: dict[str, dict[str, Any]] = {}
INSIDE = "what an exception says"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_agents(tmp_path_factory.mktemp("python") / "agents")


@pytest.fixture(scope="module")
def reference(folder: Path) -> Iterator[Reference]:
    with reference_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def url() -> str:
    return database_url("e2e_python")


@pytest.fixture(scope="module")
def fleet(reference: Reference, url: str, folder: Path) -> Iterator[Server]:
    """Two workers that serve the fixture's fleet; only for tests that leave it as it is."""
    todo = [registering(route.split("/")[1], route, f"sdk_agents:{kind}") for route, kind in FLEET.items()]
    todo.append(registering("odd-checked", "/odd-checked", "sdk_agents:Odd", validate_arguments=True))
    options = {"AGENT_PATH": str(folder), **SAME_ORDER}
    with serving(url, folder.parent / "two", workers=2, **options) as server:
        RESULTS.update(zip([*FLEET.values(), "checked"], done(act(server, *todo)), strict=True))
        reference.wait()
        yield server


@pytest.fixture(scope="module")
def registered(fleet: Server) -> dict[str, dict[str, Any]]:
    """What registering said, by class."""
    return RESULTS


@pytest.fixture(scope="module")
def one_worker(fleet: Server, url: str, folder: Path) -> Iterator[Server]:
    """Another replica of the same fleet."""
    with serving(url, folder.parent / "one", workers=1, AGENT_PATH=str(folder), **SAME_ORDER) as server:
        yield server


def ask(server: Server | Reference, case: Case) -> Response:
    path = with_tokens(server, case.path)
    headers = case.headers_for(server.base, path)
    return server.request(
        case.method, path, case.body if case.raw is None else None, auth=case.auth, headers=headers, raw=case.raw
    )


@pytest.mark.parametrize("group_and_case", CASES, ids=lambda each: f"{each[0]}: {each[1].name}")
def test_the_sdk_and_we_answer_alike(
    group_and_case: tuple[str, Case], fleet: Server, one_worker: Server, reference: Reference
) -> None:
    case = group_and_case[1]
    expected = ask(reference, case)
    for server in (fleet, one_worker):
        actual = ask(server, case)
        assert (actual.status, plain(server, actual)) == (expected.status, plain(reference, expected))
        assert actual.headers.get("location") == expected.headers.get("location")


def test_what_code_claims_is_taken_when_it_is_registered(fleet: Server, registered: dict[str, Any]) -> None:
    assert registered["Switchman"]["sip"] == ["switch-desk", "switchman"]
    assert {name: result["warnings"] for name, result in registered.items() if result["warnings"]} == {
        "NoPrompt": ["its document has no prompt: the model is told nothing"]
    }
    redirected = fleet.post("/tiers/sip", {"call": {"to": "sip:Switch-Desk@example.com"}})
    assert (redirected.status, redirected.headers["location"]) == (307, "/switchman")
    kinds = dict(fleet.query("SELECT name, kind FROM agents_agent"))
    assert set(kinds.values()) == {"python"}


# --- the reference's sixteen defects, and what we do instead ---------------------------------------------------------


def event(server: Server, agent: str, call_id: str) -> dict[str, Any]:
    """The only event of a call."""
    [found] = server.events(1, "agent = %s AND call_id = %s", agent, call_id)
    return found


def steps_of(server: Server | Reference) -> Any:
    return server.get("/steps?call_id=C1").ai["prompt"]["contexts"]["default"]["steps"]


def test_defect_1_functions_none_is_served_although_the_sdks_schema_refuses_it(
    fleet: Server, reference: Reference
) -> None:
    assert steps_of(fleet) == steps_of(reference)
    assert steps_of(fleet)[1]["functions"] == "none"


def test_defect_2_an_empty_prompt_is_served_and_said_at_registration(fleet: Server, registered: dict[str, Any]) -> None:
    assert fleet.get("/no-prompt").ai["prompt"] == {"pom": []}
    assert "has no prompt" in registered["NoPrompt"]["warnings"][0]


def test_defect_3_a_document_that_cannot_be_made_is_a_safe_one_and_its_row_says_why(
    fleet: Server, reference: Reference
) -> None:
    assert reference.post("/merging", {"odd": True}).status == 500
    answer = fleet.post("/merging", {"odd": True, "call": {"call_id": "D3"}})
    assert answer.status == 200
    assert "say:I'm sorry" in answer.text
    row = event(fleet, "merging", "D3")
    assert row["outcome"] == "error"
    assert "no_key_of_swml" in row["detail"]


def test_defect_4_get_swaig_is_configured_like_the_document(fleet: Server, reference: Reference) -> None:
    asked = "/tiers/swaig?tier=gold&call_id=C1"
    assert "global_data" not in reference.get(asked).ai
    assert plain(fleet, fleet.get(asked)) == plain(reference, reference.get("/tiers?tier=gold&call_id=C1"))


def test_defect_5_a_missing_argument_is_no_python_error_in_the_models_ear(fleet: Server, reference: Reference) -> None:
    body = {"function": "typed", "call_id": "D5", "argument": {"parsed": [{"days": 2}]}}
    assert "missing 1 required positional argument" in reference.post("/odd/swaig", body).text
    assert fleet.post("/odd/swaig", body).json == SAFE
    row = event(fleet, "odd", "D5")
    assert (row["outcome"], row["function"]) == ("error", "typed")
    assert "TypeError: Odd.typed() missing 1 required positional argument: 'city'" in row["detail"]


def test_defect_6_wrong_arguments_run_unless_they_are_to_be_checked(fleet: Server) -> None:
    wrong = call("checked", {"cents": "five"}, call_id="D6")
    assert fleet.post("/odd/swaig", wrong).json == {"response": "ran {'cents': 'five'}"}
    answer = fleet.post("/odd-checked/swaig", wrong).json["response"]
    assert answer.startswith("That call was not right: cents is wrong")
    row = event(fleet, "odd-checked", "D6")
    assert (row["outcome"], row["function"]) == ("invalid_arguments", "checked")


def test_arguments_are_converted_where_they_are_to_be_checked_and_pass_unchanged_elsewhere(fleet: Server) -> None:
    written = call("checked", {"cents": "5"}, call_id="D8")
    assert fleet.post("/odd/swaig", written).json == {"response": "ran {'cents': '5'}"}
    assert fleet.post("/odd-checked/swaig", written).json == {"response": "ran {'cents': 5}"}
    row = event(fleet, "odd-checked", "D8")
    assert (row["outcome"], row["detail"]) == ("ok", "converted: cents (text to integer)")


def test_defect_7_so_do_missing_ones(fleet: Server) -> None:
    missing = call("checked", {}, call_id="D7")
    assert fleet.post("/odd/swaig", missing).json == {"response": "ran {}"}
    assert "cents is missing" in fleet.post("/odd-checked/swaig", missing).json["response"]
    assert fleet.post("/odd-checked/swaig", call("checked", {"cents": 3})).json == {"response": "ran {'cents': 3}"}


@pytest.mark.parametrize(("function", "error"), [("raises", "KeyError"), ("raises_later", "LookupError")])
def test_defects_8_and_9_nobody_hears_an_exception(
    function: str, error: str, fleet: Server, reference: Reference
) -> None:
    body = call(function, call_id=f"D8-{function}")
    assert INSIDE in reference.post("/odd/swaig", body).text
    assert fleet.post("/odd/swaig", body).json == SAFE
    row = event(fleet, "odd", f"D8-{function}")
    assert (row["outcome"], row["function"], row["status"]) == ("error", function, 200)
    assert row["detail"].startswith(error)
    assert INSIDE in row["detail"]
    assert "sdk_agents.py" in row["detail"], "it says where"


@pytest.mark.parametrize("function", ["no_json", "not_a_number"])
def test_defect_10_what_is_no_json_is_a_safe_line(function: str, fleet: Server, reference: Reference) -> None:
    body = call(function, call_id=f"D10-{function}")
    assert reference.post("/odd/swaig", body).status == 500
    answer = fleet.post("/odd/swaig", body)
    assert (answer.status, answer.json) == (200, SAFE)
    row = event(fleet, "odd", f"D10-{function}")
    assert (row["outcome"], row["function"]) == ("error", function)
    assert "JSON" in row["detail"]


@pytest.mark.parametrize("body", [{"conversation_id": 5}, {"conversation_id": ["x"]}, [1]])
def test_defect_11_an_id_that_is_no_text_is_a_400(body: Any, fleet: Server) -> None:
    assert fleet.post(f"{CLINIC}/check_for_input", body).status == 400


def test_defect_12_debug_events_that_are_no_json_are_a_400(fleet: Server, reference: Reference) -> None:
    headers = {"Content-Type": "application/json"}
    assert reference.post(f"{CLINIC}/debug_events", raw=b"{bad", headers=headers).status == 413
    answer = fleet.post(f"{CLINIC}/debug_events", raw=b"{bad", headers=headers)
    assert (answer.status, answer.json) == (400, {"error": "Invalid JSON"})


def test_defect_13_mcp_opens_secure_tools_to_a_token_of_the_operators_only(fleet: Server) -> None:
    asked = rpc("tools/call", name="locked", arguments={})
    for path in ("/odd/mcp", "/odd/mcp?__token=abc", f"/odd/mcp?__token={token(fleet, '/odd', 'locked', 'C1')}"):
        result = fleet.post(path, asked).json["result"]
        assert result["isError"] is True
        assert "manage.py mcp" in result["content"][0]["text"]
    rows = fleet.events(3, "agent = 'odd' AND kind = 'mcp' AND function = 'locked'")
    assert {row["outcome"] for row in rows} == {"denied"}
    issued = fleet.command("mcp", "odd").split()[0].partition("?")[2]
    assert fleet.post(f"/odd/mcp?{issued}", asked).json["result"] == {
        "content": [{"type": "text", "text": "unlocked"}],
        "isError": False,
    }
    raising = fleet.post("/odd/mcp", rpc("tools/call", name="raises")).json["result"]
    assert raising == {"content": [{"type": "text", "text": SAFE["response"]}], "isError": True}


@pytest.mark.parametrize("sub_path", ["", "/", "/debug", "/debug_events", "/check_for_input", "/swaig", "/post_prompt"])
def test_defects_14_to_16_signatures_are_checked_everywhere_and_refused_alike(sub_path: str, fleet: Server) -> None:
    for given in ({}, {"X-SignalWire-Sha256-Signature": "0" * 64}):
        refused = fleet.post(f"/signed{sub_path}", {"conversation_id": "V"}, auth="kiosk:c0de-word", headers=given)
        assert (refused.status, refused.json) == (403, {"detail": "Forbidden"})
    case = Case("", "POST", f"/signed{sub_path}", call("open"), "kiosk:c0de-word", sign=("PSK-code", "sha256"))
    assert ask(fleet, case).status != 403 or sub_path == "/post_prompt", "which wants a token besides"


# --- what we do besides ----------------------------------------------------------------------------------------------


def test_functions_that_exist_in_some_calls_only_are_reached_by_their_urls(fleet: Server) -> None:
    ai = fleet.get("/tiers?tier=gold&call_id=C1").ai
    url = next(each["web_hook_url"] for each in ai["SWAIG"]["functions"] if each["function"] == "concierge")
    assert fleet.post(fleet.path_of(url), call("concierge")).json == {"response": "at your service"}
    without = fleet.path_of(url).replace("tier=gold&", "").replace("&tier=gold", "")
    assert fleet.post(without, call("concierge")).json == {"response": "Function 'concierge' not found"}


def test_a_configuration_that_raises_is_said_although_the_sdk_goes_on(fleet: Server) -> None:
    assert fleet.get("/tiers?tier=broken&call_id=D17").ai["prompt"]["pom"][0]["body"] == "You know tiers."
    row = event(fleet, "tiers", "D17")
    assert row["outcome"] == "error"
    assert INSIDE in row["detail"]


def test_answers_of_functions_have_our_addresses(fleet: Server) -> None:
    answer = fleet.post("/odd/swaig", call("says_where")).json["response"]
    own = f"http://u:p@127.0.0.1:{fleet.port}"
    assert answer == f"me: {own}/odd/swaig, them: {own}/tiers?a=b."


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Original-Host": "evil.example"},
        {"Host": "evil.example"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_stranger_says_where_calls_come_back_to(headers: dict[str, str], fleet: Server) -> None:
    for path in ("/odd", "/odd/debug", "/odd/swaig"):
        assert "evil.example" not in fleet.get(path, headers=headers).text
    assert "evil.example" not in fleet.get("/odd").text


def test_the_digest_of_a_document_is_of_what_it_says_whichever_call_and_host_it_is_for(fleet: Server) -> None:
    elsewhere = {"Host": "localhost:8000"}
    assert "localhost:8000/clinic" in fleet.get(f"{CLINIC}?call_id=G1", headers=elsewhere).text
    assert "__token=" in fleet.get(f"{CLINIC}?call_id=G2").text
    fleet.get("/tiers?call_id=G3")
    fleet.get("/tiers?tier=gold&call_id=G4", headers=elsewhere)
    fleet.get("/tiers?tier=gold&call_id=G5")
    rows = {row["call_id"]: row for row in fleet.events(5, "call_id LIKE 'G_'")}
    digests = {call_id: row["digest"] for call_id, row in rows.items()}
    assert digests["G1"] == digests["G2"]
    assert digests["G4"] == digests["G5"] != digests["G3"]
    assert len({*digests.values()}) == 3
    assert rows["G4"]["query"] == "tier=gold&call_id=G4"
    assert {(row["channel"], row["replayable"]) for row in rows.values()} == {("voice", True)}


def test_rows_say_what_happened_and_hold_no_secret(fleet: Server) -> None:
    path = with_tokens(fleet, f"{CLINIC}/swaig?__token={{{CLINIC}:book:D18}}")
    given = path.partition("__token=")[2]
    assert "booked" in fleet.post(path, call("book", {"day": "Friday"}, call_id="D18")).text
    assert "security token" in fleet.post(path, call("book", call_id="D19")).text
    fleet.post(f"{CLINIC}/swaig", call("nobody", call_id="D20"))
    fleet.post("/switchman/vip", {"vip": True, "call_id": "D21"})
    [row] = fleet.events(1, "call_id = 'D18' AND kind = 'swaig'")
    told = {key: row[key] for key in ("outcome", "agent", "version", "function", "route", "status")}
    assert told == {
        "outcome": "ok", "agent": "clinic", "version": 1, "function": "book", "route": CLINIC, "status": 200,
    }  # fmt: skip
    assert [step["rule"] for step in row["steps"]] == ["route", "version"]
    assert all(step["ok"] for step in row["steps"])
    others = {call_id: event(fleet, agent, call_id) for call_id, agent in (("D19", "clinic"), ("D20", "clinic"))}
    assert {call_id: (row["outcome"], row["function"]) for call_id, row in others.items()} == {
        "D19": ("denied", "book"),
        "D20": ("not_found", "nobody"),
    }
    moved = event(fleet, "switchman", "D21")
    assert (moved["outcome"], moved["detail"]) == ("redirect", "to /tiers")
    everything = str(fleet.query("SELECT to_jsonb(e)::text FROM registry_routingevent e"))
    for secret in (given, "c0de-word", "PSK-code", "switchboard:placeholder", "agent-host.invalid"):
        assert secret not in everything
        assert secret not in fleet.printed
