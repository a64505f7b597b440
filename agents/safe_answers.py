"""What callers hear if an agent fails: never silence, never a traceback."""

import orjson

from agents import mcp
from agents.stored.functions import SAFE_LINE
from agents.swml.document import document
from agents.wire import AgentRequest, Answer, error_body

# A caller hears this instead of silence if we fail to make a document.
SAFE_DOCUMENT = orjson.dumps(
    document({"answer": {}}, {"play": {"url": f"say:{SAFE_LINE} Please call again later."}}, {"hangup": {}})
)


def apology(sub_path: str, detail: str, *, line: str = SAFE_LINE) -> Answer:
    """What a caller hears if we fail. `sub_path`: of a POST. `detail` is for the log."""
    if sub_path == "swaig":
        return Answer(200, orjson.dumps({"response": line}), "error", detail)
    if sub_path in ("post_prompt", "check_for_input", "debug_events"):
        return Answer(503, error_body("Temporarily unavailable"), "error", detail)
    return Answer(200, SAFE_DOCUMENT, "error", detail)


def apology_to(request: AgentRequest, detail: str) -> Answer:
    """The same for a request to an agent."""
    if request.method != "POST":
        return apology("", detail)
    return mcp.failed(request.body, detail) if request.sub_path == "mcp" else apology(request.sub_path, detail)
