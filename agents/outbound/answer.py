"""What an author's server answered, as a SWAIG answer."""

import re
from typing import Any

import orjson

from agents.errors import WebhookFailed

COMPLETED = "Function completed successfully"  # what the SDK says when a function returns nothing
TEXT_CHARACTERS = 4000  # of an answer that is not JSON; longer ones are pages and logs, not something to say
# Few, and by our own table: Python's keeps every name it was ever asked for, which a stranger chooses here.
CHARSETS = {
    "ascii": "ascii",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
CHARSET = re.compile(r';\s*charset\s*=\s*"?([\w.:-]+)', re.IGNORECASE)


def swaig_answer(body: bytes, content_type: str) -> dict[str, Any]:
    """A SWAIG answer from what a webhook answered: SWAIG, any other JSON as its text, or a short text.

    Raises WebhookFailed for everything else. What is returned can be written as JSON.
    """
    kind = content_type.partition(";")[0].strip().lower()
    charset = CHARSET.search(content_type)
    try:
        text = body.decode(CHARSETS.get(charset[1].lower(), "utf-8-sig") if charset else "utf-8-sig").strip()
    except UnicodeDecodeError:
        raise WebhookFailed("answered neither JSON nor a short text") from None
    if not text:
        return {"response": COMPLETED}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"response": short_text(text, kind)}
    try:
        answer = answer_of(value)
        orjson.dumps(answer)
    except orjson.JSONEncodeError:  # it reads 1,024 levels and writes 254
        raise WebhookFailed("answered JSON that is nested too deeply") from None
    return answer


def short_text(text: str, kind: str) -> str:
    """A text that is no JSON, if it can be said to the model. `kind`: its media type, "" if it has none."""
    sayable = not kind or kind.startswith("text/") or kind == "application/json" or kind.endswith("+json")
    # A text that begins like HTML is an error page; one that begins like JSON is broken JSON.
    if not sayable or len(text) > TEXT_CHARACTERS or "\0" in text or text[0] in '<{["':
        raise WebhookFailed("answered neither JSON nor a short text")
    return text


def answer_of(value: Any) -> dict[str, Any]:
    """The SWAIG answer that a JSON value is or becomes."""
    if not isinstance(value, dict) or not ("response" in value or are_actions(value.get("action"))):
        return {"response": text_of(value)}
    answer: dict[str, Any] = {"response": reply_of(value.get("response"))}
    actions = value.get("action")
    if actions:
        actions = [actions] if isinstance(actions, dict) else actions
        if not are_actions(actions):
            raise WebhookFailed('answered an "action" that is not a list of objects, each with something in it')
        answer["action"] = actions
        if value.get("post_process") is True:
            answer["post_process"] = True
    return answer


def are_actions(value: Any) -> bool:
    """Whether this is what SWAIG's `action` has to be, or one of them."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(action, dict) and action for action in value)
    return isinstance(value, dict) and bool(value)


def reply_of(response: Any) -> str | dict[str, str]:
    """SWAIG's `response`: a text, or an object with a text for the model and one about how to say it."""
    if isinstance(response, dict):
        parts = {name: response[name] for name in ("tool_result", "tool_prompt") if response.get(name) is not None}
        if "tool_result" in parts and all(isinstance(part, str) for part in parts.values()):
            return parts
    elif not isinstance(response, list):
        return text_of(response)
    raise WebhookFailed('answered a "response" that is neither a text nor an object with the text "tool_result"')


def text_of(value: Any) -> str:
    """A JSON value for the model: a text as it is, anything else as JSON, which it reads well."""
    if value is None or value == {}:
        return COMPLETED
    return value if isinstance(value, str) else orjson.dumps(value).decode()
