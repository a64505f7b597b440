"""What an agent is asked and what it answers: the same two values for every kind of agent."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

# What stands behind an agent's route. `sip` is the registry's.
SUB_PATHS = frozenset({"swaig", "post_prompt", "check_for_input", "debug", "debug_events", "mcp", "sip"})

# In the query of the URLs that documents of Python and remote agents hold: the version, from the second on.
VERSION_MARK = "__version"

MALFORMED = object()  # the body of a request whose bytes are not JSON


class Webhooks(Protocol):
    """Whoever asks authors' servers; `agents.outbound.client.WebhookClient`."""

    async def post(
        self, agent: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float | None = None
    ) -> dict[str, Any]:
        """The SWAIG answer of a server, or `WebhookFailed`."""
        ...


NO_HEADERS: Mapping[bytes, bytes] = {}
NO_QUERY: Mapping[str, str] = {}


def nobody_at(_place: str) -> None:
    """For whoever knows no agents."""


class Sent(NamedTuple):
    """A request as it came."""

    raw: bytes = b""  # its body
    headers: Mapping[bytes, bytes] = NO_HEADERS  # names in lower case
    query_string: bytes = b""
    query: Mapping[str, str] = NO_QUERY  # that, parsed


class Urls(Protocol):
    """Public URLs as the sender of a request knows them, no slash at their end."""

    @property
    def own(self) -> bytes:
        """The agent's, with its credentials."""
        ...

    @property
    def base(self) -> bytes:
        """The server's, without credentials."""
        ...

    def of(self, name: str, /) -> str | None:
        """Another agent's by its name, with its credentials; None if it has no route."""
        ...

    def at(self, path: str, /) -> str | None:
        """The same of whoever is at this route."""
        ...


class FixedUrls(NamedTuple):
    """URLs that are known beforehand."""

    own: bytes
    base: bytes
    of: Callable[[str], str | None] = nobody_at
    at: Callable[[str], str | None] = nobody_at


class Onward(NamedTuple):
    """What an agent needs to ask other servers because of a request."""

    webhooks: Webhooks
    headers: Callable[[], Mapping[str, str]] = dict  # for an author's server: which request it is asked for
    upstream: str = ""  # user:password for a remote agent's server
    signing_key: str = ""  # of the platform, with which requests to a remote agent's server are signed


class AgentRequest(NamedTuple):
    """A request to an agent whose sender, content type and size have been checked; made by `request_to` alone.

    A tuple, because each request of a call makes one: a frozen dataclass takes four times as long. Changed copies are
    made by `_replace`.
    """

    agent: str  # its name
    sub_path: str  # "" for the document, else one of SUB_PATHS or the agent's own
    method: str  # GET or POST
    body: Any  # parsed JSON, None if there was none, MALFORMED if it was not JSON
    call_id: str  # "" if the request names no call
    claim: bytes | None  # the purpose that its token proved, None without a good token
    now: float  # seconds since 1970
    sent: Sent
    urls: Urls
    onward: Onward


def request_to(
    *,
    agent: str,
    sub_path: str = "",
    method: str = "POST",
    body: Any = None,
    call_id: str = "",
    claim: bytes | None = None,
    now: float,
    sent: Sent,
    urls: Urls,
    onward: Onward,
) -> AgentRequest:
    """A request to an agent. Its `sip` is its document; what is no POST is answered as GET is.

    The one place where the parts have an order: with keywords, the class itself would take three times as long.
    """
    if sub_path == "sip":
        sub_path = ""
    if method != "POST":
        method = "GET"
    return tuple.__new__(AgentRequest, (agent, sub_path, method, body, call_id, claim, now, sent, urls, onward))


class Answer(NamedTuple):
    """What goes back to the platform, and what the routing log says about it."""

    status: int
    body: bytes
    outcome: str = "ok"
    detail: str = ""
    function: str = ""
    location: str = ""  # of a redirect
    allow: str = ""  # of a 405
    digest: str = ""  # of a body of which it is known beforehand, from the agent's key; see registry/routing/digest.py


class Version(Protocol):
    """One version of an agent, of whatever kind, that answers for itself."""

    kind: str  # the word of its kind
    number: int
    mcp: bool  # whether it offers its functions as MCP tools
    by_mark: bool  # its documents carry its number in their URLs, for it checks its tokens itself
    paths: frozenset[str]  # sub-paths that it answers besides SUB_PATHS

    async def answer(self, request: AgentRequest) -> Answer:
        """Answer a request to this agent, whatever its sub-path."""
        ...


class LocalVersion(Version, Protocol):
    """One that answers in any process: its document can be shown and its functions tried, live or not."""

    @property
    def functions(self) -> Mapping[str, Any]:
        """Its functions, by name."""
        ...

    def shown(self, url: bytes, base: bytes, mask: bytes) -> bytes:
        """Its document at these addresses, with `mask` in the place of tokens."""
        ...


NO_PATHS: frozenset[str] = frozenset()


def function_of(request: AgentRequest) -> str:
    """The function that a request asks for; "" if it is none."""
    name = request.body.get("function") if request.sub_path == "swaig" and isinstance(request.body, dict) else None
    return name if isinstance(name, str) else ""


def fault(status: int, message: str, outcome: str = "invalid", *, function: str = "") -> Answer:
    """An answer `{"error": message}`, the reference's shape for a refused request."""
    return Answer(status, error_body(message), outcome, message, function)


def body_fault(body: Any) -> Answer | None:
    """A 400 for a body that is there and is not a JSON object."""
    if body is None or isinstance(body, dict):
        return None
    return fault(400, "Invalid JSON" if body is MALFORMED else "Body must be a JSON object")


def error_body(message: str) -> bytes:
    """`{"error": …}` as bytes."""
    return orjson.dumps({"error": message})
