"""The actions about the trash: agents without routes, and their way back."""

from typing import Any

from django.utils import timezone

from agents.fields import UNREADABLE
from agents.models import Agent
from registry.actions.credentials import have_credentials
from registry.actions.etags import Expected, agent_tag, check_expected
from registry.actions.former_routes import former_route, make_former_route
from registry.actions.lookups import get_agent
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import Conflict, NotFound
from registry.models import SipMapping

TRASH_COLUMNS = ["state", "trashed", "former_reach", "paused_until"]


def unregister_agent(name: str, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Remove all routes of an agent and their SIP names: it is in the trash, and `restore_agent` brings it back."""
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        check_expected(expected, agent_tag(agent))
        change.state = Agent.State.TRASHED.value
        mappings = SipMapping.objects.filter(route__agent=agent)
        change.sip = list(mappings.values_list("username", flat=True))
        put_into_trash(agent)
        agent.routes.all().delete()
    return change


def restore_agent(name: str, *, by: Actor, expected: Expected = None, wait: bool = False) -> Change:
    """Bring an agent back from the trash, at the routes and with the SIP names that it had.

    `Conflict` if another has one of the routes now; names that another has are skipped and reported.
    """
    with changing(by, name, wait=wait) as change:
        agent = Agent.objects.select_for_update(of=("self",)).filter(name=name).first()
        if agent is None:
            raise NotFound(f"there is no agent {name!r}: `agents --trash` lists them")
        check_expected(expected, agent_tag(agent))
        if agent.state != Agent.State.TRASHED:
            raise Conflict(f"agent {name} is registered: there is nothing to restore")
        reach = agent.former_reach or []
        if not reach:
            raise Conflict(f"agent {name} is in the trash without its routes: register it again at one")
        if UNREADABLE in (agent.credentials, agent.signing_key, agent.upstream):
            raise Conflict(
                f"the secrets of agent {name} were encrypted with another SECRET_KEY: put it into "
                "SECRET_KEY_FALLBACKS, or register the agent again with new ones"
            )
        change.route, change.state = reach[0]["path"], Agent.State.SERVING.value
        take_out_of_trash(agent)
        have_credentials(agent, change)
        agent.save()
        for former in reach:
            make_former_route(agent, former, change)
    return change


# --- what they have in common ----------------------------------------------------------------------------------------


def put_into_trash(agent: Agent) -> None:
    """Note what leads to an agent, before that is removed."""
    routes = agent.routes.prefetch_related("sip_mappings")
    trash(agent, [former_route(route, route.sip_mappings.all()) for route in routes])
    agent.save(update_fields=TRASH_COLUMNS)


def trash(agent: Agent, reach: list[dict[str, Any]]) -> None:
    """Put it into the trash, once its TRASH_COLUMNS are saved and its routes are gone."""
    agent.state, agent.trashed, agent.former_reach = Agent.State.TRASHED, timezone.now(), reach
    agent.paused_until = None


def take_out_of_trash(agent: Agent) -> None:
    """Let it serve again, once it is saved and has a route."""
    agent.state, agent.trashed, agent.pause_message, agent.former_reach = Agent.State.SERVING, None, "", None
    agent.paused_until = None
