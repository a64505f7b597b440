"""What the engine's tests are made of: definitions, functions and requests in one line each."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from agents.definition import AgentDefinition
from agents.errors import InvalidDefinition
from agents.stored.functions import PreparedFunction, Result
from agents.stored.version import StoredVersion
from agents.tokens import TokenKey
from agents.wire import (
    AgentRequest,
    Answer,
    FixedUrls,
    Onward,
    Sent,
    Urls,
    Webhooks,
    awaited,
    request_to,
)

FLEET = Path(__file__).parent.parent / "fleet.yaml"
URL = "https://u:p@voice.example.com/clinic/booking"
NOW = 1_800_000_000.25
KEY = TokenKey("master", "booking-desk")
ENVIRONMENT = {"AGENT_SECRET_CRM": "s3cret", "AGENT_SECRET_URL": "https://crm.example.com/hook?key=s3cret"}
PROMPT = {"text": "You answer the telephone."}


def twin(name: str) -> dict[str, Any]:
    """The definition of one of the three agents in fleet.yaml, as it was read."""
    found: dict[str, Any] = yaml.safe_load(FLEET.read_text())[name]["definition"]
    return found


def with_function(**words: Any) -> dict[str, Any]:
    """A definition with the function `act`, of which these words are different."""
    return {"prompt": PROMPT, "functions": {"act": {"description": "Act", "handler": {"reply": "Done."}, **words}}}


def problems(value: Any) -> dict[str, str]:
    """What is wrong with a definition."""
    with pytest.raises(InvalidDefinition) as refused:
        AgentDefinition.read(value)
    return refused.value.problems


def function(**words: Any) -> PreparedFunction:
    """The function `act`, ready to be called."""
    return PreparedFunction("act", AgentDefinition.read(with_function(**words)).functions["act"], ENVIRONMENT)


def url_of(name: str) -> str | None:
    """The world of the tests has one more agent, `billing`."""
    return "https://u:p@voice.example.com/billing" if name == "billing" else None


URLS = FixedUrls(URL.encode(), b"https://voice.example.com", url_of)


def call(prepared: PreparedFunction, arguments: dict[str, Any], **values: Any) -> Result:
    """Call a function with arguments and what else templates can name."""
    result = prepared.call({"args": arguments, **values}, url_of)
    assert result is not None
    return result


def version(definition: dict[str, Any], number: int = 7) -> StoredVersion:
    """A version that is ready to answer."""
    return StoredVersion(number, AgentDefinition.read(definition), KEY, ENVIRONMENT)


def request(
    sub_path: str = "",
    method: str = "GET",
    body: Any = None,
    *,
    agent: str = "booking-desk",
    call_id: str = "C7",
    claim: bytes | None = None,
    webhooks: Webhooks | None = None,
    headers_onward: Callable[[], Mapping[str, str]] = dict,
    upstream: str = "",
    signing_key: str = "",
    urls: Urls = URLS,
    **sent: Any,
) -> AgentRequest:
    """A request as the dispatcher hands it to an agent; `sent`: what came, as it came."""
    onward = Onward(webhooks or NoWebhooks(), headers_onward, upstream, signing_key)
    return request_to(
        agent=agent,
        sub_path=sub_path,
        method=method,
        body=body,
        call_id=call_id,
        claim=claim,
        now=NOW,
        sent=Sent(**sent),
        urls=urls,
        onward=onward,
    )


class NoWebhooks:
    """Nobody is asked unless a test says so."""

    async def post(
        self, agent: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float | None = None
    ) -> dict[str, Any]:
        """Fail."""
        raise AssertionError(f"{url} was asked")


def answer(agent: StoredVersion, asked: AgentRequest) -> Answer:
    """What an agent answers."""
    return asyncio.run(awaited(agent.answer(asked)))


def said(agent: StoredVersion, asked: AgentRequest) -> tuple[int, Any]:
    """Status and JSON of what an agent answers."""
    answered = answer(agent, asked)
    return answered.status, orjson.loads(answered.body)


def ai_of(document: dict[str, Any]) -> dict[str, Any]:
    """The ai verb of a document."""
    found: dict[str, Any] = next(verb["ai"] for verb in document["sections"]["main"] if "ai" in verb)
    return found


def token_in(url: str) -> str:
    """The token at the end of a URL of a document."""
    return url.partition("?__token=")[2]
