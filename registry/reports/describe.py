"""How agents, versions and routes are told to others."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from agents.kinds import KINDS, kind_named, kind_of
from agents.models import Agent, AgentVersion
from registry.models import Route
from registry.reports.agent_health import AgentTrouble


def described_agents() -> QuerySet[Agent]:
    """Agents with all that their description needs, in few queries."""
    return Agent.objects.select_related("live", "draft").prefetch_related("routes__sip_mappings")


def describe_agent(agent: Agent) -> dict[str, Any]:
    """An agent without its definition and secrets. One whose pause is over serves, whatever is kept of it."""
    over = agent.pause_is_over
    return {
        "name": agent.name,
        "title": agent.title,
        "kind": agent.kind,
        "state": agent.current_state,
        "pause_message": "" if over else agent.pause_message,
        "paused_until": None if over else agent.paused_until,
        "tags": agent.tags,
        "routes": [describe_route(route) for route in agent.routes.all()],
        "live_version": agent.live.number if agent.live else None,
        "draft_version": agent.draft.number if agent.draft else None,
        "credentials": "own" if agent.credentials else "fleet",
        "upstream": ("own" if agent.upstream else "none") if kind_named(agent.kind).has_upstream else None,
        "signing_key": "own" if agent.signing_key else "fleet" if settings.SIGNALWIRE_SIGNING_KEY else "none",
        "created": agent.created,
        "trashed": agent.trashed,
    }


def describe_source(version: AgentVersion | None) -> dict[str, Any]:
    """What a Python or remote agent's version is, as it was given, and what was found of it; None for a definition."""
    described: dict[str, Any] = dict.fromkeys([*(kind.key for kind in KINDS.values() if not kind.bare), "found"])
    kind = kind_of(version.definition) if version else None
    if version and kind and not kind.bare:
        described |= kind.as_written(version.definition)
        described["found"] = kind.found_in(version.definition)
    return described


def as_written(definition: Any) -> Any:
    """What people wrote of a version's JSON: of Python and remote agents without what was found."""
    return kind_of(definition).as_written(definition)


def describe_trouble(trouble: AgentTrouble | None) -> dict[str, Any] | None:
    """What is wrong with an agent that does not run as it should."""
    if trouble is None:
        return None
    return {name: getattr(trouble, name) for name in ("state", "detail", "since", "workers", "of")}


def describe_route(route: Route) -> dict[str, Any]:
    """A route with its SIP names."""
    return {
        "id": route.pk,
        "path": route.path,
        "agent": route.agent.name,
        "enabled": route.enabled,
        "default": route.default,
        "sip": [
            {"username": mapping.username, "typed": mapping.typed, "source": mapping.source}
            for mapping in route.sip_mappings.all()
        ],
    }


def describe_version(version: AgentVersion, agent: Agent) -> dict[str, Any]:
    """A version without its definition."""
    live, draft = version.pk == agent.live_id, version.pk == agent.draft_id
    return {
        "number": version.number,
        "state": "live" if live else "draft" if draft else "retired" if version.retired else "unpublished",
        "note": version.note,
        "author": version.author,
        "created": version.created,
        "retired": version.retired,
    }
