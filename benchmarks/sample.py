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
# Of the size and shape of what the platform really sends (4 kB for a function): what has been said comes along twice,
# the call stands in several places, and few of the keys are read by anybody.
MOMENT = "2026-11-21T09:41:07.318842"
SPACE, SESSION = "7d3b0c52-8e14-4b6f-a1f9-5c20e6d7b384", "e0a4c6d8-3b57-4f1e-9c62-8a7f5d013b29"
CAPTURED_CALL = {
    "call": {
        "call_id": CALL_ID,
        "node_id": "node-5e1d07ac",
        "segment_id": "b7f20a63-19c4-4d8e-8f35-6a0be2c9d714",
        "call_session_id": "4c9e8d17-72ab-4036-95f1-d30b6e58a2c7",
        "to": "+15559870000",
        "from": "+15551230000",
        "direction": "inbound",
        "state": "answered",
        "tag": CALL_ID,
        "project_id": PROJECT,
        "space_id": SPACE,
        "headers": {"User-Agent": "Sample/1.0"},
        "type": "phone",
        "timeout": 30,
        "answer_on_bridge": False,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    },
    "vars": {
        "environment": "production",
        "space_id": SPACE,
        "userVariables": {},
        "call_data": {
            "id": CALL_ID,
            "state": "answered",
            "type": "phone",
            "from": "+15551230000",
            "to": "+15559870000",
            "project_id": PROJECT,
            "created_at": MOMENT,
        },
    },
    "params": {"product": "widget"},
}
TOOL_CALL = {
    "id": "call_2f1c7b64",
    "type": "function",
    "function": {"name": FUNCTION_NAME, "arguments": '{"product": "widget"}'},
}
SAID = [
    {"role": "system", "content": "You answer the telephone of Acme Corp. and know what everything costs there."},
    {"role": "user", "content": "What does one of your widgets cost?"},
    {"role": "assistant", "content": "One moment, I am looking it up for you.", "tool_calls": [TOOL_CALL]},
]
PREFERENCES = {"app_name": "acme_sales", "environment": "production", "user_preferences": {"language": "en"}}
STARTED = {"session_data": {"start_time": MOMENT}}
CAPTURED_FUNCTION_CALL = {
    **CAPTURED_CALL,
    "function": FUNCTION_NAME,
    "argument": {"parsed": [{"product": "Widget"}], "raw": '{"product": "Widget"}', "substituted": ""},
    "call_id": CALL_ID,
    "space_id": SPACE,
    "project_id": PROJECT,
    "meta_data": {
        "application": {"name": "Acme sales", "version": "1.0.0"},
        "swml": {"version": "1.0.0", "session_id": SESSION},
        "ai": {"call_id": CALL_ID, "session_id": SESSION, "conversation_id": SESSION},
        "request": {"method": "POST", "source_ip": "192.0.2.17", "user_agent": "Sample/1.0"},
        "timing": {"request_start": MOMENT, "function_start": MOMENT},
        "user": {"id": "user-3f9c12e7", "session_start": MOMENT, "last_updated": MOMENT},
    },
    "global_data": {**PREFERENCES, **STARTED},
    "call_log": SAID,
    "raw_call_log": [
        SAID[0],
        {"role": "user", "content": "Good morning."},
        {"role": "assistant", "content": "Good morning, this is Acme. What may I do for you?"},
        *SAID[1:],
    ],
    "prompt_vars": {
        "ai_instructions": "You answer the telephone of Acme Corp.",
        "temperature": 0.7,
        "max_tokens": 1000,
        **PREFERENCES,
        **STARTED,
        "current_timestamp": MOMENT,
        "call_duration": "00:01:48",
        "caller_number": "+15551230000",
        "to_number": "+15559870000",
    },
    "swaig_allow_swml": True,
    "swaig_post_conversation": True,
    "swaig_post_swml_vars": True,
    "http_method": "POST",
    "webhook_url": "https://agents.example.com/sales/swaig",
    "user_agent": "Sample/1.0",
    "request_headers": {
        "Content-Type": "application/json",
        "User-Agent": "Sample/1.0",
        "X-Sample-Call-Id": CALL_ID,
        "X-Sample-Session-Id": SESSION,
    },
    "swml_env": {
        "space_id": SPACE,
        "project_id": PROJECT,
        "environment": "production",
        "space_name": "acme",
        "api_version": "1.0.0",
    },
}
# By their name and what they ask for.
BODIES = {
    "small": {"SWML": CALL, "SWAIG": FUNCTION_CALL},
    "captured": {"SWML": json.dumps(CAPTURED_CALL).encode(), "SWAIG": json.dumps(CAPTURED_FUNCTION_CALL).encode()},
}
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
