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
    leads: bool = False  # a GET only leads to another page


POST = ("POST",)
FORM = ("GET", "HEAD", "POST")
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
    # calls
    "calls": Place(),
    "calls-call": Place(example=("{call}",)),
    # test
    "test": Place(query="agent={agent}"),
    "test-agents": Place(whole=False),
    "test-run": Place(REHEARSE, methods=FORM, whole=False, leads=True),
    # settings
    "settings": Place(leads=True),
    "settings-tokens": Place(),
    "settings-token-new": Place(ADMINISTER, methods=FORM),
    "settings-token-revoke": Place(ADMINISTER, methods=POST),
    "settings-members": Place(ADMINISTER),
    "settings-member-new": Place(ADMINISTER, methods=FORM),
    "settings-member-save": Place(ADMINISTER, methods=POST),
    "settings-member-link": Place(ADMINISTER, methods=POST),
    "settings-audit": Place(),
    "settings-audit-export": Place(example=("csv",), whole=False),
    "settings-replicas": Place(),
    "settings-retention": Place(),
    "settings-health": Place(),
    "settings-apply": Place(),
    "settings-apply-plan": Place(CHANGE, methods=FORM, whole=False, leads=True),
    "settings-export": Place(whole=False),
    "settings-trash": Place(),
    "settings-trash-restore": Place(CHANGE, methods=POST),
}
