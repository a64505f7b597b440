"""The actions about pauses: agents that for a while answer new calls with a message."""

from datetime import datetime, timedelta

import pghistory
from django.utils import timezone

from agents.models import Agent
from registry.actions.lookups import get_agent
from registry.actions.transaction import Actor, Change, changing
from registry.base.errors import Malformed
from registry.base.text import check_storable

PAUSE_MESSAGE = "This line is paused at the moment. Please call again later."
MAX_PAUSE_MESSAGE = 500  # characters; spoken in about half a minute
MAX_PAUSE = timedelta(days=30)  # that ends by itself
MAX_PAUSE_MINUTES = MAX_PAUSE // timedelta(minutes=1)
SWITCHBOARD = Actor("Switchboard", "serve")


def pause(name: str, message: str = "", *, by: Actor, until: datetime | None = None, wait: bool = False) -> Change:
    """New calls hear the message and are hung up; running calls go on.

    At `until`, 30 days from now at most, callers reach the agent again by themselves, also while the database is away;
    None: when somebody resumes it.
    """
    message = check_pause_message(message)
    if until is not None:
        check_end_of_pause(until)
    return set_state(name, Agent.State.PAUSED, message, until, by, wait)


def resume(name: str, *, by: Actor, wait: bool = False) -> Change:
    """Answer new calls again."""
    return set_state(name, Agent.State.SERVING, "", None, by, wait)


def resume_what_is_over() -> list[str]:
    """Resume the agents whose time is up, so that what is kept says what callers hear already; their names.

    Every worker may ask for it at any time: one does it, for the others there is nothing left.
    """
    if not Agent.objects.filter(Agent.over()).exists():
        return []
    with changing(SWITCHBOARD), pghistory.context(changed="its time was up"):
        agents = dict(Agent.objects.filter(Agent.over()).values_list("pk", "name"))
        Agent.objects.filter(Agent.over(), pk__in=agents).update(
            state=Agent.State.SERVING, pause_message="", paused_until=None
        )
    return list(agents.values())


def set_state(name: str, state: Agent.State, message: str, until: datetime | None, by: Actor, wait: bool) -> Change:
    """Pause or resume an agent that has a route. `Change.former` has its state before."""
    with changing(by, name, wait=wait) as change:
        agent = get_agent(name)
        change.state, change.message, change.former = state.value, message, {"state": agent.state}
        change.changed = (agent.state, agent.pause_message, agent.paused_until) != (state, message, until)
        if change.changed:
            agent.state, agent.pause_message, agent.paused_until = state, message, until
            agent.save(update_fields=["state", "pause_message", "paused_until"])
    return change


# --- what they have in common ----------------------------------------------------------------------------------------


def check_pause_message(message: str) -> str:
    """A pause message as it is kept; the usual one if there is none."""
    message = message.strip() or PAUSE_MESSAGE
    check_storable("message", message)
    if len(message) > MAX_PAUSE_MESSAGE:
        raise Malformed(f"the pause message has {len(message)} characters, more than {MAX_PAUSE_MESSAGE}")
    return message


def check_end_of_pause(until: datetime) -> None:
    """Raise `Malformed` for a moment at which no pause can end by itself."""
    now = timezone.now()
    problem = ""
    if until.tzinfo is None:
        problem = "must have an offset from UTC, such as Z or +02:00"
    elif until <= now:
        problem = "must be in the future"
    elif until > now + MAX_PAUSE:
        problem = f"must be at most {MAX_PAUSE.days} days away: a longer pause lasts until somebody resumes the agent"
    if problem:
        raise Malformed(f"the end of the pause {problem}", problems={"until": problem})


def end_of_pause(minutes: float) -> datetime:
    """The moment so many minutes from now, for `pause`."""
    if not 0 < minutes <= MAX_PAUSE_MINUTES:
        problem = f"must be more than 0 and at most {MAX_PAUSE_MINUTES}, which are {MAX_PAUSE.days} days"
        raise Malformed(f"the minutes of the pause {problem}", problems={"minutes": problem})
    return timezone.now() + timedelta(minutes=minutes)
