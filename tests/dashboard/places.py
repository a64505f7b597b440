"""Every page of the dashboard: who may use it, and an address at which the fleet of the tests has something to show.

A new URL must be added here: tests/dashboard/test_places.py compares this table with the URL configuration.
"""

from typing import NamedTuple

from registry.policy import Deed

SEE, REHEARSE, CHANGE, REVEAL, ADMINISTER = Deed.SEE, Deed.REHEARSE, Deed.CHANGE, Deed.REVEAL, Deed.ADMINISTER
RUN_CODE = Deed.RUN_CODE


class Place(NamedTuple):
    """A URL of the dashboard. `example`: its arguments, with {agent}, {event}, {call}; `query`: what a GET needs."""

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
    "overview-figures": Place(whole=False),
    # agents
    "agents": Place(query="q=pharm"),
    "agents-cells": Place(query="name={agent}&seen=0", whole=False),
    "agents-bulk": Place(CHANGE, POST),
    "agents-export": Place(SEE, POST),
    "agents-example": Place(CHANGE, POST),
    # agent
    "agent": Place(example=AGENT),
    "agent-document": Place(example=AGENT),
    "agent-functions": Place(example=AGENT),
    "agent-routing": Place(example=AGENT),
    "agent-versions": Place(example=AGENT, query="from=1&to=1"),
    "agent-version": Place(example=(*AGENT, "1")),
    "agent-version-download": Place(example=(*AGENT, "1"), whole=False),
    "agent-version-restore": Place(CHANGE, POST, example=AGENT),
    "agent-log": Place(example=AGENT),
    "agent-history": Place(example=AGENT),
    "agent-head": Place(example=AGENT, whole=False),
    "agent-pause": Place(CHANGE, FORM, example=AGENT),
    "agent-resume": Place(CHANGE, POST, example=AGENT),
    "agent-edit": Place(CHANGE, FORM, example=AGENT),
    "agent-reveal": Place(REVEAL, POST, example=AGENT),
    "agent-unregister": Place(CHANGE, FORM, example=AGENT),
    "agent-restore": Place(CHANGE, POST, example=AGENT),
    "agent-results": Place(example=("{agent}", "get_pricing")),
    "agent-route-add": Place(CHANGE, POST, example=AGENT),
    "agent-route-restore": Place(CHANGE, POST, example=AGENT),
    "agent-route-remove": Place(CHANGE, FORM, example=AGENT),
    "agent-route-default": Place(CHANGE, POST, example=("{agent}", "1")),
    "agent-route-switch": Place(CHANGE, POST, example=("{agent}", "1")),
    "agent-name-add": Place(CHANGE, POST, example=AGENT),
    "agent-name-remove": Place(CHANGE, POST, example=AGENT),
    # definition
    "agent-definition": Place(example=AGENT),
    "agent-definition-edit": Place(CHANGE, POST, example=AGENT),
    "agent-definition-check": Place(CHANGE, POST, example=AGENT),
    "agent-definition-preview": Place(example=AGENT, whole=False),
    "agent-definition-changed": Place(example=AGENT, whole=False),
    "agent-definition-theirs": Place(CHANGE, POST, example=AGENT),
    "agent-discard": Place(CHANGE, POST, example=AGENT),
    "agent-draft-again": Place(CHANGE, POST, example=AGENT),
    "agent-publish": Place(CHANGE, FORM, example=AGENT),
    "agent-reload": Place(CHANGE, POST, example=AGENT),
    "agent-source": Place(CHANGE, FORM, example=AGENT, leads=True),  # an agent that is built here has none
    "agent-server": Place(CHANGE, POST, example=AGENT),
    # register
    "register": Place(CHANGE, ("GET", "HEAD", "POST"), query="name=pharmacy&sip=appointments"),
    "register-check": Place(CHANGE, POST),
    "register-look": Place(CHANGE, POST),
    "register-classes": Place(RUN_CODE, whole=False),
    "register-done": Place(example=AGENT),
    # routing
    "routing": Place(query="ask=sip:pharmacy2@example.com&route=1"),
    "routing-offers": Place(query="kind=agent", whole=False),
    "routing-map": Place(CHANGE, POST),
    "routing-unmap": Place(CHANGE, POST),
    "routing-add": Place(CHANGE, POST),
    "routing-change": Place(CHANGE, POST),
    "routing-remove": Place(CHANGE, POST),
    "routing-restore": Place(CHANGE, POST),
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
    "settings-adopt": Place(CHANGE, methods=FORM),
    "settings-trash": Place(),
    "settings-trash-restore": Place(CHANGE, methods=POST),
}
