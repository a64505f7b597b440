"""Every page of the dashboard: who may use it, and an address at which the fleet of the tests has something to show.

A new URL must be added here: tests/dashboard/test_places.py compares this table with the URL configuration.
"""

from typing import NamedTuple

from registry.policy import Deed

SEE, REHEARSE, CHANGE, REVEAL, ADMINISTER = Deed.SEE, Deed.REHEARSE, Deed.CHANGE, Deed.REVEAL, Deed.ADMINISTER


class Place(NamedTuple):
    """A URL of the dashboard. `example`: its arguments, {agent}, {event} and {call} are filled in; `query`: what a GET needs."""

    deed: Deed = SEE
    methods: tuple[str, ...] = ("GET", "HEAD")
    example: tuple[str, ...] = ()
    query: str = ""
    whole: bool = True  # a page; else a part of one, which has no frame


POST = ("POST",)
AGENT = ("{agent}",)
# By URL name.
PLACES: dict[str, Place] = {
    # frame
    "in-step": Place(whole=False),
    "zones": Place(whole=False),
    "failing": Place(whole=False),
    "theme": Place(methods=POST),
    # search
    "search": Place(query="q=a"),
    # overview
    "overview": Place(),
    # agents
    "agents": Place(),
    # agent
    "agent": Place(example=AGENT),
    "agent-document": Place(example=AGENT),
    "agent-functions": Place(example=AGENT),
    "agent-routing": Place(example=AGENT),
    "agent-versions": Place(example=AGENT),
    "agent-log": Place(example=AGENT),
    "agent-history": Place(example=AGENT),
    # definition
    "agent-definition": Place(example=AGENT),
    # register
    "register": Place(),
    # routing
    "routing": Place(),
    # log
    "log": Place(),
    "log-event": Place(example=("{event}",)),
    "log-rows": Place(whole=False),
    "log-csv": Place(whole=False),
    "log-jsonl": Place(whole=False),
    # calls
    "calls": Place(),
    "calls-news": Place(query="newest={event}", whole=False),
    "calls-call": Place(example=("{call}",)),
    # test
    "test": Place(),
    # settings
    "settings": Place(),
    "settings-tokens": Place(),
    "settings-members": Place(),
    "settings-audit": Place(),
    "settings-replicas": Place(),
    "settings-retention": Place(),
    "settings-health": Place(),
    "settings-apply": Place(),
}
