"""What a request says of itself, for the decision and the log: pure, from its path, method, query and body."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.wire import NO_QUERY, VERSION_MARK

IN_CALL = frozenset({"swaig", "post_prompt"})  # sub-paths that a running call asks for
CALL_KINDS = IN_CALL | {"mcp"}
MAX_MARK = 9  # digits of a version
NOTHING: dict[str, Any] = {}  # in the place of an object that is not there


class Facts(NamedTuple):
    """What is known of a request. Values from its body may be of any type: callers send what they like."""

    path: str
    method: str = "POST"  # or GET, which stands for all others
    dialled: Any = None  # call.to
    function: Any = None
    token: str = ""
    call_ids: tuple[str, ...] = ()  # those that a token may be for
    mark: str = ""  # the version that a document of a Python or remote agent wrote into its URLs
    caller: Any = None  # call.from, or the caller's number
    call_id: str = ""  # of the call that it belongs to; "" if it names none
    query: Mapping[str, str] = NO_QUERY
    body: Any = None  # parsed

    @property
    def language(self) -> str:
        """The language that is asked for, in the words of whoever asks; "" if none is. Read only when it is wanted."""
        body = self.body if isinstance(self.body, dict) else NOTHING
        for said in (
            self.query.get("lang"),
            part(body, "params").get("language"),
            part(part(body, "vars"), "userVariables").get("language"),
            sip_header(body, "x-language"),
        ):
            if found := text(said).strip():
                return found
        return ""


def facts_of(path: str, method: str, sub_path: str, query: Mapping[str, str], body: Any) -> Facts:
    """The facts of a request to this sub-path. Which of a body's ids counts for what is the reference's choice."""
    method = "POST" if method == "POST" else "GET"
    if not isinstance(body, dict):
        return Facts(path, method, None, None, "", (), "", None, query.get("call_id", ""), query, body)
    call = body.get("call")
    if not isinstance(call, dict):
        call = NOTHING
    caller, dialled = call.get("from") or body.get("caller_id_num"), call.get("to")
    if sub_path not in IN_CALL:
        call_id = text(body.get("call_id")) or text(call.get("call_id"))
        call_id = call_id or query.get("call_id") or text(body.get("conversation_id"))
        token = token_in(query) if sub_path == "mcp" else ""
        return Facts(path, method, dialled, None, token, (), "", caller, call_id, query, body)
    in_body, conversation = body.get("call_id"), text(body.get("conversation_id"))
    call_id = text(in_body) or conversation or text(call.get("call_id")) or query.get("call_id", "")
    # A token may be for these; SWAIG's body alone counts (docs/contract.md, 2.5), for a post-prompt the URL too (2.4).
    named = text(in_body if sub_path == "swaig" else in_body or query.get("call_id"))
    ids = (named, conversation) if named and conversation else (named or conversation,) if named or conversation else ()
    function, mark = body.get("function"), query.get(VERSION_MARK, "")
    if mark and not (mark.isascii() and mark.isdigit() and len(mark) <= MAX_MARK):
        mark = ""
    return Facts(path, method, dialled, function, token_in(query), ids, mark, caller, call_id, query, body)


def text(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def token_in(query: Mapping[str, str]) -> str:
    """The token in a URL."""
    return query.get("__token") or query.get("token", "")


def part(of: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside another; an empty one if it is not there, or is none."""
    found = of.get(name)
    return found if isinstance(found, dict) else NOTHING


def sip_header(body: dict[str, Any], name: str) -> Any:
    """The value of a header of the call's INVITE, as the platform passes it on. `name`: in lower case."""
    headers = part(body, "call").get("headers")
    for header in headers if isinstance(headers, list) else ():
        if isinstance(header, dict) and isinstance(known := header.get("name"), str) and known.lower() == name:
            return header.get("value")
    return None
