"""What every server of the comparison serves and is asked: the same agents, the same call, the same function."""

import base64
import json
from typing import Any

USER, PASSWORD = "u", "p"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
HEADERS = {"Content-Type": "application/json", "Authorization": AUTHORIZATION}
CALL_ID = "2f1c7b64-6d0e-4b58-9a4e-0c2f3a9d7e11"
PROJECT = "11111111-2222-3333-4444-555555555555"
CALL = json.dumps(
    {
        "call": {
            "call_id": CALL_ID,
            "direction": "inbound",
            "type": "phone",
            "from": "+15551230000",
            "to": "+15559870000",
            "state": "created",
            "headers": [],
            "project_id": PROJECT,
        },
        "vars": {"userVariables": {"tier": "standard"}},
        "params": {},
    }
).encode()
FUNCTION_NAME = "get_pricing"
FUNCTION_CALL = json.dumps(
    {
        "function": FUNCTION_NAME,
        "argument": {"parsed": [{"product": "Widget"}], "raw": '{"product": "Widget"}', "substituted": ""},
        "call_id": CALL_ID,
        "ai_session_id": "9c8b7a65",
        "caller_id_num": "+15551230000",
        "content_type": "text/swaig",
        "version": "2.0",
        "global_data": {},
        "meta_data": {},
        "project_id": PROJECT,
    }
).encode()
FUNCTION_ANSWER = b"$99.99"  # stands in the answer of a function that was really called
DESCRIPTION = "Get product pricing"
PARAMETERS = {
    "type": "object",
    "properties": {"product": {"type": "string", "description": "Product name"}},
    "required": ["product"],
}


def name(number: int) -> str:
    """The name of one of the fleet's agents."""
    return f"agent{number}" if number else "sales-agent"


def route(number: int) -> str:
    """The route of one of the fleet's agents."""
    return f"/agent{number}" if number else "/sales"


def prompt(number: int) -> str:
    """An agent's prompt, some hundred characters and its own, so that no two agents share a text."""
    return (
        f"You are sales representative number {number} of Acme Corp. Greet the caller, find out which product they "
        "want and what for, and look its price up before you name it. Never guess a price, never promise a delivery "
        "date. If the caller wants to buy, take down name and address and say that a colleague will call back. Keep "
        "your answers short: they are spoken."
    )


def definition(number: int) -> dict[str, Any]:
    """An agent's definition."""
    return {
        "prompt": {"sections": [{"title": "Role", "body": prompt(number)}]},
        "languages": [{"name": "English", "code": "en-US", "voice": "rime.spore"}],
        "functions": {
            FUNCTION_NAME: {
                "description": DESCRIPTION,
                "parameters": PARAMETERS,
                "handler": {"reply": "The price for ${args.product} is $99.99"},
            }
        },
    }


def spread(agents: int, count: int) -> list[int]:
    """At most so many of the agents' numbers, spread over the whole fleet; the first is /sales."""
    step = max(1, agents // count)
    return list(range(0, agents, step))[:count]
