"""What an exchange notes of a request: which call it is of, and what of it the log may keep."""

from typing import Any

import pytest

from tests.client import Client, basic
from tests.registry.building import build_agent, build_table

DEFINITION = {
    "prompt": {"text": "You help."},
    "functions": {"hours": {"description": "Hours", "handler": {"reply": "From 8 to 6."}}},
    "mcp_servers": [{"url": "https://mcp.example.com", "headers": {"X-Auth-Token": "env:AGENT_SECRET_MCP"}}],
}


@pytest.fixture
def client() -> Client:
    agent = build_agent("shop", versions={1: DEFINITION})
    return Client(build_table({"/shop": agent}, {"shop": "/shop"}), fleet=("u", "p"))


def test_a_documents_tokens_are_for_the_call_whatever_conversation_it_belongs_to(client: Client) -> None:
    document = client.post("/shop", {"conversation_id": "V", "call": {"call_id": "C1"}})
    assert document.event["call_id"] == "C1"
    url = document.ai["SWAIG"]["functions"][0]["web_hook_url"]
    assert client.swaig(url, "hours", "C1").json == {"response": "From 8 to 6."}


@pytest.mark.parametrize("path", ["/sip", "/shop/sip", "/shop", "/shop/debug"])
def test_no_document_is_kept_in_the_log_by_whatever_way_it_was_asked_for(client: Client, path: str) -> None:
    to: Any = "sip:shop@example.com" if path == "/sip" else "sip:nobody@example.com"
    response = client.post(path, {"call": {"to": to, "call_id": "C1"}})
    assert response.ai["SWAIG"]["mcp_servers"]
    assert response.event["response"] is None
    assert response.event["request"] is not None


@pytest.mark.parametrize("password", ["wrong", "p"])
def test_what_a_refused_sender_sent_is_not_kept(client: Client, password: str) -> None:
    response = client.post("/sip", {"call": {"to": "sip:shop@x"}, "junk": "x" * 1000}, auth=basic("u", password))
    assert response.status == (200 if password == "p" else 401)
    assert (response.event["request"] is None) == (response.status == 401)
