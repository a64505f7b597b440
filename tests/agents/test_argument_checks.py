"""Python and remote agents whose arguments are checked: converted, asked for again, or passed on byte for byte."""

import asyncio
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.argument_checks import ArgumentChecks
from agents.sources import FoundFunction
from agents.wire import AgentRequest, Answer
from tests.agents.building import request
from tests.agents.strategies import json_values, quick

CHECKS = ArgumentChecks(
    {
        "pay": FoundFunction(
            parameters={
                "type": "object",
                "properties": {"cents": {"type": "integer", "minimum": 1, "description": "how much"}},
                "required": ["cents"],
            }
        ),
        "odd": FoundFunction(parameters={"type": "object", "properties": {"x": {"type": "no such type"}}}),
        "bare": FoundFunction(parameters={}),
        "wrong": FoundFunction(parameters={"properties": [1]}),
    }
)


def put(body: Any, sub_path: str = "swaig", *, checks: ArgumentChecks = CHECKS, raw: bytes = b"as it came") -> Any:
    """The answer to a request, and the request as the agent got it; None if it was not asked."""
    got: list[AgentRequest] = []

    async def agent(asked: AgentRequest) -> Answer:
        got.append(asked)
        return Answer(200, b"{}", detail="by the agent")

    answer = asyncio.run(checks.answered(request(sub_path, "POST", body, raw=raw), agent))
    return answer, got[0] if got else None


def test_wrong_arguments_are_asked_for_again() -> None:
    refused, got = put({"function": "pay", "argument": {"parsed": [{"cents": 0}]}})
    assert got is None
    assert (refused.status, refused.outcome, refused.function) == (200, "invalid_arguments", "pay")
    assert "cents (how much) is wrong" in json.loads(refused.body)["response"]
    missing, _ = put({"function": "pay"})
    assert "cents (how much) is missing" in missing.detail


@pytest.mark.parametrize("name", ["odd", "bare", "wrong", "nobody"])
def test_what_is_no_schema_checks_nothing(name: str) -> None:
    _, got = put({"function": name, "arguments": {"x": []}})
    assert got.sent.raw == b"as it came"


def test_right_arguments_go_on_byte_for_byte() -> None:
    answer, got = put({"function": "pay", "arguments": {"cents": 5}})
    assert got.sent.raw == b"as it came"
    assert answer.detail == "by the agent"


def test_an_agent_that_does_not_ask_for_checks_gets_what_the_model_sent() -> None:
    answer, got = put({"function": "pay", "arguments": {"cents": "5", "note": None}}, checks=ArgumentChecks({}))
    assert got.sent.raw == b"as it came"
    assert answer.detail == "by the agent"


@pytest.mark.parametrize(
    ("body", "argument"),
    [
        ({"argument": {"parsed": [{"cents": "5"}, 1], "raw": '{"cents":"5"}'}}, {"parsed": [{"cents": 5}, 1]}),
        ({"argument": {"parsed": [], "raw": '{"cents":"5"}'}}, {"parsed": [{"cents": 5}]}),
        ({"argument": {"raw": '{"cents":"5"}'}}, {"parsed": [{"cents": 5}]}),
    ],
)
def test_a_converted_request_has_its_arguments_where_the_sdk_looks_first(body: Any, argument: Any) -> None:
    body = {"function": "pay", **body}
    before = orjson.dumps(body)
    answer, got = put(body)
    sent = orjson.loads(got.sent.raw)
    assert got.body == sent == {**body, "argument": {**body["argument"], **argument}}
    assert sent["argument"].get("raw") == body["argument"].get("raw"), "what the model wrote is kept"
    assert answer.detail == "converted: cents (text to integer); by the agent"
    assert orjson.dumps(body) == before, "the log shows what came"


def test_flat_arguments_are_converted_where_they_are() -> None:
    _, got = put({"function": "pay", "arguments": {"cents": "5"}})
    assert orjson.loads(got.sent.raw) == {"function": "pay", "arguments": {"cents": 5}}


def rpc(arguments: Any, name: str = "pay", **others: Any) -> dict[str, Any]:
    """A tool's call over MCP."""
    parameters = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": parameters, **others}


def test_a_tools_arguments_are_converted_over_mcp_too() -> None:
    answer, got = put(rpc({"cents": "5"}), "mcp")
    assert orjson.loads(got.sent.raw) == rpc({"cents": 5})
    assert answer.detail.startswith("converted: cents")


def test_wrong_arguments_over_mcp_are_a_result_that_the_model_reads() -> None:
    answer, got = put(rpc({}), "mcp")
    assert got is None
    reply = orjson.loads(answer.body)
    assert (reply["id"], reply["result"]["isError"], answer.outcome) == (3, True, "invalid_arguments")
    assert "cents (how much) is missing" in reply["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    "message",
    [
        rpc({}, name="nobody"),
        rpc({}, name=5),
        rpc([1]),
        rpc({}, params=[1]),
        rpc({}, method="tools/list"),
        {**rpc({}), "jsonrpc": "1.0"},
        {"method": "tools/call", "jsonrpc": "2.0", "params": {"name": "pay"}},
        [1],
        None,
    ],
)
def test_what_is_no_call_of_a_tool_is_the_agents_to_answer(message: Any) -> None:
    _, got = put(message, "mcp")
    assert got.sent.raw == b"as it came"


def test_a_converted_request_that_cannot_be_written_is_refused() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    answer, got = put({"function": "pay", "arguments": {"cents": "5"}, "global_data": deep})
    assert got is None
    assert answer.outcome == "invalid_arguments"


@quick
@given(st.sampled_from(["swaig", "mcp", ""]), st.sampled_from(["pay", "odd", "x"]), json_values, json_values)
def test_no_request_is_an_error(sub_path: str, name: str, value: Any, other: Any) -> None:
    for body in (
        {"function": name, "argument": {"parsed": [{"cents": value}], "raw": other}},
        {"function": name, "argument": value, "arguments": other},
        rpc({"cents": value}, name=name),
        rpc(value, name=name, params=other),
        value,
    ):
        answer, _ = put(body, sub_path)
        assert answer.outcome in ("ok", "invalid_arguments")
