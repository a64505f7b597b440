"""What a remote agent's answer becomes: outcomes for the log, safe lines for callers, and none of its addresses."""

from typing import Any
from urllib.parse import urlsplit

from agents.remote.client import Reply
from agents.remote.places import Place
from agents.remote.rewrite import MARKED, AgentAt, Rewriter, Rewritten, readable
from agents.safe_answers import apology, apology_to
from agents.sdk_answers import judged
from agents.stored.functions import SAFE_LINE, UNREACHABLE_REPLY
from agents.wire import AgentRequest, Answer, function_of

BAD_TOKEN = {"error": "Invalid or missing token"}  # what the SDK says (docs/contract.md, 2.4)
MAX_DETAIL = 500  # characters of what a server said
DOCUMENT_PATHS = frozenset({"", "debug"})


def is_document(request: AgentRequest) -> bool:
    """Whether the answer is a document."""
    if request.sub_path in ("check_for_input", "debug_events", "mcp"):
        return False
    return request.method != "POST" or request.sub_path in DOCUMENT_PATHS


def is_swml(value: Any) -> bool:
    """Whether a JSON value is a SWML document."""
    sections = value.get("sections") if isinstance(value, dict) else None
    return isinstance(sections, dict) and isinstance(sections.get("main"), list)


class Answerer:
    """Makes answers of one version's replies."""

    def __init__(self, rewriter: Rewriter):
        self.rewriter = rewriter

    def answer(
        self, request: AgentRequest, reply: Reply, agent_at: AgentAt, server: str
    ) -> tuple[Answer, Rewritten | None]:
        """The answer to the platform, and the document with marks for our URLs if it is a good one.

        `server`: the endpoint's URL, for the log.
        """
        if 300 <= reply.status < 400:
            return self.redirect(request, reply, agent_at, server), None
        if is_document(request):
            return self.document(request, reply, agent_at, server)
        return self.in_call(request, reply, agent_at, server), None

    # --- documents -------------------------------------------------------------------------------------------------

    def document(
        self, request: AgentRequest, reply: Reply, agent_at: AgentAt, server: str
    ) -> tuple[Answer, Rewritten | None]:
        """A document, or what a caller hears instead."""
        problem = status_problem(reply.status, post=request.method == "POST")
        read = None if problem else readable(reply.body)
        if not problem and (read is None or not is_swml(read[0])):
            problem = "answered something that is not a SWML document"
        if read is None or problem:
            return apology("", f"{server} {problem}"), None
        rewritten = self.rewriter.rewrite(read[1], agent_at, document=True)
        if rewritten.leak:
            return apology("", f"{server} {LEAK}"), None
        return Answer(200, rewritten.filled(request)), rewritten

    # --- what a running call asks ------------------------------------------------------------------------------------

    def in_call(self, request: AgentRequest, reply: Reply, agent_at: AgentAt, server: str) -> Answer:
        """The answer of a function, to a summary, an event or an MCP message."""
        status = reply.status
        if status in (200, 202) and not reply.body.strip() and request.sub_path != "swaig":
            return Answer(status, b"")
        read = readable(reply.body)
        problem = "" if read and passes(request, status, read[0]) else status_problem(status, post=True)
        if not problem and (read is None or not isinstance(read[0], dict)):
            problem = "answered something that is not a JSON object"
        if read is None or problem:
            return self.failed(request, f"{server} {problem}")
        rewritten = self.rewriter.rewrite(read[1], agent_at, document=False)
        if rewritten.leak:
            return self.failed(request, f"{server} {LEAK}")
        quotable = MARKED.sub(b"", rewritten.text)  # our URLs have credentials, which are not for the log
        answer = judged(request, status, quotable)
        answer = answer._replace(detail=answer.detail[:MAX_DETAIL])
        if answer.body is not quotable:
            return answer
        if rewritten.nowhere and leads_somewhere(read[0]):
            path = rewritten.nowhere[0][:MAX_DETAIL]
            detail = f"{server} answered with an address of its own that nobody serves here: {path}"
            return self.failed(request, detail, UNREACHABLE_REPLY)
        return answer._replace(body=rewritten.filled(request))

    def failed(self, request: AgentRequest, detail: str, line: str = SAFE_LINE) -> Answer:
        """A safe answer; the detail is for the log."""
        if request.sub_path == "swaig":
            return apology("swaig", detail, line=line)._replace(function=function_of(request))
        return apology_to(request, detail)

    # --- redirects ---------------------------------------------------------------------------------------------------

    def redirect(self, request: AgentRequest, reply: Reply, agent_at: AgentAt, server: str) -> Answer:
        """What a server's routing callback decided (docs/contract.md, 1.2): another agent of it takes the call."""
        try:
            parts = urlsplit(reply.location)
            scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        except ValueError:
            return self.failed(request, f"{server} redirects to an address that cannot be read")
        if not is_document(request) or not reply.location or not reply.location.isprintable():
            return self.failed(request, f"{server} answered {reply.status}, a redirect, which is not followed")
        if (
            host
            and Place.of(scheme, host, port) not in self.rewriter.places
            and not self.rewriter.leaks.any_in(reply.location.encode())
        ):
            return Answer(reply.status, b"", "redirect", "elsewhere, by the server's routing", location=reply.location)
        target = self.rewriter.target(parts.path, agent_at, in_slot=False)
        url = request.urls.of(target.agent) if target.kind == "agent" else None
        if url is None:
            return self.failed(request, f"{server} redirects to {parts.path[:MAX_DETAIL]}, which nobody serves here")
        return Answer(
            307, b"", "redirect", f"to {target.agent}, by the server's routing", location=urlsplit(url).path or "/"
        )


def leads_somewhere(value: Any) -> bool:
    """Whether an answer tells the platform to do something: an address that is only told leads no call to nowhere."""
    return isinstance(value, dict) and bool(value.get("action"))


LEAK = "answered with its own address or credentials in a place where they cannot be replaced"


def passes(request: AgentRequest, status: int, value: Any) -> bool:
    """Whether a status says something to the platform about its own request, and not to us."""
    if status in (200, 202, 400, 405, 413, 415):
        return True
    return status == 403 and request.sub_path == "post_prompt" and value == BAD_TOKEN


def status_problem(status: int, *, post: bool) -> str:
    """What is wrong with the status of an answer, in words; "" for a good one."""
    if status == 200:
        return ""
    if status == 401:
        return "rejected our credentials (401): give the user and password of its server again"
    if status == 403:
        signed = ": if it checks signatures, give its signing key to the agent here, too"
        return f"refused the request (403){signed if post else ''}"
    if status == 404:
        return "has no agent at this path (404)"
    if status >= 500:
        return f"failed ({status})"
    return f"answered {status}"
