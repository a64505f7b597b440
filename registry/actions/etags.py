"""Tags by which an edit knows that nobody has changed the thing since: the API's ETags, a form's hidden field."""

import hashlib
import hmac
import json
from collections.abc import Collection
from typing import Any

from django.conf import settings

from agents.models import Agent
from registry.base.errors import Outdated
from registry.models import Route
from registry.reports.describe import describe_agent, describe_route

ANY = "*"  # of If-Match: whatever it is, as long as there is one (RFC 9110, 13.1.1)
Expected = Collection[str] | None  # tags, one of which the thing must have now; None = any


def agent_tag(agent: Agent) -> str:
    """What changes with everything that can be edited of an agent, its secrets included."""
    return tag_of([describe_agent(agent), agent.credentials, agent.signing_key, agent.upstream])


def draft_tag(agent: Agent) -> str | None:
    """What changes with an agent's draft; None if it has none."""
    return None if agent.draft_id is None else tag_of(["draft", agent.draft_id])


def definition_tag(agent: Agent) -> str:
    """What changes when another version becomes live or the draft: for who edits on top of both."""
    return tag_of(["definition", agent.live_id, agent.draft_id])


def route_tag(route: Route) -> str:
    """What changes with a route."""
    return tag_of(describe_route(route))


def tag_of(value: Any) -> str:
    """A keyed digest: nobody can try out secrets with it."""
    text = json.dumps(value, default=str, sort_keys=True)
    return hmac.new(str(settings.SECRET_KEY).encode(), f"tag:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def check_expected(expected: Expected, present: str | None) -> None:
    """Raise `Outdated` if somebody has changed it since; None expects nothing. `present`: None if it is not there."""
    if expected is None:
        return
    if present is None or (ANY not in expected and present not in expected):
        raise Outdated("somebody has changed it since you looked: read it again, then repeat your change")
