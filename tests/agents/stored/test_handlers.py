"""Functions that somebody else answers: an author's server, or the platform by itself; and secrets on the way."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from agents.definition import AgentDefinition
from agents.errors import WebhookFailed
from agents.stored.functions import SAFE_LINE
from agents.stored.version import StoredVersion
from agents.swml.document import PreparedDocument
from agents.tokens import for_function
from tests.agents.building import ENVIRONMENT, KEY, PROMPT, URL, ai_of, answer, request, with_function

CLAIM = for_function("act")
PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
BODY = {"function": "act", "call_id": "C7", "argument": {"parsed": [{"day": "Monday"}]}}


class Server:
    """An author's server: remembers what it was asked and says what a test wants."""

    def __init__(self, says: dict[str, Any] | str):
        self.says = says
        self.asked: list[tuple[Any, ...]] = []

    async def post(
        self, agent: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float | None = None
    ) -> dict[str, Any]:
        self.asked.append((agent, url, dict(headers), body, seconds))
        if isinstance(self.says, str):
            raise WebhookFailed(self.says, url)
        return self.says


def version(handler: dict[str, Any], **words: Any) -> StoredVersion:
    """A version whose function `act` has this handler."""
    definition = {**with_function(handler=handler, parameters=PARAMETERS), **words}
    return StoredVersion(7, AgentDefinition.read(definition), KEY, ENVIRONMENT)


def asked(agent: StoredVersion, server: Server, **body: Any) -> Any:
    """What the function `act` answers."""
    given = {**BODY, **body}
    return answer(agent, request("swaig", "POST", given, raw=orjson.dumps(given), claim=CLAIM, webhooks=server))


def test_a_webhook_gets_the_body_as_it_came_and_its_answer_is_served() -> None:
    server = Server({"response": "Booked.", "action": [{"say": "Thank you."}]})
    agent = version(
        {
            "webhook": {
                "url": "https://crm.example.com/hook",
                "headers": {"Authorization": "Bearer env:AGENT_SECRET_CRM", "X-Team": "voice"},
                "timeout": 3,
            }
        }
    )
    answered = asked(agent, server)
    assert (answered.status, orjson.loads(answered.body)) == (200, server.says)
    assert (answered.outcome, answered.detail, answered.function) == ("ok", "by webhook", "act")
    headers = {"Authorization": "Bearer s3cret", "X-Team": "voice"}
    assert server.asked == [("booking-desk", "https://crm.example.com/hook", headers, orjson.dumps(BODY), 3)]


def test_a_webhooks_url_may_be_a_secret() -> None:
    server = Server({"response": "Booked."})
    asked(version({"webhook": "env:AGENT_SECRET_URL"}), server)
    assert server.asked[0][1] == ENVIRONMENT["AGENT_SECRET_URL"]


def test_wrong_arguments_and_missing_tokens_never_reach_a_webhook() -> None:
    server = Server({"response": "Booked."})
    agent = version({"webhook": "https://crm.example.com/hook"})
    assert asked(agent, server, argument={"parsed": [{}]}).outcome == "invalid_arguments"
    assert answer(agent, request("swaig", "POST", BODY, webhooks=server)).outcome == "denied"
    assert server.asked == []


@pytest.mark.parametrize(("words", "line"), [({}, SAFE_LINE), ({"safe_line": "Please hold."}, "Please hold.")])
def test_a_webhook_that_fails_is_a_safe_line_and_a_reason_for_the_log(words: dict[str, Any], line: str) -> None:
    answered = asked(version({"webhook": "https://crm.example.com/hook"}, **words), Server("answered 503"))
    assert (answered.status, orjson.loads(answered.body)) == (200, {"response": line})
    assert (answered.outcome, answered.detail) == ("error", "webhook: https://crm.example.com/hook answered 503")
    secret = asked(version({"webhook": "env:AGENT_SECRET_URL"}, **words), Server("answered 503"))
    assert secret.detail == "webhook: answered 503", "the URL itself is a secret"


def test_a_secret_that_the_server_does_not_have_is_a_failure_that_names_it() -> None:
    server = Server({"response": "Booked."})
    handler = {"webhook": {"url": "https://crm.example.com/hook", "headers": {"X-Api-Key": "env:AGENT_SECRET_GONE"}}}
    answered = asked(version(handler), server)
    assert (answered.outcome, answered.detail) == ("error", "this server has no variable AGENT_SECRET_GONE")
    assert server.asked == []


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ({"webhook": {"url": "https://ext.example.com", "direct": True}}, "should be executed by SignalWire"),
        ({"data_map": {"output": {"response": "ok"}}}, "should be executed by SignalWire server, not locally"),
    ],
)
def test_what_the_platform_runs_is_not_run_here(handler: dict[str, Any], words: str) -> None:
    server = Server({"response": "Booked."})
    answered = asked(version(handler), server)
    assert answered.status == 200
    assert words in orjson.loads(answered.body)["response"]
    assert answered.outcome == "refused"
    assert server.asked == []


def document(definition: dict[str, Any], environment: Mapping[str, str] = ENVIRONMENT) -> Any:
    """The ai verb of a definition's document."""
    prepared = PreparedDocument(AgentDefinition.read({"prompt": PROMPT, **definition}), environment)
    return ai_of(orjson.loads(prepared.splice(URL.encode(), b"https://h", [b"T"] * len(prepared.purposes))))


def test_secrets_are_in_the_document_and_nowhere_in_the_definition() -> None:
    servers = [{"url": "https://mcp.example.com", "headers": {"Authorization": "Bearer env:AGENT_SECRET_CRM"}}]
    definition = {"mcp_servers": servers, "params": {"key": ["env:AGENT_SECRET_CRM", "see env:AGENT_SECRET_CRM there"]}}
    rendered = document(definition)
    assert rendered["SWAIG"]["mcp_servers"][0]["headers"] == {"Authorization": "Bearer s3cret"}
    assert rendered["params"] == {"key": ["s3cret", "see env:AGENT_SECRET_CRM there"]}
    read = AgentDefinition.read({"prompt": PROMPT, **definition})
    assert "s3cret" not in str(read.stored())
    paths = {"mcp_servers.0.headers.Authorization": "AGENT_SECRET_CRM", "params.key.0": "AGENT_SECRET_CRM"}
    assert read.variables() == paths


def test_a_secret_that_is_missing_is_left_out_of_the_document_and_the_call_goes_on() -> None:
    servers = [{"url": "https://mcp.example.com", "headers": {"Authorization": "Bearer env:AGENT_SECRET_CRM"}}]
    assert document({"mcp_servers": servers}, {})["SWAIG"]["mcp_servers"][0]["headers"] == {"Authorization": ""}


def test_insecure_functions_stay_ours_when_the_default_url_is_somebody_elses() -> None:
    functions = {
        "theirs": {"description": "d", "handler": {"webhook": {"direct": True}}},
        "insecure": {"description": "d", "secure": False, "handler": {"reply": "a"}},
        "secure": {"description": "d", "handler": {"reply": "a"}},
    }
    swaig = document({"functions": functions, "web_hook_url": "https://ext.example.com/swaig"})["SWAIG"]
    urls = {entry["function"]: entry.get("web_hook_url") for entry in swaig["functions"]}
    ours = f"{URL}/swaig/?__token=T"
    assert urls == {"theirs": None, "insecure": ours, "secure": ours}
    assert swaig["defaults"] == {"web_hook_url": "https://ext.example.com/swaig"}


def test_a_webhook_gets_converted_arguments_and_all_else_as_it_came() -> None:
    server = Server({"response": "Booked."})
    argument = {"parsed": [{"day": 5, "note": "x"}], "raw": '{"day":5,"note":"x"}'}
    answered = asked(version({"webhook": "https://crm.example.com/hook"}), server, argument=argument, more=[1])
    assert answered.detail == "converted: day (integer to text); by webhook"
    sent = orjson.loads(server.asked[0][3])
    assert sent == {**BODY, "more": [1], "argument": {**argument, "parsed": [{"day": "5", "note": "x"}]}}


def test_a_converted_request_that_cannot_be_written_never_reaches_a_webhook() -> None:
    server = Server({"response": "Booked."})
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    given = {**BODY, "argument": {"parsed": [{"day": 5}]}, "global_data": deep}
    agent = version({"webhook": "https://crm.example.com/hook"})
    answered = answer(agent, request("swaig", "POST", given, raw=b"x", claim=CLAIM, webhooks=server))
    assert (answered.status, answered.outcome, server.asked) == (200, "invalid_arguments", [])
