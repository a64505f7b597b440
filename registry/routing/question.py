"""Questions to the routing: who would answer a SIP name, a path or a URL."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from registry.routing.decide import CENTRAL_SIP, Decision
from registry.routing.facts import Facts
from registry.routing.public_url import PublicUrl
from registry.routing.table import RoutingTable

MAX_ASKED = 2048  # characters
SECRET_WORDS = ("__token", "token")  # of a URL's query: what opens functions


@dataclass(frozen=True)
class Question:
    """What somebody asked. `asked` is what they typed but for secrets, which are `withheld`."""

    asked: str
    facts: Facts
    withheld: bool = False

    @property
    def is_name(self) -> bool:
        """Whether it is about a SIP name, and not about a path."""
        return self.facts.path == CENTRAL_SIP


def question_of(text: str, base: str, call_id: str = "") -> Question:
    """The question that somebody typed: a SIP name or address, a path such as /sales/swaig, or a whole URL.

    `base`: our public URL; the path in it is left out of a URL's. A URL's credentials and tokens are dropped: the
    decision is that for a new call.
    """
    asked = text.strip()[:MAX_ASKED]
    calls = (call_id,) if call_id else ()
    if asked.lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(asked)
            given = parse_qs(parts.query)
            place = parts.netloc.rpartition("@")[2]
        except ValueError:
            return Question(asked, Facts(asked, call_ids=calls))
        path = PublicUrl(base, (), ()).inner(parts.path) or parts.path or "/"
        withheld = place != parts.netloc or any(word in given for word in SECRET_WORDS)
        shown = f"{parts.scheme}://{place}{parts.path}" if withheld else asked
        return Question(shown, Facts(path, call_ids=calls), withheld)
    if asked.startswith("/"):
        path, _, query = asked.partition("?")
        withheld = any(word in parse_qs(query) for word in SECRET_WORDS)
        return Question(path if withheld else asked, Facts(path, call_ids=calls), withheld)
    return Question(asked, Facts(CENTRAL_SIP, dialled=asked, call_ids=calls))


def describe_decision(table: RoutingTable, decision: Decision) -> dict[str, Any]:
    """Who would answer and why, without the version itself."""
    return {
        "outcome": decision.outcome,
        "agent": decision.agent.name if decision.agent else None,
        "route": decision.route.path if decision.route else None,
        "sub_path": decision.sub_path,
        "version": decision.version.number if decision.version else None,
        "sip_user": decision.sip_user,
        "fallback": decision.fallback,
        "steps": [{"rule": step.rule, "detail": step.detail, "ok": step.ok} for step in decision.steps],
        "revision": table.revision,
    }
