"""Fleets of several kinds, and what the database has of them."""

from datetime import timedelta

import pgtrigger
import pytest
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.actions import agents, pauses, routes
from registry.models import RegistryChange, Route, SipMapping

DEFINITION = {"prompt": {"text": "I sell."}}


def everything():
    """All that can be written, for comparing before and after."""
    return [list(model.objects.order_by("id").values()) for model in (Agent, AgentVersion, Route, SipMapping)] + [
        RegistryChange.newest()
    ]


@pytest.fixture
def register(db, actor):
    def register(name="sales", route=None, definition=DEFINITION, **options):
        options = {"credentials": ("u", "p"), "auto_sip": False, **options}
        return agents.register(name, route or f"/{name}", definition, by=actor, **options)

    return register


@pytest.fixture
def varied(fleet, register, actor, monkeypatch):
    """The fleet of fleet.yaml with all that can be set, and the variables that the document refers to."""
    agents.update_agent("booking-desk", title="Booking: desk #1", tags=["clinic", "yes", "é"], by=actor)
    pauses.pause("pharmacy", "Closed.\nCall again at 9:00, please.", by=actor, until=timezone.now() + timedelta(days=1))
    routes.register_route("info-line", "/info/more", sip=["Sip:More-Info@example.com"], by=actor)
    routes.register_route("info-line", "/a-first", auto_sip=False, by=actor)
    routes.update_route("/info/more", enabled=False, by=actor)
    routes.set_default_route("/a-first", by=actor)
    register("signed", signing_key="PSK_signing_key_of_signed")
    for name in ("BOOKING_DESK", "PHARMACY", "INFO_LINE", "SIGNED"):
        monkeypatch.setenv(f"AGENT_SECRET_{name}_CREDENTIALS", "u:p")
    monkeypatch.setenv("AGENT_SECRET_SIGNED_SIGNING_KEY", "PSK_signing_key_of_signed")


@pytest.fixture
def emptied(db):
    """Empties the registry as if nothing had ever been registered."""

    def empty():
        SipMapping.objects.all().delete()
        Route.objects.all().delete()
        Agent.objects.update(live=None, draft=None)
        with pgtrigger.ignore("agents.AgentVersion:version_is_kept"):
            Agent.objects.all().delete()

    return empty
